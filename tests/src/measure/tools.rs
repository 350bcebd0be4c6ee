//! The load generators that others wrote, and what they print.

use anyhow::{Context, ensure};
use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// What a load generator counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Requests per second.
    pub rate: f64,
    /// Requests answered, well or badly.
    pub requests: u64,
    /// Answers other than 2xx or 3xx, and errors of sockets.
    pub bad: u64,
}

/// The file of a program, looked for where systems keep servers as well.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// What `wrk` sends.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// What is asked for.
    pub path: &'a str,
    /// Connections at the same time.
    pub connections: usize,
    /// Each request on a connection of its own.
    pub fresh: bool,
    /// A script for anything but GET.
    pub script: Option<&'a Path>,
}

/// Runs `wrk` with one thread.
pub async fn wrk(address: SocketAddr, shape: Shape<'_>, lasts: Duration) -> anyhow::Result<Counted> {
    let mut arguments = vec!["-t1".to_owned(), format!("-c{}", shape.connections)];
    arguments.extend([format!("-d{}s", lasts.as_secs().max(1)), "--timeout".to_owned(), "10s".to_owned()]);
    if shape.fresh {
        arguments.extend(["-H".to_owned(), "Connection: close".to_owned()]);
    }
    if let Some(script) = shape.script {
        arguments.extend(["-s".to_owned(), script.display().to_string()]);
    }
    arguments.push(format!("http://{address}{}", shape.path));
    let output = run("wrk", &arguments).await?;
    read_wrk(&output).with_context(|| format!("wrk's answer cannot be read:\n{output}"))
}

/// Runs `h2load` over TLS: 16 connections of 10 streams.
pub async fn h2load(address: SocketAddr, lasts: Duration) -> anyhow::Result<Counted> {
    let port = address.port();
    let arguments = [
        "-t1".to_owned(),
        "-c16".to_owned(),
        "-m10".to_owned(),
        format!("-D{}", lasts.as_secs().max(1)),
        format!("--connect-to={address}"),
        format!("https://localhost:{port}/"),
    ];
    let output = run("h2load", &arguments).await?;
    read_h2load(&output).with_context(|| format!("h2load's answer cannot be read:\n{output}"))
}

async fn run(name: &str, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{name} could not be run"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{name} failed ({}):\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

fn read_wrk(text: &str) -> Option<Counted> {
    let lines = || text.lines().map(str::trim);
    let rate = lines().find_map(|line| line.strip_prefix("Requests/sec:"))?.trim().parse().ok()?;
    let requests = lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok())?;
    let wrong: u64 = lines()
        .find_map(|line| line.strip_prefix("Non-2xx or 3xx responses:")?.trim().parse().ok())
        .unwrap_or(0);
    let broken: u64 = lines()
        .find_map(|line| line.strip_prefix("Socket errors:"))
        .into_iter()
        .flat_map(|rest| rest.split(','))
        .filter_map(|part| part.trim().rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum();
    Some(Counted { rate, requests, bad: wrong + broken })
}

fn read_h2load(text: &str) -> Option<Counted> {
    let rate = text.lines().find_map(|line| {
        line.strip_prefix("finished in ")?.split_once(" req/s")?.0.rsplit(' ').next()?.parse().ok()
    })?;
    let line = text.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let count = |what: &str| -> Option<u64> {
        line.split(", ").find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
    };
    let codes = text.lines().find_map(|line| line.strip_prefix("status codes: "))?;
    let wrong: u64 = codes
        .split(", ")
        .filter(|part| !part.ends_with("2xx") && !part.ends_with("3xx"))
        .filter_map(|part| part.split(' ').next()?.parse::<u64>().ok())
        .sum();
    Some(Counted { rate, requests: count("done")?, bad: wrong + count("errored")? + count("timeout")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_is_understood() {
        let text = "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.95ms  117.00us   4.60ms   90.42%\n  65536 requests in 2.01s, 15.51MB read\n  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 30\nRequests/sec:  32604.98\nTransfer/sec:      7.72MB\n";
        assert_eq!(read_wrk(text), Some(Counted { rate: 32604.98, requests: 65536, bad: 37 }));
        assert_eq!(read_wrk("unable to connect\n"), None);
    }

    #[test]
    fn h2load_is_understood() {
        let text = "starting benchmark...\n\nfinished in 2.00s, 21000.50 req/s, 3.30MB/s\nrequests: 42161 total, 42321 started, 42001 done, 42001 succeeded, 0 failed, 3 errored, 0 timeout\nstatus codes: 41999 2xx, 0 3xx, 1 4xx, 1 5xx\ntraffic: 6.60MB (6920000) total\n";
        assert_eq!(read_h2load(text), Some(Counted { rate: 21000.5, requests: 42001, bad: 5 }));
    }
}
