//! Where the edge's time goes while the load runs, as `perf` samples it. Shares of the processor's time, kernel included.

use crate::peer::Peer;
use crate::row::Row;
use anyhow::{Context, ensure};
use fairway_stories::measure::tools::program;
use std::{path::Path, process::Stdio, time::Duration};

/// How many functions are shown.
const MOST: usize = 25;

/// The functions in which the proxy is found most often, as a Markdown table. The load must last longer than `lasts`.
pub(crate) async fn sample(
    row: Row,
    peer: &Peer,
    directory: &Path,
    lasts: Duration,
) -> anyhow::Result<String> {
    ensure!(program("perf").is_some(), "needs perf");
    let file = directory.join(format!("{row:?}.perf"));
    // The clock works on machines that have no counters to lend, as virtual ones.
    let recorded = tokio::process::Command::new("perf")
        .args(["record", "--quiet", "-e", "cpu-clock", "-F", "1999", "-p"])
        .arg(peer.running.id().to_string())
        .arg("-o")
        .arg(&file)
        .args(["--", "sleep"])
        .arg(lasts.as_secs().max(1).to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("perf could not be run")?;
    ensure!(recorded.status.success(), "perf failed: {}", String::from_utf8_lossy(&recorded.stderr));
    let reported = tokio::process::Command::new("perf")
        .args(["report", "--stdio", "--no-children", "-F", "overhead,sym", "-i"])
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    Ok(table(row, &String::from_utf8_lossy(&reported.stdout)))
}

/// `12.34%  [.] name` becomes a row; names are cut, those of generic functions fill pages.
fn table(row: Row, report: &str) -> String {
    let line = |line: &str| {
        let (share, rest) = line.trim().split_once('%')?;
        let share: f64 = share.parse().ok()?;
        let name = rest.trim();
        let (place, name) = match name.strip_prefix("[k] ") {
            Some(name) => ("kernel", name),
            None => ("program", name.strip_prefix("[.] ")?),
        };
        let short: String = name.chars().take(120).collect();
        Some(format!("| {share:.1} % | {place} | `{short}` |"))
    };
    let rows: Vec<String> = report.lines().filter_map(line).take(MOST).collect();
    format!("| {} | where | function |\n|---|---|---|\n{}\n", row.label(), rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_a_table() {
        let report = "# Overhead  Symbol\n# ...\n    20.50%  [k] do_syscall_64\n     3.04%  [.] fairway_edge::h1::serve\n\n";
        assert_eq!(
            table(Row::Small, report),
            "| 64 connections, small body | where | function |\n|---|---|---|\n| 20.5 % | kernel | `do_syscall_64` |\n| 3.0 % | program | `fairway_edge::h1::serve` |\n"
        );
    }
}
