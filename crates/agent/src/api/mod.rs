//! The agent's API over its Unix socket. [`fairway_protocol::agent`] says what it is.

mod answer;
mod artifacts;
mod logs;
mod releases;
pub(crate) mod socket;
mod traffic;

use crate::agent::{Agent, Ending};
use answer::Refusal;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use fairway_model::{EnvironmentName, Observed, SecretVersion};
use fairway_protocol::agent::{AgentInfo, Endpoints, EnvironmentList, SecretValue};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::net::UnixListener;

/// How long answers that are on their way may take when the agent ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

type Shared = State<Arc<Agent>>;

/// Answers until the agent is told to end.
pub(crate) async fn serve(listener: UnixListener, agent: &Arc<Agent>) {
    let end = agent.end.clone();
    let served = axum::serve(listener, router(Arc::clone(agent))).with_graceful_shutdown({
        let end = end.clone();
        async move { end.cancelled().await }
    });
    let limit = async {
        end.cancelled().await;
        // Whoever follows a log would keep the agent for ever.
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::error!(%error, "the control socket failed");
        },
        () = limit => {}
    }
}

fn router(agent: Arc<Agent>) -> Router {
    Router::new()
        .route("/v1/agent", get(info))
        .route("/v1/environments", get(environments))
        .route("/v1/environments/{environment}", get(observe).delete(destroy))
        .route("/v1/environments/{environment}/endpoints", get(endpoints))
        .route("/v1/environments/{environment}/logs", get(logs::lines))
        .route("/v1/environments/{environment}/traffic", get(traffic::look))
        .route("/v1/environments/{environment}/secrets/{version}", put(secret))
        .route("/v1/environments/{environment}/releases/{generation}", get(releases::follow))
        .route("/v1/environments/{environment}/releases/{generation}/prepare", post(releases::prepare))
        .route("/v1/environments/{environment}/releases/{generation}/switch", post(releases::switch))
        .route("/v1/environments/{environment}/releases/{generation}/bake", post(releases::bake))
        .route("/v1/environments/{environment}/releases/{generation}/retire", post(releases::retire))
        .route("/v1/environments/{environment}/releases/{generation}/abort", post(releases::abort))
        .route("/v1/artifacts/{digest}", get(artifacts::has).put(artifacts::put))
        .route("/v1/shutdown", post(shutdown))
        .fallback(answer::no_such_path)
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
        .with_state(agent)
}

async fn info(State(agent): Shared) -> Json<AgentInfo> {
    Json(agent.info())
}

async fn environments(State(agent): Shared) -> Json<EnvironmentList> {
    let environments = agent.environments().iter().map(|environment| environment.name().clone()).collect();
    Json(EnvironmentList { environments })
}

async fn observe(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
) -> Result<Json<Observed>, Refusal> {
    let name = answer::environment(path)?;
    Ok(Json(match agent.environment(&name) {
        Some(environment) => environment.observe().await,
        None => {
            let mut nothing = Observed::nothing(name);
            if let Ok(artifacts) = agent.machine.artifacts.list() {
                nothing.artifacts = fairway_model::Sight::Known(artifacts);
            }
            nothing
        }
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DestroyQuery {
    #[serde(default)]
    purge: bool,
}

async fn destroy(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
    query: Result<Query<DestroyQuery>, answer::BadQuery>,
) -> Result<StatusCode, Refusal> {
    let name = answer::environment(path)?;
    let Query(DestroyQuery { purge }) = query?;
    // In a task of its own: a caller that hangs up does not leave half an environment.
    let destroyed = tokio::spawn(async move { agent.destroy(&name, purge).await });
    destroyed.await.map_err(crate::fail::internal)??;
    Ok(StatusCode::NO_CONTENT)
}

async fn endpoints(
    State(agent): Shared,
    path: Result<Path<String>, answer::BadPath>,
) -> Result<Json<Endpoints>, Refusal> {
    let environment = answer::known(&agent, &answer::environment(path)?)?;
    Ok(Json(environment.endpoints().await))
}

async fn secret(
    State(agent): Shared,
    path: Result<Path<(String, String)>, answer::BadPath>,
    body: Result<Json<SecretValue>, answer::BadJson>,
) -> Result<StatusCode, Refusal> {
    let Path((environment, version)) = path?;
    let environment: EnvironmentName = answer::parse(&environment)?;
    let version: SecretVersion = answer::parse(&version)?;
    let Json(SecretValue { value }) = body?;
    let secrets = crate::secrets::Secrets::new(&agent.machine.home, &environment);
    tokio::task::spawn_blocking(move || secrets.put(version, &value))
        .await
        .map_err(crate::fail::internal)??;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShutdownQuery {
    #[serde(default)]
    instances: WhatHappens,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhatHappens {
    #[default]
    Keep,
    Stop,
}

async fn shutdown(
    State(agent): Shared,
    query: Result<Query<ShutdownQuery>, answer::BadQuery>,
) -> Result<StatusCode, Refusal> {
    let Query(ShutdownQuery { instances }) = query?;
    agent.shut_down(match instances {
        WhatHappens::Keep => Ending::Keep,
        WhatHappens::Stop => Ending::Stop,
    });
    Ok(StatusCode::ACCEPTED)
}
