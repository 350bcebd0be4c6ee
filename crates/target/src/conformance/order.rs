//! Calls that come twice, too early, too late, or from two sides at once.

use super::{
    assignment,
    happy::same,
    stage::{Stage, Violation, ensure, good, refused_as, unexpected},
};
use crate::TargetError;
use fairway_model::{Assignment, FailureKind, Generation, Phase};

fn is_stale(kind: &FailureKind) -> bool {
    matches!(kind, FailureKind::Stale { .. })
}

pub(super) async fn every_call_twice_is_as_once(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2"), good("beta", "v1")]).await?;
    let generation = second.generation();
    let mut started = None;
    for _ in 0..2 {
        let prepared = stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
        ensure(prepared.phase == Phase::Prepared, || {
            format!("after prepare the phase is {:?}", prepared.phase)
        })?;
        let running = (stage.running("alpha").await?, stage.running("beta").await?);
        let before = started.get_or_insert_with(|| running.clone());
        same("alpha", &before.0, &running.0)?;
        same("beta", &before.1, &running.1)?;
    }
    for _ in 0..2 {
        let switched = stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
        ensure(switched.phase.is_serving(), || format!("after switch the phase is {:?}", switched.phase))?;
        stage.answers("alpha", Some("v2")).await?;
    }
    // A caller that starts again from the beginning finds everything done.
    let prepared =
        stage.prepare(&second).await.map_err(|error| unexpected("prepare after switch", &error))?;
    ensure(prepared.phase.is_serving(), || {
        format!("prepare moved the release back to {:?}", prepared.phase)
    })?;
    for _ in 0..2 {
        let baked = stage.bake(generation).await.map_err(|error| unexpected("bake", &error))?;
        ensure(baked.phase >= Phase::Baked, || format!("after bake the phase is {:?}", baked.phase))?;
    }
    for _ in 0..2 {
        let retired = stage.retire(generation).await.map_err(|error| unexpected("retire", &error))?;
        ensure(retired.phase == Phase::Applied, || format!("after retire the phase is {:?}", retired.phase))?;
        stage.only(&second).await?;
    }
    for (verb, result) in [
        ("prepare", stage.prepare(&second).await),
        ("switch", stage.switch(generation).await),
        ("bake", stage.bake(generation).await),
        ("retire", stage.retire(generation).await),
    ] {
        let status = result.map_err(|error| unexpected(verb, &error))?;
        ensure(status.phase == Phase::Applied, || format!("a late {verb} found {:?}", status.phase))?;
    }
    stage.only(&second).await
}

pub(super) async fn calls_out_of_order_are_refused(stage: Stage<'_>) -> Result<(), Violation> {
    let wrong = |kind: &FailureKind| *kind == FailureKind::WrongPhase;
    let one = Generation(1);
    refused_as("switch of nothing", stage.switch(one).await, wrong)?;
    refused_as("bake of nothing", stage.bake(one).await, wrong)?;
    refused_as("retire of nothing", stage.retire(one).await, wrong)?;
    let unknown = stage
        .target()
        .release(&stage.environment, one)
        .await
        .map_err(|error| unexpected("release", &error))?;
    ensure(unknown.is_none(), || format!("release 1 should be unknown: {unknown:?}"))?;
    let first = stage.plan(None, &[good("alpha", "v1")]).await?;
    stage.prepare(&first).await.map_err(|error| unexpected("prepare", &error))?;
    refused_as("bake before switch", stage.bake(one).await, wrong)?;
    refused_as("retire before switch", stage.retire(one).await, wrong)?;
    stage.phase(one, Phase::Prepared).await?;
    stage.switch(one).await.map_err(|error| unexpected("switch", &error))?;
    stage.bake(one).await.map_err(|error| unexpected("bake", &error))?;
    stage.retire(one).await.map_err(|error| unexpected("retire", &error))?;
    stage.only(&first).await?;

    let mut second = stage.plan(Some(&first), &[good("alpha", "v2")]).await?;
    second.plan.child = first.plan.child;
    let invalid = |kind: &FailureKind| *kind == FailureKind::Invalid;
    refused_as("prepare of a plan for another release", stage.prepare(&second).await, invalid)?;
    stage.only(&first).await
}

