//! Giving up before the switch, on request or because nobody asks any more.

use super::{
    assignment,
    stage::{Stage, Violation, ensure, good, refused_as, unexpected},
};
use fairway_model::{FailureKind, Phase};

pub(super) async fn a_prepared_release_can_be_aborted(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2"), good("beta", "v1")]).await?;
    let generation = second.generation();
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.abort(generation).await.map_err(|error| unexpected("abort", &error))?;
    stage.phase(generation, Phase::Aborted).await?;
    stage.answers("alpha", Some("v1")).await?;
    stage.eventually_only(&first).await?;
    refused_as("switch of an aborted release", stage.switch(generation).await, |_| true)?;
    refused_as("prepare of an aborted release", stage.prepare(&second).await, |_| true)?;
    stage.answers("alpha", Some("v1")).await?;
    let release = stage.release(&[good("alpha", "v3")]).await?;
    let third = assignment(Some(&first), generation, &release);
    stage.apply(&third).await?;
    stage.only(&third).await
}

pub(super) async fn aborting_twice_is_fine(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2")]).await?;
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    for _ in 0..2 {
        stage.abort(second.generation()).await.map_err(|error| unexpected("abort", &error))?;
        stage.phase(second.generation(), Phase::Aborted).await?;
    }
    stage.eventually_only(&first).await?;
    let release = stage.release(&[good("alpha", "v3")]).await?;
    let third = assignment(Some(&first), second.generation(), &release);
    stage.apply(&third).await?;
    // Late, and about something that is over: still fine, and without any effect.
    stage.abort(second.generation()).await.map_err(|error| unexpected("a late abort", &error))?;
    stage.only(&third).await
}

pub(super) async fn a_lost_caller_is_aborted_by_its_lease(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2")]).await?;
    let generation = second.generation();
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.fixture.lose_lease().await;
    // Not by asking for the release: whoever asks for it counts as its caller.
    stage
        .eventually("the lease of the lost caller ran out", || async {
            Ok(stage.observe().await?.activity == Some((generation, Phase::Aborted)))
        })
        .await?;
    let status = stage.phase(generation, Phase::Aborted).await?;
    let lease = status.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Lease);
    ensure(lease, || format!("the lease should be the reason: {:?}", status.failure))?;
    refused_as("switch after the lease", stage.switch(generation).await, |kind| *kind == FailureKind::Lease)?;
    stage.answers("alpha", Some("v1")).await?;
    stage.eventually_only(&first).await?;
    let release = stage.release(&[good("alpha", "v3")]).await?;
    let third = assignment(Some(&first), generation, &release);
    stage.apply(&third).await?;
    stage.only(&third).await
}

pub(super) async fn a_release_that_switched_cannot_be_aborted(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.plan(None, &[good("alpha", "v1")]).await?;
    let generation = first.generation();
    stage.prepare(&first).await.map_err(|error| unexpected("prepare", &error))?;
    stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
    refused_as("abort after switch", stage.abort(generation).await, |kind| *kind == FailureKind::WrongPhase)?;
    stage.answers("alpha", Some("v1")).await?;
    stage.bake(generation).await.map_err(|error| unexpected("bake", &error))?;
    stage.retire(generation).await.map_err(|error| unexpected("retire", &error))?;
    refused_as("abort after retire", stage.abort(generation).await, |kind| *kind == FailureKind::WrongPhase)?;
    stage.only(&first).await
}
