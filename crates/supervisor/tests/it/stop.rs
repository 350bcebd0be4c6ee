//! Stopping means everything that a process has started.

use super::{dir, line_in, pid_in, runs, shell, until};
use fairway_supervisor::{Exit, How, Process, Spec, StopPolicy, StopSignal, log::tail};
use std::time::Duration;

/// Ignores SIGTERM and so do its children.
const STUBBORN: &str =
    "trap '' TERM; (while :; do sleep 1000; done) & echo $! > child; while :; do sleep 1000; done";

fn hasty(mut spec: Spec) -> Spec {
    spec.stop.grace = Duration::from_millis(100);
    spec
}

#[tokio::test]
async fn a_polite_process_ends_by_itself() {
    let dir = dir();
    let spec = shell(&dir, "trap 'echo bye; exit 7' TERM; echo $$ > ready; while :; do sleep 0.01; done");
    let process = Process::start(&spec).await.unwrap();
    line_in(&dir.path().join("ready")).await;
    let stopped = process.stop(spec.stop).await.unwrap();
    assert_eq!(stopped.how, How::Exited(Exit::Code(7)));
    assert!(stopped.after < spec.stop.grace);
    // The shell may say that its `sleep` was ended too.
    assert_eq!(tail(&spec.log.path, 1).unwrap(), ["bye"]);
    assert_eq!(process.stop(spec.stop).await.unwrap().how, How::Exited(Exit::Code(7)), "again is the same");
}

#[tokio::test]
async fn the_signal_is_the_policys() {
    let dir = dir();
    let spec = shell(&dir, "trap 'exit 9' INT; echo $$ > ready; while :; do sleep 0.01; done");
    let process = Process::start(&spec).await.unwrap();
    line_in(&dir.path().join("ready")).await;
    let policy = StopPolicy { signal: StopSignal::Int, ..spec.stop };
    assert_eq!(process.stop(policy).await.unwrap().how, How::Exited(Exit::Code(9)));
}

#[tokio::test]
async fn children_that_ignore_the_signal_are_killed() {
    let dir = dir();
    let spec = hasty(shell(&dir, STUBBORN));
    let process = Process::start(&spec).await.unwrap();
    let child = pid_in(&dir.path().join("child")).await;
    let stopped = process.stop(spec.stop).await.unwrap();
    assert_eq!(stopped.how, How::Killed);
    assert!(stopped.after >= spec.stop.grace);
    assert!(!runs(process.identity().pid) && !runs(child));
}

#[tokio::test]
async fn a_child_in_a_group_of_its_own_is_found_in_the_session() {
    let dir = dir();
    // `set -m` gives each background job its own process group.
    let spec = hasty(shell(
        &dir,
        "set -m; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1000; done' & wait",
    ));
    let process = Process::start(&spec).await.unwrap();
    let child = pid_in(&dir.path().join("child")).await;
    process.stop(spec.stop).await.unwrap();
    assert!(!runs(child));
}

#[tokio::test]
async fn a_child_that_leaves_the_session_is_found_in_the_control_group() {
    let dir = dir();
    let spec = hasty(shell(&dir, "setsid sh -c 'echo $$ > child; exec sleep 1000' & wait"));
    let process = Process::start(&spec).await.unwrap();
    let child = pid_in(&dir.path().join("child")).await;
    let group = std::fs::read_to_string(format!("/proc/{child}/cgroup")).unwrap();
    let escaped = !group.contains("/fairway/");
    process.stop(spec.stop).await.unwrap();
    if escaped {
        eprintln!("skipped: needs a control group that may be written to");
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(child.cast_signed()).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        return;
    }
    assert!(!runs(child));
}

#[tokio::test]
async fn what_an_ended_process_leaves_behind_is_swept() {
    let dir = dir();
    let spec = shell(
        &dir,
        "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1000; done' & while [ ! -s child ]; do sleep 0.01; done",
    );
    let process = Process::start(&spec).await.unwrap();
    assert_eq!(process.wait().await, Exit::Code(0));
    let child = pid_in(&dir.path().join("child")).await;
    assert!(runs(child));
    assert!(process.sweep().await.unwrap(), "there was something to kill");
    assert!(!runs(child));
    assert!(!process.sweep().await.unwrap(), "and now there is nothing");
}

#[tokio::test]
async fn a_stopped_process_is_woken_up_to_end() {
    let dir = dir();
    let spec =
        shell(&dir, "trap 'exit 5' TERM; echo $$ > ready; kill -STOP $$; while :; do sleep 0.01; done");
    let process = Process::start(&spec).await.unwrap();
    let pid = process.identity().pid;
    until("the stop", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") T ").then_some(())
    })
    .await;
    assert_eq!(process.stop(spec.stop).await.unwrap().how, How::Exited(Exit::Code(5)));
}
