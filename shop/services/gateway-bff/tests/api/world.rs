//! A gateway and what it forwards to.
#![expect(clippy::unwrap_used, reason = "a world that can't be set up ends the test")]

use std::path::Path;

use axum::body::Bytes;
use axum::extract::Request;
use axum::{Json, Router};
use gateway_bff::app::{App, router};
use gateway_bff::settings::Settings;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::settings::Environment;
use shop_kit::testing::{Contracts, Reply, TestServer};

/// A gateway with the given `GATEWAY_*` variables; no boundary has an address unless it is given.
pub(crate) async fn gateway(variables: &[(&str, &str)]) -> TestServer {
    let nowhere = ["IDENTITY", "COMMERCE", "PAYMENT", "ADMIN", "AI"]
        .map(|b| (format!("GATEWAY_{b}_BASE_URL"), String::new()));
    let given = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let environment = Environment::from_pairs(nowhere.into_iter().chain(given));
    let settings = Settings::read(&environment).unwrap();
    TestServer::start_with(|shutdown| {
        router(App::new(settings, shutdown.clone()).unwrap(), Some("v7".into())).unwrap()
    })
    .await
}

/// A service of the shop that answers everything with what it was asked.
pub(crate) async fn mirror(name: &'static str) -> TestServer {
    let show = async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body: Bytes = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        let headers: Map<String, Value> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        Json(json!({
            "service": name,
            "request": format!("{} {}", parts.method, parts.uri),
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        }))
    };
    service(name, Router::new().fallback(show)).await
}

/// A service of the shop with these routes.
pub(crate) async fn service(name: &'static str, routes: Router) -> TestServer {
    TestServer::start(dress(name, routes, Health::always_ready(None))).await
}

pub(crate) fn contracts() -> Contracts {
    Contracts::in_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/openapi"))
}

/// Status, code and message in one line.
pub(crate) fn refusal(reply: &Reply) -> String {
    let (status, code, message) = reply.error();
    format!("{status} {code}: {message}")
}
