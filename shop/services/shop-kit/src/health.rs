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
use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// How long `/ready` may take, whatever the dependencies do.
pub const READY_BUDGET: Duration = Duration::from_secs(2);

/// The header on `/health` that says which release answers.
pub const SERVICE_VERSION: HeaderName = HeaderName::from_static("x-service-version");

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Unready>> + Send>> + Send + Sync;

/// Why a service may not take traffic.
#[derive(Debug, Clone)]
pub struct Unready {
    /// For the log.
    pub reason: String,
    /// For whoever asks: how each dependency stands, without addresses.
    pub details: Option<Value>,
}

impl From<String> for Unready {
    fn from(reason: String) -> Self {
        Self { reason, details: None }
    }
}

/// What the two probes answer with.
#[derive(Clone)]
pub struct Health {
    version: Option<HeaderValue>,
    ready: Arc<Check>,
}

impl Health {
    /// A service without dependencies. `version` comes from `SERVICE_VERSION`.
    pub fn always_ready(version: Option<String>) -> Self {
        Self::when(version, async || Ok::<_, Unready>(()))
    }

    /// A service that is ready when `check` says so; the reason of its error goes to the log, not to the
    /// client.
    pub fn when<F, R, E>(version: Option<String>, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Unready>,
    {
        let version = version.and_then(|v| HeaderValue::from_str(&v).ok());
        let ready = move || -> Pin<Box<dyn Future<Output = Result<(), Unready>> + Send>> {
            let checked = check();
            Box::pin(async move { checked.await.map_err(Into::into) })
        };
        Self { version, ready: Arc::new(ready) }
    }

    fn alive(&self) -> Response {
        let mut response = "OK".into_response();
        if let Some(version) = &self.version {
            response.headers_mut().insert(SERVICE_VERSION, version.clone());
        }
        response
    }

    async fn may_take_traffic(&self) -> ApiResult<&'static str> {
        let Unready { reason, details } = match tokio::time::timeout(READY_BUDGET, (self.ready)()).await {
            Ok(Ok(())) => return Ok("OK"),
            Ok(Err(unready)) => unready,
            Err(_) => format!("no answer from the dependencies within {READY_BUDGET:?}").into(),
        };
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "dependencies not ready")
            .because(reason);
        Err(match details {
            Some(details) => error.with_details(details),
            None => error,
        })
    }
}

pub(crate) fn routes(health: Health) -> Router {
    let alive = health.clone();
    Router::new()
        .route("/health", get(async move || alive.alive()))
        .route("/ready", get(async move || health.may_take_traffic().await))
}
