//! The corpus through nginx, haproxy and the edge: the edge passes on nothing that both others refuse. What else they
//! make of it differently stands in `differential.md` beside this file, for people: `FAIRWAY_UPDATE=1` in the
//! environment writes it, and without it what it says of the edge is compared. What it says of the others is not: what
//! they make of some cases depends on the pieces in which the bytes happen to reach them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/front.rs"]
mod front;
#[path = "support/raw.rs"]
mod raw;
mod support;
#[path = "support/through.rs"]
mod through;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use corpus::Case;
use front::{Outcome, arrived, drive, words};
use raw::{Log, Recorder, Stream};
use support::within;
use tokio::net::{TcpStream, UnixStream};

/// How long nothing may come before the client gives up. A proxy that answers at all answers in a fraction of this.
const QUIET: Duration = Duration::from_millis(1500);

/// What both of the others refuse and the edge may pass on all the same, and why.
const MORE_THAN_BOTH: &[(&str, &str)] = &[];

/// A proxy that was started for this test.
struct Other {
    version: String,
    process: Child,
    directory: tempfile::TempDir,
    recorders: Vec<Recorder>,
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a program says of itself; none when it is not here.
fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let number =
        said.split(|it: char| !(it.is_ascii_digit() || it == '.')).find(|it| it.matches('.').count() >= 2)?;
    Some(format!("{program} {number}"))
}

impl Other {
    /// Starts a proxy with a front and a recording upstream for each case, all of them sockets in one directory.
    async fn start(
        name: &'static str,
        version: String,
        count: usize,
        configure: impl FnOnce(&Path) -> (String, Vec<String>),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let recorders = (0..count).map(|it| Recorder::at(&directory.path().join(format!("u{it}")))).collect();
        let (configuration, arguments) = configure(directory.path());
        fs::write(directory.path().join("conf"), configuration).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap();
        let mut other = Self { version, process, directory, recorders };
        let last = other.front(count - 1);
        within(async {
            while UnixStream::connect(&last).await.is_err() {
                let ended = other.process.try_wait().unwrap();
                let log = || fs::read_to_string(other.directory.path().join("log")).unwrap();
                assert!(ended.is_none(), "{name} ended: {}", log());
                tokio::task::yield_now().await;
            }
        })
        .await;
        other
    }

    fn front(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("f{number}"))
    }
}

fn nginx(directory: &Path, count: usize) -> (String, Vec<String>) {
    let at = directory.display();
    let mut conf = format!(
        "daemon off; master_process off; worker_processes 1; pid {at}/pid; error_log {at}/error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3;\n\
         uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_set_header Host $http_host; proxy_request_buffering off; proxy_next_upstream off;\n"
    );
    for number in 0..count {
        writeln!(
            conf,
            "upstream u{number} {{ server unix:{at}/u{number}; keepalive 2; }}\n\
             server {{ listen unix:{at}/f{number}; location / {{ proxy_pass http://u{number}; }} }}"
        )
        .unwrap();
    }
    conf.push('}');
    (
        conf,
        vec![
            "-p".into(),
            at.to_string(),
            "-e".into(),
            format!("{at}/error"),
            "-c".into(),
            format!("{at}/conf"),
        ],
    )
}

fn haproxy(directory: &Path, count: usize) -> (String, Vec<String>) {
    let at = directory.display();
    let mut conf =
        "global\n  maxconn 4096\ndefaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  \
                    timeout connect 5s\n  retries 0\n"
            .to_owned();
    for number in 0..count {
        writeln!(
            conf,
            "frontend f{number}\n  bind {at}/f{number}\n  default_backend u{number}\n\
             backend u{number}\n  server s unix@{at}/u{number}"
        )
        .unwrap();
    }
    (conf, vec!["-db".into(), "-f".into(), format!("{at}/conf")])
}

async fn each<S: Stream + 'static, C: Future<Output = S>>(
    cases: &[Case],
    recorders: &[Recorder],
    connect: impl Fn(usize) -> C,
) -> Vec<(Outcome, Log)> {
    let driven = cases.iter().enumerate().map(|(number, case)| {
        let stream = connect(number);
        async move {
            let outcome = drive(stream.await, case, QUIET).await;
            (outcome, recorders[number].log())
        }
    });
    futures::future::join_all(driven).await
}