pub(super) async fn the_past_is_refused(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let late = stage.plan(Some(&first), &[good("alpha", "v9")]).await?;
    let release = stage.release(&[good("alpha", "v2")]).await?;
    // Generations may have been given out without ever reaching this target.
    let newest = assignment(Some(&first), Generation(4), &release);
    stage.apply(&newest).await?;
    for old in [first.generation(), late.generation()] {
        refused_as("switch of the past", stage.switch(old).await, is_stale)?;
        refused_as("retire of the past", stage.retire(old).await, is_stale)?;
        refused_as("abort of the past", stage.abort(old).await, is_stale)?;
    }
    refused_as("bake of the past", stage.bake(first.generation()).await, |kind| {
        is_stale(kind) || *kind == FailureKind::Superseded
    })?;
    for old in [&first, &late] {
        let failure = refused_as("prepare of the past", stage.prepare(old).await, is_stale)?;
        let expect = FailureKind::Stale { offered: old.generation(), current: newest.generation() };
        ensure(failure.kind == expect, || format!("the failure should say {expect:?}: {failure:?}"))?;
    }
    stage.answers("alpha", Some("v2")).await?;
    stage.only(&newest).await
}

pub(super) async fn one_generation_has_one_content(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let mine = stage.plan(Some(&first), &[good("alpha", "v2")]).await?;
    let theirs = stage.plan(Some(&first), &[good("alpha", "v3")]).await?;
    stage.prepare(&mine).await.map_err(|error| unexpected("prepare", &error))?;
    refused_as("prepare of another plan with the same number", stage.prepare(&theirs).await, is_stale)?;
    stage.switch(mine.generation()).await.map_err(|error| unexpected("switch", &error))?;
    stage.answers("alpha", Some("v2")).await?;
    refused_as("prepare of another plan with the same number", stage.prepare(&theirs).await, is_stale)?;
    stage.bake(mine.generation()).await.map_err(|error| unexpected("bake", &error))?;
    stage.retire(mine.generation()).await.map_err(|error| unexpected("retire", &error))?;
    stage.only(&mine).await
}

pub(super) async fn a_second_executor_waits_its_turn(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2")]).await?;
    let release = stage.release(&[good("alpha", "v3")]).await?;
    let third = assignment(Some(&first), second.generation(), &release);
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    let failure = refused_as("prepare beside a living caller", stage.prepare(&third).await, |kind| {
        *kind == FailureKind::WrongPhase
    })?;
    let names = failure.message.contains(&second.generation().to_string());
    ensure(names, || format!("the failure should name release {}: {failure:?}", second.generation()))?;
    stage.phase(second.generation(), Phase::Prepared).await?;
    stage.switch(second.generation()).await.map_err(|error| unexpected("switch", &error))?;
    stage.bake(second.generation()).await.map_err(|error| unexpected("bake", &error))?;
    stage.retire(second.generation()).await.map_err(|error| unexpected("retire", &error))?;
    stage.only(&second).await
}

