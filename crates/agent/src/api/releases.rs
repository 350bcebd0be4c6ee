//! Releases: offered, followed, switched, retired, given up.

use super::{
    Shared,
    answer::{self, Refusal},
};
use crate::environment::Environment;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use fairway_model::{Assignment, EnvironmentName, FailureKind, Generation, ReleaseStatus};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

type ReleasePath = Result<Path<(String, u64)>, answer::BadPath>;

fn find(agent: &crate::agent::Agent, path: ReleasePath) -> Result<(Arc<Environment>, Generation), Refusal> {
    let Path((environment, generation)) = path?;
    let (name, generation): (EnvironmentName, _) = (answer::parse(&environment)?, Generation(generation));
    match agent.environment(&name) {
        Some(environment) => Ok((environment, generation)),
        None => Err(answer::no_such_release(crate::environment::unknown(&name, generation))),
    }
}

pub(super) async fn prepare(
    State(agent): Shared,
    path: ReleasePath,
    body: Result<Json<Assignment>, answer::BadJson>,
) -> Result<(StatusCode, Json<ReleaseStatus>), Refusal> {
    let Path((environment, generation)) = path?;
    let environment: EnvironmentName = answer::parse(&environment)?;
    let Json(assignment) = body?;
    if assignment.plan.environment != environment || assignment.generation() != Generation(generation) {
        return Err(crate::fail::invalid(
            format!(
                "release {} of {} was sent as release {generation} of {environment}",
                assignment.generation(),
                assignment.plan.environment
            ),
            "Send it where its plan says",
        )
        .into());
    }
    let status = agent.environment_or_new(&environment).offer(assignment).await?;
    Ok((StatusCode::ACCEPTED, Json(status)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FollowQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

pub(super) async fn follow(
    State(agent): Shared,
    path: ReleasePath,
    query: Result<Query<FollowQuery>, answer::BadQuery>,
) -> Result<Json<ReleaseStatus>, Refusal> {
    let (environment, generation) = find(&agent, path)?;
    let Query(FollowQuery { after, wait_ms }) = query?;
    // Not longer than the lease lasts, which is renewed when the answer goes out.
    let limit = Duration::from_millis(wait_ms).min(agent.machine.settings.timing.lease / 2);
    let end = agent.end.clone();
    let followed = tokio::select! {
        followed = environment.follow(generation, after, limit) => followed,
        () = end.cancelled() => environment.status(generation, after).await,
    };
    followed.map(Json).map_err(|failure| match failure.kind {
        FailureKind::WrongPhase => answer::no_such_release(failure),
        _ => failure.into(),
    })
}

pub(super) async fn switch(State(agent): Shared, path: ReleasePath) -> Result<Json<ReleaseStatus>, Refusal> {
    let (environment, generation) = find(&agent, path)?;
    Ok(Json(environment.request_switch(generation).await?))
}

pub(super) async fn bake(State(agent): Shared, path: ReleasePath) -> Result<Json<ReleaseStatus>, Refusal> {
    let (environment, generation) = find(&agent, path)?;
    Ok(Json(environment.request_bake(generation).await?))
}

pub(super) async fn retire(
    State(agent): Shared,
    path: ReleasePath,
) -> Result<(StatusCode, Json<ReleaseStatus>), Refusal> {
    let (environment, generation) = find(&agent, path)?;
    Ok((StatusCode::ACCEPTED, Json(environment.request_retire(generation).await?)))
}

/// Giving up what was never offered is fine; there is no status to show then.
pub(super) async fn abort(
    State(agent): Shared,
    path: ReleasePath,
) -> Result<(StatusCode, Json<Option<ReleaseStatus>>), Refusal> {
    let Path((environment, generation)) = path?;
    let environment: EnvironmentName = answer::parse(&environment)?;
    let Some(environment) = agent.environment(&environment) else {
        return Ok((StatusCode::OK, Json(None)));
    };
    let aborted = environment.request_abort(Generation(generation)).await?;
    Ok((StatusCode::OK, Json(aborted)))
}
