//! Artifacts on their way in.

use super::{
    Shared,
    answer::{self, Refusal},
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::StatusCode,
};
use fairway_model::ArtifactDigest;

fn digest(path: Result<Path<String>, answer::BadPath>) -> Result<ArtifactDigest, Refusal> {
    let Path(digest) = path?;
    answer::parse(&digest)
}

/// Is it here? Whoever asks is about to need it, so it stays for a while.
pub(super) async fn has(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
) -> Result<StatusCode, Refusal> {
    let digest = digest(path)?;
    Ok(if agent.machine.artifacts.reserve(&digest) { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

pub(super) async fn put(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let digest = digest(path)?;
    agent.machine.artifacts.put(digest, body.into_data_stream()).await?;
    Ok(StatusCode::NO_CONTENT)
}
