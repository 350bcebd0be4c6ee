//! The life of an instance.

use super::{dir, shell, until};
use fairway_supervisor::{Backoff, Exit, GiveUp, How, Instance, Restart, State};
use std::{fs, time::Duration};

fn backoff(initial: Duration, failures: u32) -> Restart {
    Restart::Backoff(Backoff {
        initial,
        factor: 2,
        max: Duration::from_secs(600),
        give_up: GiveUp { failures: Some(failures), window: Duration::from_secs(600) },
    })
}

#[tokio::test]
async fn a_process_that_ends_is_started_again() {
    let dir = dir();
    let mut spec = shell(&dir, "echo run >> runs; [ $(wc -l < runs) -ge 3 ] || exit 1; exec sleep 1000");
    spec.restart = backoff(Duration::from_millis(1), 10);
    let instance = Instance::start(spec).await.unwrap();
    let mut watch = instance.watch();
    let status = watch.wait_for(|status| status.restarts == 2).await.unwrap().clone();
    assert_eq!(status.exits, 2);
    assert_eq!(status.last_exit, Some(Exit::Code(1)));
    assert!(status.identity.unwrap().is_running());
    until("the third run", || {
        (fs::read_to_string(dir.path().join("runs")).unwrap().lines().count() == 3).then_some(())
    })
    .await;
    instance.stop().await.unwrap();
    let status = instance.status();
    assert_eq!((status.identity, status.restarts, status.exits), (None, 2, 2));
}

#[tokio::test]
async fn a_crash_loop_ends_and_a_person_can_begin_again() {
    let dir = dir();
    let mut spec = shell(&dir, "[ -e repaired ] || exit 6; exec sleep 1000");
    spec.restart = backoff(Duration::from_millis(1), 3);
    let instance = Instance::start(spec).await.unwrap();
    assert_eq!(instance.exited().await, Exit::Code(6));
    let mut watch = instance.watch();
    let status = watch.wait_for(|status| status.state.is_final()).await.unwrap().clone();
    assert_eq!(status.state, State::CrashLoop { exit: Exit::Code(6), failures: 3 });
    assert_eq!(status.restarts, 2);

    // What was before does not count: it gets all its attempts again.
    instance.restart().await.unwrap();
    let status =
        watch.wait_for(|status| status.state.is_final() && status.restarts > 2).await.unwrap().clone();
    assert_eq!(status.restarts, 5);

    fs::write(dir.path().join("repaired"), "").unwrap();
    instance.restart().await.unwrap();
    watch.wait_for(|status| matches!(status.state, State::Running { .. })).await.unwrap();
    instance.stop().await.unwrap();
}

#[tokio::test]
async fn an_exit_is_an_event_at_once_and_stays_when_the_policy_says_never() {
    let dir = dir();
    let instance = Instance::start(shell(&dir, "exit 2")).await.unwrap();
    assert_eq!(instance.exited().await, Exit::Code(2));
    assert!(matches!(instance.status().state, State::Exited { exit: Exit::Code(2), .. }));
    let stopped = instance.stop().await.unwrap();
    assert_eq!(stopped.how, How::Exited(Exit::Code(2)));
    assert_eq!(instance.stop().await.unwrap(), stopped);
}

#[tokio::test]
async fn stopping_during_a_pause_starts_nothing_more() {
    let dir = dir();
    let mut spec = shell(&dir, "exit 1");
    spec.restart = backoff(Duration::from_secs(500), 10);
    let instance = Instance::start(spec).await.unwrap();
    instance.watch().wait_for(|status| matches!(status.state, State::Backoff { .. })).await.unwrap();
    assert_eq!(instance.stop().await.unwrap().how, How::Exited(Exit::Code(1)));
    assert!(matches!(instance.status().state, State::Stopped(_)));
    assert_eq!(instance.status().restarts, 0);
}

#[tokio::test]
async fn a_restart_is_a_new_process() {
    let dir = dir();
    let instance = Instance::start(shell(&dir, "exec sleep 1000")).await.unwrap();
    let first = instance.status().identity.unwrap();
    instance.restart().await.unwrap();
    let mut watch = instance.watch();
    let status = watch.wait_for(|status| status.restarts == 1).await.unwrap().clone();
    assert_ne!(status.identity.as_ref(), Some(&first));
    assert!(!first.is_running());
    assert_eq!(status.exits, 0, "it did not end by itself");
    instance.stop().await.unwrap();
}

#[tokio::test]
async fn a_program_that_vanishes_counts_as_an_exit() {
    let dir = dir();
    let program = dir.path().join("program");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    let mut spec = shell(&dir, "rm program; exit 1");
    spec.program = "./program".into();
    spec.restart = backoff(Duration::from_millis(1), 2);
    let instance = Instance::start(spec).await.unwrap();
    let mut watch = instance.watch();
    let status = watch.wait_for(|status| status.state.is_final()).await.unwrap().clone();
    let State::CrashLoop { exit: Exit::NotStarted { reason }, failures: 2 } = &status.state else {
        panic!("{status:?}")
    };
    assert!(reason.contains("program does not exist; nothing was started"), "{reason}");
}