async fn through_the_edge(cases: &[Case]) -> Vec<(Outcome, Log)> {
    let edge = through::Edge::with(cases.len()).await;
    each(cases, &edge.recorders, |number| {
        let address = edge.address(number);
        async move { TcpStream::connect(address).await.unwrap() }
    })
    .await
}

async fn through_another(other: &Other, cases: &[Case]) -> Vec<(Outcome, Log)> {
    each(cases, &other.recorders, |number| {
        let path = other.front(number);
        async move { UnixStream::connect(path).await.unwrap() }
    })
    .await
}

/// Whether nothing of the case got through.
fn refuses((_, log): &(Outcome, Log)) -> bool {
    arrived(log).is_empty() && log.violations.is_empty()
}

/// What became of it; which status it was refused with makes no difference here.
fn kind(it: &(Outcome, Log)) -> String {
    if refuses(it) { "refused".to_owned() } else { words(&it.0, &it.1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_that_both_others_refuse() {
    let (Some(nginx_version), Some(haproxy_version)) = (version("nginx", "-v"), version("haproxy", "-v"))
    else {
        eprintln!("skipped: needs nginx and haproxy");
        return;
    };
    let cases = corpus::all();
    let count = cases.len();
    let first = Other::start("nginx", nginx_version, count, |at| nginx(at, count)).await;
    let second = Other::start("haproxy", haproxy_version, count, |at| haproxy(at, count)).await;
    let theirs = [through_another(&first, &cases).await, through_another(&second, &cases).await];
    let versions = format!("{}, {}", first.version, second.version);
    drop((first, second));
    let ours = through_the_edge(&cases).await;

    let mut passed = Vec::new();
    let mut table = String::new();
    for (number, case) in cases.iter().enumerate() {
        let of = |it: &(Outcome, Log)| words(&it.0, &it.1);
        let (edge, nginx, haproxy) = (&ours[number], &theirs[0][number], &theirs[1][number]);
        let name = format!("{}, {}", case.group, case.name);
        let more = MORE_THAN_BOTH.iter().any(|(known, _)| *known == name);
        if !refuses(edge) && refuses(nginx) && refuses(haproxy) && !more {
            passed.push(format!("{name}: edge {}, nginx {}, haproxy {}", of(edge), of(nginx), of(haproxy)));
        }
        let (edge, nginx, haproxy) = (kind(edge), kind(nginx), kind(haproxy));
        if edge != nginx || edge != haproxy {
            writeln!(table, "| {name} | {edge} | {nginx} | {haproxy} |").unwrap();
        }
    }
    assert!(passed.is_empty(), "the edge passes on what both others refuse:\n{}", passed.join("\n"));

    let document = format!(
        "# Where the edge, nginx and haproxy differ\n\n\
         Written by `conformance_differential.rs`: of {count} requests that recipients are known to read differently \
         those that not all of the three treat alike. Named is what arrived at the upstream: method, target, length \
         of the body.\n\n\
         Compared with {versions}.\n\n| case | edge | nginx | haproxy |\n|---|---|---|---|\n{table}"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential.md");
    if std::env::var_os("FAIRWAY_UPDATE").is_some() {
        fs::write(&path, &document).unwrap();
    }
    let stored = fs::read_to_string(&path).expect("FAIRWAY_UPDATE=1 writes it");
    let said = |name: &str| {
        let row =
            stored.lines().find_map(|line| line.strip_prefix(&format!("| {name} | "))).map(str::to_owned)?;
        row.split(" | ").next().map(str::to_owned)
    };
    let changed: Vec<String> = cases
        .iter()
        .zip(&ours)
        .filter_map(|(case, now)| {
            let name = format!("{}, {}", case.group, case.name);
            let (before, now) = (said(&name)?, kind(now));
            (before != now).then(|| format!("{name}: was {before}, is {now}"))
        })
        .collect();
    assert!(changed.is_empty(), "FAIRWAY_UPDATE=1 writes differential.md anew:\n{}", changed.join("\n"));
}
