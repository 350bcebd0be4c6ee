//! The supervisor with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod adopt;
mod instance;
mod limits;
mod logs;
mod oneshot;
mod probe;
mod probe_tls;
mod start;
mod stop;

use fairway_supervisor::{Limits, LogPolicy, Restart, Spec, StopPolicy, StopSignal};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A shell script as a process, in a directory of its own.
fn shell(dir: &TempDir, script: &str) -> Spec {
    Spec {
        id: format!("test-{}", dir.path().file_name().unwrap().to_string_lossy()),
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        env: BTreeMap::from([("PATH".into(), std::env::var("PATH").unwrap())]),
        directory: dir.path().to_owned(),
        user: None,
        log: LogPolicy::new(dir.path().join("out.log")),
        limits: Limits::default(),
        stop: StopPolicy { signal: StopSignal::Term, grace: Duration::from_secs(20) },
        restart: Restart::Never,
    }
}

fn dir() -> TempDir {
    tempfile::Builder::new().prefix("fairway-supervisor-").tempdir().unwrap()
}

/// Waits until `look` sees something.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < SOON, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a file with a complete line and reads the line.
async fn line_in(path: &Path) -> String {
    until(&format!("a line in {}", path.display()), || {
        let text = fs::read_to_string(path).ok()?;
        text.split_once('\n').map(|(line, _)| line.to_owned())
    })
    .await
}

async fn pid_in(path: &Path) -> u32 {
    line_in(path).await.trim().parse().unwrap()
}

/// Does a process with this id run? One that only waits to be reaped does not.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

fn has(program: &str) -> bool {
    std::process::Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
