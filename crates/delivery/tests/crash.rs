//! Every apply with a fault at each of its steps: whoever comes next finishes it or begins anew, and the world ends the same.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod fixture;

use fairway_delivery::{Applied, Error, exit};
use fairway_model::Millis;
use fairway_target::sim::Loss;
use fixture::{Fixture, applied};

/// Breaks an apply after `steps` small steps of the target, lets somebody else apply the same, and returns whether the
/// fault was reached at all.
async fn broken_at(steps: u64, loss: Loss) -> bool {
    let fixture = Fixture::new();
    fixture.program("web", "one");
    fixture.program("api", "one");
    applied(fixture.apply().await);

    fixture.program("web", "two");
    fixture.sim.fail_after(steps, loss);
    let first = fixture.apply().await;
    let reached = !fixture.sim.cancel_failure();
    if loss == Loss::Daemon && reached {
        fixture.sim.restart();
    }
    // Whoever crashed does not renew his lease any more.
    fixture.sim.advance(Millis::from_secs(60));
    let second = fixture.apply().await;
    assert!(
        second.is_ok(),
        "after {steps} steps and the loss of {loss:?}: first {first:?}, second {second:?}"
    );
    assert_eq!(
        fixture.ask("web").as_deref(),
        Some("two"),
        "after {steps} steps and the loss of {loss:?}: {first:?}"
    );
    assert_eq!(fixture.ask("api").as_deref(), Some("one"));
    let state = fixture.delivery().await.state(&fixture.environment).await.unwrap();
    assert!(state.pending().is_none(), "something is left unfinished: {state:?}");
    let observed = fixture.observe().await;
    let serving = state.serving().unwrap();
    assert_eq!(observed.serving, Some((serving.generation, serving.release)), "log and target agree");
    assert_eq!(
        observed.instances.known().unwrap().len(),
        2,
        "nothing of the old release is left: {observed:?}"
    );
    reached
}

#[tokio::test]
async fn a_lost_caller_at_any_step_ends_in_the_same_world() {
    let mut steps = 0;
    while broken_at(steps, Loss::Caller).await {
        steps += 1;
        assert!(steps < 500, "an apply has a bounded number of steps");
    }
    assert!(steps > 5, "the fault was injected at {steps} steps only");
}

#[tokio::test]
async fn a_dead_target_at_any_step_ends_in_the_same_world() {
    let mut steps = 0;
    while broken_at(steps, Loss::Daemon).await {
        steps += 1;
        assert!(steps < 500, "an apply has a bounded number of steps");
    }
    assert!(steps > 5, "the fault was injected at {steps} steps only");
}

#[tokio::test]
async fn a_plan_is_refused_when_somebody_was_faster() {
    let fixture = Fixture::new();
    fixture.program("web", "one");
    fixture.program("api", "one");
    applied(fixture.apply().await);
    fixture.program("web", "two");
    let delivery = fixture.delivery().await;
    let (planned, desired) = delivery.plan("dev", fairway_delivery::Gates::default()).await.unwrap();
    fixture.program("web", "three");
    applied(fixture.apply().await);

    let error = delivery.apply(planned, &desired, &fixture.sim).await.unwrap_err();
    assert_eq!(error.exit_code(), exit::STALE, "{error}");
    assert!(error.to_string().contains("stale"), "{error}");
    assert_eq!(fixture.ask("web").as_deref(), Some("three"));
}

#[tokio::test]
async fn applying_what_is_there_does_nothing_and_writes_nothing() {
    let fixture = Fixture::new();
    fixture.program("web", "one");
    fixture.program("api", "one");
    applied(fixture.apply().await);
    let before = fixture.delivery().await.state(&fixture.environment).await.unwrap();
    assert!(matches!(fixture.apply().await, Ok(Applied::Nothing { .. })));
    assert_eq!(fixture.delivery().await.state(&fixture.environment).await.unwrap(), before);
}

#[tokio::test]
async fn what_failed_is_in_the_log_and_what_served_still_serves() {
    let fixture = Fixture::new();
    fixture.program("web", "one");
    fixture.program("api", "one");
    applied(fixture.apply().await);
    fixture.broken_program("web");
    let error = fixture.apply().await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    assert_eq!(error.exit_code(), exit::FAILED);
    assert_eq!(fixture.ask("web").as_deref(), Some("one"));
    let state = fixture.delivery().await.state(&fixture.environment).await.unwrap();
    assert_eq!(
        state.history().iter().map(fairway_oplog::Entry::word).collect::<Vec<_>>(),
        ["applied", "failed"]
    );
}

#[tokio::test]
async fn down_is_in_the_log_and_a_revert_brings_it_back() {
    let fixture = Fixture::new();
    fixture.program("web", "one");
    fixture.program("api", "one");
    applied(fixture.apply().await);
    let delivery = fixture.delivery().await;
    delivery.down(&fixture.environment, false, &fixture.sim).await.unwrap();
    assert_eq!(fixture.ask("web"), None);
    assert!(delivery.state(&fixture.environment).await.unwrap().serving().is_none());

    let planned = delivery
        .plan_revert(&fixture.environment, None, fairway_delivery::Gates::default(), &fixture.sim)
        .await
        .unwrap();
    applied(delivery.execute_plan(planned, &fixture.sim).await);
    assert_eq!(fixture.ask("web").as_deref(), Some("one"));
}

#[tokio::test]
async fn an_environment_that_the_manifest_has_forgotten_can_still_be_stopped() {
    let fixture = Fixture::new();
    fixture.program("web", "one");
    fixture.program("api", "one");
    applied(fixture.apply().await);
    fixture.rename_environment("local");

    let delivery = fixture.delivery().await;
    let manifest = delivery.manifest().unwrap().manifest;
    for (name, exists) in [("dev", true), ("local", true), ("never", false)] {
        assert_eq!(delivery.environment_or_past(&manifest, name).await.is_ok(), exists, "{name}");
    }
    assert!(delivery.environment(&manifest, "dev").is_err(), "nothing new is released to it");
    delivery.down(&fixture.environment, false, &fixture.sim).await.unwrap();
    assert_eq!(fixture.ask("web"), None);
}
