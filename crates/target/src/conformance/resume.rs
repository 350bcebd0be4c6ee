//! The target's daemon dies; whoever comes back finishes.

use super::{
    Behaviour, assignment,
    happy::same,
    stage::{Stage, Violation, behaving, ensure, good, in_phase, refused_as, unexpected},
};
use fairway_model::{FailureKind, Generation, Phase};

pub(super) async fn a_restart_after_each_call_changes_nothing(stage: Stage<'_>) -> Result<(), Violation> {
    let mut base = stage.go(None, &[good("alpha", "v0"), good("beta", "v1")]).await?;
    let beta = stage.running("beta").await?;
    for (round, after) in ["prepare", "switch", "bake", "retire"].into_iter().enumerate() {
        let version = format!("v{}", round + 1);
        let next = stage.plan(Some(&base), &[good("alpha", &version), good("beta", "v1")]).await?;
        let generation = next.generation();
        stage.prepare(&next).await.map_err(|error| unexpected("prepare", &error))?;
        let prepared = stage.running("alpha").await?;
        if after == "prepare" {
            stage.fixture.restart().await;
            stage.answers("alpha", Some(&format!("v{round}"))).await?;
            let again =
                stage.prepare(&next).await.map_err(|error| unexpected("prepare after a restart", &error))?;
            in_phase("prepare after a restart", &again, generation, Phase::Prepared)?;
            same("alpha", &prepared, &stage.running("alpha").await?)?;
        }
        stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
        if after == "switch" {
            stage.fixture.restart().await;
            stage.answers("alpha", Some(&version)).await?;
            let again = stage
                .switch(generation)
                .await
                .map_err(|error| unexpected("switch after a restart", &error))?;
            ensure(again.phase.is_serving(), || format!("switch after a restart found {:?}", again.phase))?;
        }
        stage.bake(generation).await.map_err(|error| unexpected("bake", &error))?;
        if after == "bake" {
            stage.fixture.restart().await;
            let again =
                stage.bake(generation).await.map_err(|error| unexpected("bake after a restart", &error))?;
            ensure(again.phase >= Phase::Baked, || format!("bake after a restart found {:?}", again.phase))?;
        }
        stage.retire(generation).await.map_err(|error| unexpected("retire", &error))?;
        if after == "retire" {
            stage.fixture.restart().await;
            let again = stage
                .retire(generation)
                .await
                .map_err(|error| unexpected("retire after a restart", &error))?;
            in_phase("retire after a restart", &again, generation, Phase::Applied)?;
        }
        stage.answers("alpha", Some(&version)).await?;
        stage.only(&next).await?;
        same("beta", &beta, &stage.running("beta").await?)?;
        base = next;
    }
    Ok(())
}

pub(super) async fn a_restart_while_preparing_can_be_resumed(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2"), good("beta", "v1")]).await?;
    let generation = second.generation();
    let (broken, ()) = tokio::join!(stage.prepare(&second), async {
        // As soon as the target has heard of the release; it may be anywhere in preparing it.
        let heard = stage.eventually("the target heard of the release", || async {
            Ok(stage.observe().await?.generation == generation)
        });
        let _ = heard.await;
        stage.fixture.restart().await;
    });
    // Broken off, or just done before.
    if let Err(error) = broken
        && error.failure().is_some()
    {
        return Err(unexpected("prepare during a restart", &error));
    }
    stage.answers("alpha", Some("v1")).await?;
    stage.apply(&second).await?;
    stage.only(&second).await
}

pub(super) async fn a_restart_after_trouble_still_goes_back(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let mut release = stage.release(&[behaving("alpha", "v2", Behaviour::FailsAfterSwitch)]).await?;
    release.bake = stage.timing.long_bake;
    let second = assignment(Some(&first), first.generation(), &release);
    let generation: Generation = second.generation();
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
    // Before, during or after the trouble: the bake is watched again, or its end is remembered.
    stage.fixture.restart().await;
    refused_as("bake after a restart", stage.bake(generation).await, |kind| *kind == FailureKind::Bake)?;
    stage.phase(generation, Phase::Reverted).await?;
    stage.answers("alpha", Some("v1")).await?;
    stage.eventually_only(&first).await?;
    stage.fixture.restart().await;
    stage.phase(generation, Phase::Reverted).await?;
    stage.only(&first).await
}
