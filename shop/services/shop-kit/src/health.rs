//! `/health` (the process is alive) and `/ready` (it may take traffic).
//!
//! `/health` never looks at anything else: a restart would not repair a database. `/ready` asks the
//! service's own dependencies and answers within two seconds whatever they do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::error::{ApiError, ApiResult};

/// How long `/ready` may take, whatever the dependencies do.
pub const READY_BUDGET: Duration = Duration::from_secs(2);

/// The header on `/health` that says which release answers.
pub const SERVICE_VERSION: HeaderName = HeaderName::from_static("x-service-version");

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// What the two probes answer with.
#[derive(Clone)]
pub struct Health {
    version: Option<HeaderValue>,
    ready: Arc<Check>,
}

impl Health {
    /// A service without dependencies. `version` comes from `SERVICE_VERSION`.
    pub fn always_ready(version: Option<String>) -> Self {
        Self::when(version, async || Ok(()))
    }

    /// A service that is ready when `check` says so; the text of its error goes to the log, not to the
    /// client.
    pub fn when<F, R>(version: Option<String>, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        let version = version.and_then(|v| HeaderValue::from_str(&v).ok());
        Self { version, ready: Arc::new(move || Box::pin(check())) }
    }

    fn alive(&self) -> Response {
        let mut response = "OK".into_response();
        if let Some(version) = &self.version {
            response.headers_mut().insert(SERVICE_VERSION, version.clone());
        }
        response
    }

    async fn may_take_traffic(&self) -> ApiResult<&'static str> {
        let reason = match tokio::time::timeout(READY_BUDGET, (self.ready)()).await {
            Ok(Ok(())) => return Ok("OK"),
            Ok(Err(reason)) => reason,
            Err(_) => format!("no answer from the dependencies within {READY_BUDGET:?}"),
        };
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "dependencies not ready")
            .because(reason))
    }
}

pub(crate) fn routes(health: Health) -> Router {
    let alive = health.clone();
    Router::new()
        .route("/health", get(async move || alive.alive()))
        .route("/ready", get(async move || health.may_take_traffic().await))
}
