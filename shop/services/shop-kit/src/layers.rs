//! The coat every router wears: request id, error envelope, caught panics, one log line per request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderName, HeaderValue, header};
use tracing::Instrument;
use uuid::Uuid;

use crate::error::ApiError;
use crate::health::{self, Health};
use crate::metrics::{self, RouteName};

/// The header that carries the request id in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header in which services show each other the secret of `internal.yaml`.
pub const INTERNAL_TOKEN: HeaderName = HeaderName::from_static("x-internal-token");
/// The header by which a service of the shop says that it was the one to answer.
pub const SERVICE: HeaderName = HeaderName::from_static("x-service");

/// The id of the request being handled.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

#[derive(Clone)]
struct Coat {
    service: HeaderValue,
}

/// Finishes a router: adds `/health`, `/ready` and the layers above. What no route matches is the router's
/// own business, see [`crate::contract::Unbuilt::attach`].
pub fn dress(service: &'static str, routes: Router, health: Health) -> Router {
    let coat = Coat { service: HeaderValue::from_static(service) };
    routes.merge(health::routes(health)).layer(from_fn_with_state(coat, around))
}

async fn around(State(coat): State<Coat>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId(request_id(&request));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let template = request.extensions().get::<MatchedPath>().cloned();
    let in_flight = metrics::begin();
    // Handlers that ask other services pass the header on, whether the caller sent it or not.
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    request.extensions_mut().insert(id.clone());

    // Whatever a handler says in the log carries the id of the request that it was said for.
    let span = tracing::info_span!("request", request_id = %id.0);
    let mut response = match AssertUnwindSafe(next.run(request).instrument(span)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => ApiError::internal("internal server error", panic_text(&*panic)).into_response(),
    };
    let error = response.extensions_mut().remove::<ApiError>();
    if let Some(error) = &error {
        response = write_envelope(response, error, &id.0);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(SERVICE).or_insert(coat.service);

    drop(in_flight);
    let named = response.extensions_mut().remove::<RouteName>();
    let route = named.as_ref().map(|name| &*name.0).or_else(|| template.as_ref().map(MatchedPath::as_str));
    metrics::answered(&method, route, response.status(), started.elapsed());
    let status = response.status().as_u16();
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    let cause = error.as_ref().and_then(|e| e.cause.as_deref());
    match status {
        // Not built yet is no accident of this request.
        501 => {
            tracing::warn!(%method, path, status, millis, request_id = %id.0, cause, "request");
        }
        500.. => {
            tracing::error!(%method, path, status, millis, request_id = %id.0, cause, "request");
        }
        // Probes come every second; they would bury everything else.
        _ if path == "/health" || path == "/ready" => {
            tracing::debug!(%method, path, status, millis, request_id = %id.0, cause, "request");
        }
        _ => tracing::info!(%method, path, status, millis, request_id = %id.0, cause, "request"),
    }
    response
}

/// The caller's id when it sent a usable one, else a new one.
fn request_id(request: &Request) -> Arc<str> {
    let given = request.headers().get(REQUEST_ID).and_then(|v| v.to_str().ok()).map(str::trim);
    match given {
        Some(id) if !id.is_empty() && id.len() <= 200 => Arc::from(id),
        _ => Arc::from(Uuid::new_v4().to_string()),
    }
}

fn write_envelope(response: Response, error: &ApiError, id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let body =
        serde_json::to_vec(&error.envelope(id)).expect("an envelope holds only strings and JSON values");
    Response::from_parts(parts, Body::from(body))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http::StatusCode;
    use http_body_util::BodyExt;
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;
    use crate::contract::Unbuilt;

    async fn ask(request: http::request::Builder) -> (StatusCode, Option<String>, String) {
        async fn panics() -> &'static str {
            panic!("boom")
        }
        let routes = Router::new().route("/ok", get(async || "fine")).route("/panics", get(panics)).route(
            "/fails",
            get(async || ApiError::conflict("no").with_details(json!({"a": 1})).because("secret cause")),
        );
        let unbuilt = Unbuilt::of("tester", &[("tester", "paths: { /ok: { get: {} } }")]).unwrap();
        let app = dress("tester", unbuilt.attach(routes), Health::always_ready(None));
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let id = response.headers().get("x-request-id").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(response.headers()["x-service"], "tester");
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, id, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn envelopes_carry_the_callers_request_id_and_no_cause() {
        let check = async |path: &str, status: u16, expect: &str| {
            let got = ask(http::Request::get(path).header("X-Request-ID", "abc")).await;
            assert_eq!(
                got,
                (StatusCode::from_u16(status).unwrap(), Some("abc".into()), expect.into()),
                "{path}"
            );
        };
        check("/ok", 200, "fine").await;
        check("/health", 200, "OK").await;
        check("/ready", 200, "OK").await;
        check("/fails", 409, r#"{"code":"conflict","message":"no","requestId":"abc","details":{"a":1}}"#)
            .await;
        check("/nowhere", 404, r#"{"code":"not_found","message":"page not found","requestId":"abc"}"#).await;
        check(
            "/panics",
            500,
            r#"{"code":"internal_error","message":"internal server error","requestId":"abc"}"#,
        )
        .await;
    }

    #[tokio::test]
    async fn a_request_without_an_id_gets_one_and_a_wrong_method_says_so() {
        let (status, id, body) = ask(http::Request::post("/ok")).await;
        let id = id.unwrap();
        assert!(Uuid::parse_str(&id).is_ok(), "{id}");
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(
            body,
            format!(r#"{{"code":"method_not_allowed","message":"method not allowed","requestId":"{id}"}}"#)
        );
    }
}
