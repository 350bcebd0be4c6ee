//! Commands that run once.

use super::{SOON, dir, pid_in, runs, shell, until};
use fairway_supervisor::{Exit, How, OneShot, Process, log::tail, run_once};
use std::time::Duration;

#[tokio::test]
async fn its_end_and_its_output_are_told() {
    let dir = dir();
    for (script, expect) in [("echo fine", Exit::Code(0)), ("echo broken >&2; exit 3", Exit::Code(3))] {
        let outcome = run_once(&shell(&dir, script), SOON).await.unwrap();
        assert_eq!(outcome.exit, expect);
        assert_eq!(outcome.success(), expect == Exit::Code(0));
        assert!(!outcome.timed_out);
    }
    assert_eq!(tail(&dir.path().join("out.log"), 9).unwrap(), ["fine", "broken"]);
}

#[tokio::test]
async fn at_the_timeout_everything_is_killed() {
    let dir = dir();
    let mut spec = shell(
        &dir,
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1000; done' & wait; wait",
    );
    spec.stop.grace = Duration::from_millis(50);
    let command = OneShot::start(&spec).await.unwrap();
    let identity = command.identity().clone();
    let child = pid_in(&dir.path().join("child")).await;
    let outcome = command.wait(Duration::from_millis(50)).await.unwrap();
    assert!(outcome.timed_out && !outcome.success());
    assert_eq!(outcome.exit, Exit::Signal(9));
    assert!(!runs(child) && !identity.is_running());
}

#[tokio::test]
async fn a_command_that_obeys_the_timeout_tells_how() {
    let dir = dir();
    let spec = shell(&dir, "trap 'exit 0' TERM; echo $$ > ready; while :; do sleep 0.01; done");
    let command = OneShot::start(&spec).await.unwrap();
    pid_in(&dir.path().join("ready")).await;
    let outcome = command.wait(Duration::from_millis(1)).await.unwrap();
    assert_eq!((outcome.exit.clone(), outcome.timed_out, outcome.success()), (Exit::Code(0), true, false));
}

#[tokio::test]
async fn dropping_it_kills_it() {
    let dir = dir();
    let spec = shell(&dir, "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1000; done' & wait");
    let command = OneShot::start(&spec).await.unwrap();
    let child = pid_in(&dir.path().join("child")).await;
    let identity = command.identity().clone();
    drop(command);
    until("the end", || (!identity.is_running() && !runs(child)).then_some(())).await;
}

#[tokio::test]
async fn a_process_beside_it_with_the_same_name_is_left_alone() {
    let dir = dir();
    let spec = shell(&dir, "exec sleep 1000");
    let process = Process::start(&spec).await.unwrap();
    let outcome = run_once(&shell(&dir, "true"), SOON).await.unwrap();
    assert!(outcome.success());
    assert!(process.identity().is_running());
    assert_eq!(process.stop(spec.stop).await.unwrap().how, How::Exited(Exit::Signal(15)));
}