/// One executor with all its calls; `None` when it was refused on the way.
async fn execute(stage: &Stage<'_>, assignment: &Assignment) -> Result<Option<Generation>, Violation> {
    let generation = assignment.generation();
    let mut result = stage.prepare(assignment).await;
    if result.is_ok() {
        result = stage.switch(generation).await;
    }
    if result.is_ok() {
        result = stage.bake(generation).await;
    }
    if result.is_ok() {
        result = stage.retire(generation).await;
    }
    match result {
        Ok(status) => {
            ensure(status.phase == Phase::Applied, || format!("an executor ended in {:?}", status.phase))?;
            Ok(Some(generation))
        }
        Err(TargetError::Failed(failure))
            if matches!(
                failure.kind,
                FailureKind::Stale { .. } | FailureKind::WrongPhase | FailureKind::Superseded
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(unexpected("an executor", &error)),
    }
}

pub(super) async fn two_executors_at_once_never_mix(stage: Stage<'_>) -> Result<(), Violation> {
    let mut base = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    // The same number twice, then a number and the next one.
    for (round, apart) in [("x", false), ("y", true)] {
        let (left, right) = (format!("left-{round}"), format!("right-{round}"));
        let left = stage.release(&[good("alpha", &left), good("beta", &left)]).await?;
        let right = stage.release(&[good("alpha", &right), good("beta", &right)]).await?;
        let number = base.generation();
        let left = assignment(Some(&base), number, &left);
        let right = assignment(Some(&base), if apart { number.next() } else { number }, &right);
        let (one, two) = tokio::join!(execute(&stage, &left), execute(&stage, &right));
        let (one, two) = (one?, two?);
        // With different numbers both may come through, one after the other: then the newer one stands.
        let winner = match (one, two) {
            (Some(_), None) => left,
            (None, Some(_)) => right,
            (Some(_), Some(_)) if apart => right,
            (None, None) => return Err(Violation("both executors were refused".to_owned())),
            (Some(_), Some(_)) => {
                return Err(Violation("two releases with one number were applied".to_owned()));
            }
        };
        stage.eventually_only(&winner).await?;
        base = winner;
    }
    Ok(())
}

pub(super) async fn a_newer_release_supersedes_one_that_bakes(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let mut release = stage.release(&[good("alpha", "v2")]).await?;
    release.bake = stage.timing.long_bake;
    let second = assignment(Some(&first), first.generation(), &release);
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.switch(second.generation()).await.map_err(|error| unexpected("switch", &error))?;
    let release = stage.release(&[good("alpha", "v3")]).await?;
    let third = assignment(Some(&second), second.generation(), &release);
    stage.prepare(&third).await.map_err(|error| unexpected("prepare during a bake", &error))?;
    stage.answers("alpha", Some("v2")).await?;
    refused_as("bake of a superseded release", stage.bake(second.generation()).await, |kind| {
        *kind == FailureKind::Superseded || is_stale(kind)
    })?;
    stage.switch(third.generation()).await.map_err(|error| unexpected("switch", &error))?;
    stage.answers("alpha", Some("v3")).await?;
    stage.bake(third.generation()).await.map_err(|error| unexpected("bake", &error))?;
    stage.retire(third.generation()).await.map_err(|error| unexpected("retire", &error))?;
    stage.only(&third).await
}

pub(super) async fn a_revert_in_the_bake_starts_nothing(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    let before = (stage.running("alpha").await?, stage.running("beta").await?);
    let mut release = stage.release(&[good("alpha", "v2"), good("beta", "v1")]).await?;
    release.bake = stage.timing.long_bake;
    let second = assignment(Some(&first), first.generation(), &release);
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.switch(second.generation()).await.map_err(|error| unexpected("switch", &error))?;
    stage.answers("alpha", Some("v2")).await?;

    let back = assignment(Some(&second), second.generation(), &first.release);
    stage.prepare(&back).await.map_err(|error| unexpected("prepare of the revert", &error))?;
    stage.switch(back.generation()).await.map_err(|error| unexpected("switch of the revert", &error))?;
    stage.answers("alpha", Some("v1")).await?;
    stage.bake(back.generation()).await.map_err(|error| unexpected("bake of the revert", &error))?;
    stage.retire(back.generation()).await.map_err(|error| unexpected("retire of the revert", &error))?;
    same("alpha", &before.0, &stage.running("alpha").await?)?;
    same("beta", &before.1, &stage.running("beta").await?)?;
    stage.only(&back).await
}
