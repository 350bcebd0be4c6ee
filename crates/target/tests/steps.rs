//! Someone is lost at each single step of a release, and whoever comes back finishes: the world is the same in the end.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what cannot be")]

mod fixture;

use fairway_model::{Assignment, FailureKind, Generation, Millis, Phase};
use fairway_target::{
    Silent, Target, TargetError,
    conformance::{Behaviour, Fixture, Stage, Wanted, assignment},
    sim::{Loss, Sim, SimOptions},
};
use fixture::SimFixture;

/// More calls than a resumed release needs, however often it is interrupted here.
const CALLS: usize = 50;

fn wish(name: &str, version: &str, behaviour: Behaviour, database: bool) -> Wanted {
    Wanted { name: name.parse().unwrap(), version: version.to_owned(), behaviour, database, replicas: 2 }
}

fn first() -> Vec<Wanted> {
    vec![
        wish("alpha", "v1", Behaviour::Good, true),
        wish("beta", "v1", Behaviour::Good, false),
        wish("gone", "v1", Behaviour::Good, false),
    ]
}

fn second(alpha: Behaviour) -> Vec<Wanted> {
    vec![
        wish("alpha", "v2", alpha, true),
        wish("beta", "v1", Behaviour::Good, false),
        wish("new", "v1", Behaviour::Good, false),
    ]
}

/// All calls from the beginning, as an executor makes them that knows nothing of what was done before.
async fn execute(sim: &Sim, assignment: &Assignment) -> Result<(), TargetError> {
    let (environment, generation) = (&assignment.plan.environment, assignment.generation());
    sim.prepare(assignment, &Silent).await?;
    sim.switch(environment, generation, &Silent).await?;
    sim.bake(environment, generation, &Silent).await?;
    sim.retire(environment, generation, &Silent).await?;
    Ok(())
}

/// Comes back until there is an answer.
async fn insist(sim: &Sim, assignment: &Assignment) -> Result<(), TargetError> {
    for _ in 0..CALLS {
        match execute(sim, assignment).await {
            Err(TargetError::Unreachable { .. }) => sim.restart(),
            answer => return answer,
        }
    }
    panic!("no answer after {CALLS} attempts");
}

/// A world in which the first release runs, and the plan of the second.
async fn set(alpha: Behaviour) -> (SimFixture, Assignment, Assignment) {
    let fixture = SimFixture::new(None);
    let stage = Stage::new(&fixture);
    let one = stage.plan(None, &first()).await.unwrap();
    stage.apply(&one).await.unwrap();
    let release = stage.release(&second(alpha)).await.unwrap();
    let two = assignment(Some(&one), Generation(1), &release);
    (fixture, one, two)
}

/// Loses someone after `step` steps, and again after `again` more, and comes back each time. Returns whether the
/// second failure came to pass.
async fn interrupted(
    alpha: Behaviour,
    loss: Loss,
    step: u64,
    again: Option<u64>,
) -> (bool, Result<(), TargetError>) {
    let (fixture, one, two) = set(alpha).await;
    let sim = &fixture.sim;
    sim.fail_after(step, loss);
    let mut answer = execute(sim, &two).await;
    let struck = !sim.cancel_failure();
    if struck {
        sim.restart();
        if let Some(again) = again {
            sim.fail_after(again, loss);
        }
        answer = insist(sim, &two).await;
        let _ = sim.cancel_failure();
    }
    let stage = Stage::new(&fixture);
    let expect = if answer.is_ok() { &two } else { &one };
    stage
        .only(expect)
        .await
        .unwrap_or_else(|wrong| panic!("{loss:?} lost at {step}, then {again:?}: {wrong}"));
    let migrations = sim.migrations(&fixture.environment(), &"alpha".parse().unwrap());
    let expect = if alpha == Behaviour::BadMigration { 1 } else { 2 };
    assert_eq!(migrations, expect, "{loss:?} lost at {step}, then {again:?}");
    (struck, answer)
}

/// Every step of a release with this behaviour (at least so many), with each loss; `judge` looks at the answer that
/// remains.
async fn at_every_step(alpha: Behaviour, least: u64, judge: impl Fn(&Result<(), TargetError>) -> bool) {
    for loss in [Loss::Caller, Loss::Daemon] {
        let mut step = 0;
        loop {
            let (struck, answer) = interrupted(alpha, loss, step, None).await;
            assert!(judge(&answer), "{loss:?} lost at {step}: {answer:?}");
            if !struck {
                break;
            }
            step += 1;
        }
        assert!(step >= least, "a release has more steps than {step}");
    }
}

fn failed_as(answer: &Result<(), TargetError>, kind: &FailureKind) -> bool {
    matches!(answer, Err(TargetError::Failed(failure)) if failure.kind == *kind)
}

#[tokio::test]
async fn a_good_release_is_applied_whoever_is_lost_when() {
    at_every_step(Behaviour::Good, 20, Result::is_ok).await;
}

