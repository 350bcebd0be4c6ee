//! Releases that fail: what serves keeps serving, and the failure says enough to act on.

use super::{
    Behaviour, Wanted, assignment,
    stage::{Stage, Violation, behaving, ensure, good, refused_as, service, unexpected},
};
use fairway_model::{Assignment, FailureKind, Generation, Phase};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// After a release failed before its switch, the world is as it was, and the next release works.
async fn costs_nothing(stage: &Stage<'_>, first: &Assignment, failed: &Assignment) -> Result<(), Violation> {
    stage.answers("alpha", Some("v1")).await?;
    stage.eventually_only(first).await?;
    let status = stage.phase(failed.generation(), Phase::Failed).await?;
    ensure(status.failure.is_some(), || "a failed release should tell its failure".to_owned())?;
    let again = stage.prepare(failed).await;
    refused_as("prepare of a failed release", again, |kind| {
        status.failure.as_ref().is_some_and(|f| f.kind == *kind)
    })?;
    let switch = stage.switch(failed.generation()).await;
    refused_as("switch of a failed release", switch, |_| true)?;
    stage.answers("alpha", Some("v1")).await?;
    let release = stage.release(&[good("alpha", "v3")]).await?;
    let third = assignment(Some(first), failed.generation(), &release);
    stage.apply(&third).await?;
    stage.answers("alpha", Some("v3")).await?;
    stage.only(&third).await
}

pub(super) async fn a_service_that_is_never_ready_costs_nothing(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let wanted = [good("alpha", "v2"), behaving("beta", "v1", Behaviour::NeverReady)];
    let second = stage.plan(Some(&first), &wanted).await?;
    let failure = refused_as("prepare", stage.prepare(&second).await, |kind| *kind == FailureKind::Start)?;
    ensure(failure.service == Some(service("beta")), || {
        format!("the failure should name beta: {failure:?}")
    })?;
    ensure(failure.probe.is_some(), || format!("the failure should show the last probe: {failure:?}"))?;
    costs_nothing(&stage, &first, &second).await
}

pub(super) async fn a_service_that_exits_fails_at_once_with_its_log(
    stage: Stage<'_>,
) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[behaving("alpha", "v2", Behaviour::ExitsAtStart)]).await?;
    let begun = Instant::now();
    let failure = refused_as("prepare", stage.prepare(&second).await, |kind| *kind == FailureKind::Start)?;
    let took = begun.elapsed();
    ensure(took < stage.timing.fast, || format!("an exit at the start was reported after {took:?}"))?;
    ensure(failure.service == Some(service("alpha")), || {
        format!("the failure should name alpha: {failure:?}")
    })?;
    ensure(!failure.log.is_empty(), || format!("the failure should show the last log lines: {failure:?}"))?;
    costs_nothing(&stage, &first, &second).await
}

pub(super) async fn a_failing_migration_fails_before_any_start(stage: Stage<'_>) -> Result<(), Violation> {
    if !stage.fixture.has_databases() {
        println!("skipped: needs databases");
        return Ok(());
    }
    let with = |version: &str, behaviour| Wanted { database: true, ..behaving("alpha", version, behaviour) };
    let first = stage.go(None, &[with("v1", Behaviour::Good)]).await?;
    let databases = stage.observe().await?.databases;
    ensure(databases.known().is_some_and(|known| known.contains(&service("alpha"))), || {
        format!("alpha should have a database: {databases:?}")
    })?;
    let second = stage.plan(Some(&first), &[with("v2", Behaviour::BadMigration), good("beta", "v1")]).await?;
    let before = stage.running("alpha").await?;
    let failure =
        refused_as("prepare", stage.prepare(&second).await, |kind| *kind == FailureKind::Migration)?;
    ensure(failure.service == Some(service("alpha")), || {
        format!("the failure should name alpha: {failure:?}")
    })?;
    ensure(!failure.log.is_empty(), || format!("the failure should show the migration's log: {failure:?}"))?;
    let status = stage.status(second.generation()).await?;
    let starts = status.events.iter().filter(
        |event| matches!(&event.kind, fairway_model::EventKind::StepStarted { step } if step == "start"),
    );
    ensure(starts.count() == 0, || {
        format!("something was started before the migration: {:?}", status.events)
    })?;
    ensure(stage.running("beta").await?.is_empty(), || "beta was started".to_owned())?;
    super::happy::same("alpha", &before, &stage.running("alpha").await?)?;
    costs_nothing(&stage, &first, &second).await
}

pub(super) async fn trouble_after_the_switch_goes_back(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    let before = stage.running("alpha").await?;
    let wanted = [behaving("alpha", "v2", Behaviour::FailsAfterSwitch), good("beta", "v2")];
    let mut release = stage.release(&wanted).await?;
    release.bake = stage.timing.long_bake;
    let second = assignment(Some(&first), first.generation(), &release);
    let generation = second.generation();
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
    let failure = refused_as("bake", stage.bake(generation).await, |kind| *kind == FailureKind::Bake)?;
    ensure(failure.service == Some(service("alpha")), || {
        format!("the failure should name alpha: {failure:?}")
    })?;
    stage.phase(generation, Phase::Reverted).await?;
    stage.answers("alpha", Some("v1")).await?;
    stage.answers("beta", Some("v1")).await?;
    stage.eventually_only(&first).await?;
    super::happy::same("alpha", &before, &stage.running("alpha").await?)?;
    refused_as("retire of a reverted release", stage.retire(generation).await, |_| true)?;
    refused_as("bake of a reverted release", stage.bake(generation).await, |kind| {
        *kind == FailureKind::Bake
    })?;
    let release = stage.release(&[good("alpha", "v3"), good("beta", "v3")]).await?;
    let third = assignment(Some(&first), generation, &release);
    stage.apply(&third).await?;
    stage.only(&third).await
}

pub(super) async fn trouble_in_a_first_release_needs_a_person(stage: Stage<'_>) -> Result<(), Violation> {
    let mut release = stage.release(&[behaving("alpha", "v1", Behaviour::FailsAfterSwitch)]).await?;
    release.bake = stage.timing.long_bake;
    let first = assignment(None, Generation(0), &release);
    stage.prepare(&first).await.map_err(|error| unexpected("prepare", &error))?;
    stage.switch(first.generation()).await.map_err(|error| unexpected("switch", &error))?;
    refused_as("bake", stage.bake(first.generation()).await, |kind| *kind == FailureKind::Bake)?;
    stage.phase(first.generation(), Phase::Stuck).await?;
    let release = stage.release(&[good("alpha", "v2")]).await?;
    let second = assignment(Some(&first), first.generation(), &release);
    stage.apply(&second).await?;
    stage.answers("alpha", Some("v2")).await?;
    stage.only(&second).await
}

pub(super) async fn what_has_not_arrived_is_refused(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let made = stage.fixture.make(&good("alpha", "v2")).await;
    let release = stage.release_of(BTreeMap::from([(service("alpha"), made.spec)]), false);
    let second = assignment(Some(&first), first.generation(), &release);
    refused_as("prepare", stage.prepare(&second).await, |kind| *kind == FailureKind::Missing)?;
    stage.answers("alpha", Some("v1")).await?;
    stage.eventually_only(&first).await
}
