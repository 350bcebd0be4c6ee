//! Failures as HTTP answers, and requests that are not of the documented shape.

use crate::{agent::Agent, environment::Environment, fail};
use axum::{
    Json,
    extract::{
        Path,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use fairway_model::{EnvironmentName, Failure, FailureKind};
use std::{fmt::Display, str::FromStr, sync::Arc};

/// A failure with its status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    failure: Box<Failure>,
}

pub(super) type BadPath = PathRejection;
pub(super) type BadQuery = QueryRejection;
pub(super) type BadJson = JsonRejection;

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::Stale { .. }
            | FailureKind::Superseded
            | FailureKind::WrongPhase
            | FailureKind::Lease => StatusCode::CONFLICT,
            FailureKind::Invalid
            | FailureKind::Missing
            | FailureKind::Database
            | FailureKind::Migration
            | FailureKind::Start
            | FailureKind::Edge
            | FailureKind::Bake => StatusCode::UNPROCESSABLE_ENTITY,
            FailureKind::Machine => StatusCode::INSUFFICIENT_STORAGE,
            FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, failure: Box::new(failure) }
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        malformed(rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        malformed(rejection.body_text())
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        malformed(rejection.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.failure)).into_response()
    }
}

fn malformed(message: String) -> Refusal {
    let failure = fail::invalid(message, "Use a client of the same version as this agent");
    Refusal { status: StatusCode::BAD_REQUEST, failure: Box::new(failure) }
}

fn unknown(message: String, next: &str) -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, failure: Box::new(fail::invalid(message, next)) }
}

/// A part of a path as what it stands for.
pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error: T::Err| malformed(error.to_string()))
}

/// The environment that a path names.
pub(super) fn environment(path: Result<Path<String>, PathRejection>) -> Result<EnvironmentName, Refusal> {
    let Path(name) = path?;
    parse(&name)
}

/// An environment that must be there.
pub(super) fn known(agent: &Agent, name: &EnvironmentName) -> Result<Arc<Environment>, Refusal> {
    agent.environment(name).ok_or_else(|| {
        unknown(format!("environment {name} is not known on this host"), "Apply a release to it first")
    })
}

/// A release that is not there.
pub(super) fn no_such_release(failure: Failure) -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, failure: Box::new(failure) }
}

/// The answer to a path that is not part of the API.
pub(super) async fn no_such_path(uri: Uri) -> Refusal {
    unknown(
        format!("there is no {} in this agent's API", uri.path()),
        "Use a client of the same version as this agent",
    )
}