#[tokio::test]
async fn a_good_release_is_applied_when_everyone_is_lost_twice() {
    for loss in [Loss::Caller, Loss::Daemon] {
        for step in (0..40).step_by(5) {
            for again in 0..10 {
                let (_, answer) = interrupted(Behaviour::Good, loss, step, Some(again)).await;
                assert!(answer.is_ok(), "{loss:?} lost at {step} and {again}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_release_that_cannot_start_costs_nothing_whoever_is_lost_when() {
    at_every_step(Behaviour::NeverReady, 8, |answer| failed_as(answer, &FailureKind::Start)).await;
    at_every_step(Behaviour::ExitsAtStart, 3, |answer| failed_as(answer, &FailureKind::Start)).await;
    at_every_step(Behaviour::BadMigration, 2, |answer| failed_as(answer, &FailureKind::Migration)).await;
}

#[tokio::test]
async fn a_release_in_trouble_goes_back_whoever_is_lost_when() {
    at_every_step(Behaviour::FailsAfterSwitch, 15, |answer| failed_as(answer, &FailureKind::Bake)).await;
}

/// The caller goes away for good at each step: before the switch the target aborts, after it the release stands, and
/// a later caller finishes it.
#[tokio::test]
async fn a_caller_that_never_comes_back_leaves_one_whole_release() {
    let (mut aborted, mut stood) = (0, 0);
    for step in 0.. {
        let (fixture, one, two) = set(Behaviour::Good).await;
        let sim = &fixture.sim;
        sim.fail_after(step, Loss::Caller);
        let answer = execute(sim, &two).await;
        if sim.cancel_failure() {
            answer.unwrap();
            break;
        }
        sim.advance(Millis::from_secs(3600));
        let journal = sim.journal(&fixture.environment()).unwrap();
        let stage = Stage::new(&fixture);
        match journal.activity() {
            None | Some((Generation(1), Phase::Applied)) => stage.only(&one).await.unwrap(),
            Some((Generation(2), Phase::Aborted)) => {
                aborted += 1;
                stage.only(&one).await.unwrap();
            }
            Some((Generation(2), phase)) if phase.is_serving() => {
                stood += 1;
                assert_eq!(sim.ask(&fixture.environment(), &"alpha".parse().unwrap()).as_deref(), Some("v2"));
                execute(sim, &two).await.unwrap();
                stage.only(&two).await.unwrap();
            }
            other => panic!("lost at {step}: {other:?}"),
        }
    }
    assert!(aborted > 3 && stood > 3, "{aborted} aborted, {stood} stood");
}

/// Under a clock that stands still, a caller that waits for the bake is told at once when a newer release takes over,
/// and the older release is finished by the target when the newer one comes to nothing.
#[tokio::test]
async fn a_waiting_caller_is_told_that_it_was_superseded() {
    let fixture = SimFixture::with(SimOptions {
        lease: Millis::from_secs(30),
        manual_clock: true,
        ..SimOptions::default()
    });
    let (sim, environment) = (fixture.sim.clone(), fixture.environment());
    let stage = Stage::new(&fixture);
    let ticking = sim.clone();
    // Time runs only where this test says so: half a second is enough for a start.
    let run = async |call: &mut (dyn Future<Output = Result<(), TargetError>> + Send + Unpin)| {
        tokio::select! {
            biased;
            answer = call => answer,
            () = async { loop { tokio::task::yield_now().await; ticking.advance(Millis(100)); } } => unreachable!(),
        }
    };
    let one = stage.plan(None, &first()).await.unwrap();
    run(&mut Box::pin(execute(&sim, &one))).await.unwrap();

    let mut release = stage.release(&second(Behaviour::Good)).await.unwrap();
    release.bake = Millis::from_secs(600);
    let two = assignment(Some(&one), Generation(1), &release);
    run(&mut Box::pin(async { sim.prepare(&two, &Silent).await.map(drop) })).await.unwrap();
    sim.switch(&environment, Generation(2), &Silent).await.unwrap();
    let waiting = {
        let (sim, environment) = (sim.clone(), environment.clone());
        tokio::spawn(async move { sim.bake(&environment, Generation(2), &Silent).await })
    };
    tokio::task::yield_now().await;
    let release = stage.release(&[wish("alpha", "v3", Behaviour::NeverReady, true)]).await.unwrap();
    let three = assignment(Some(&two), Generation(2), &release);
    let failed = run(&mut Box::pin(async { sim.prepare(&three, &Silent).await.map(drop) })).await;
    assert!(failed_as(&failed, &FailureKind::Start), "{failed:?}");
    let told = waiting.await.unwrap().map(drop);
    assert!(failed_as(&told, &FailureKind::Superseded), "{told:?}");

    sim.advance(Millis::from_secs(601));
    stage.only(&two).await.unwrap();
    let journal = sim.journal(&environment).unwrap();
    assert_eq!(journal.release(Generation(2)).unwrap().phase, Phase::Applied);
}
