//! A generated client against a real server.
#![expect(clippy::unwrap_used, reason = "a server that can't be set up ends the test")]

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use shop_kit::ApiError;
use shop_kit::client::HttpClient;
use shop_kit::contract::Unbuilt;
use shop_kit::extract::Body;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::settings::BaseUrl;
use shop_kit::testing::TestServer;
use shop_wire::call::{CallFailure, Caller, on_behalf};
use shop_wire::client::IdentityClient;
use shop_wire::identity::{AuthorizeRequest, PermissionScope};
use uuid::Uuid;

async fn identity() -> TestServer {
    let authorize = async |headers: HeaderMap, Body(question): Body<serde_json::Value>| {
        assert_eq!(question, serde_json::json!({ "permission": "order:read" }), "what is unset is not sent");
        match headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) {
            Some(b"Bearer good") => Ok(r#"{"allowed":true,"effectiveScope":"OWNED"}"#),
            Some(b"Bearer odd") => Ok(r#"{"allowed":"perhaps"}"#),
            _ => Err(ApiError::unauthorized("invalid token")),
        }
    };
    let staff = async |Path(id): Path<String>| ApiError::not_found(format!("no {id}"));
    let routes = Router::new().route("/rbac/authorize", post(authorize)).route("/staff/{id}", get(staff));
    let unbuilt = Unbuilt::of("identity", &[]).unwrap();
    TestServer::start(dress("identity", unbuilt.attach(routes), Health::always_ready(None))).await
}

fn client(base: &str) -> IdentityClient {
    let base = BaseUrl::parse(base).unwrap();
    IdentityClient::new(Caller::new(base, HttpClient::new(), Duration::from_secs(10)))
}

fn bearer(token: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(token))])
}

#[tokio::test]
async fn answers_and_refusals() {
    let server = identity().await;
    let client = client(server.base());
    let question = AuthorizeRequest { permission: Some("order:read".into()), required_scope: None };
    let decision = client.post_rbac_authorize(&bearer("Bearer good"), &question).await.unwrap();
    assert_eq!((decision.allowed, decision.effective_scope), (true, Some(PermissionScope::Owned)));

    let refused = client.post_rbac_authorize(&bearer("Bearer bad"), &question).await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(refused.envelope().unwrap().message, "invalid token");
    let text = refused.to_string();
    assert!(
        text.ends_with("/rbac/authorize answered 401 Unauthorized unauthorized: invalid token"),
        "{text}"
    );

    let odd = client.post_rbac_authorize(&bearer("Bearer odd"), &question).await.unwrap_err();
    assert!(matches!(odd, CallFailure::Unreadable { .. }), "{odd}");

    let missing = client.get_staff_staff_id(&HeaderMap::new(), Uuid::nil()).await.unwrap_err();
    assert_eq!(missing.envelope().unwrap().message, format!("no {}", Uuid::nil()));
    server.stop().await;

    let gone = client.get_staff_staff_id(&HeaderMap::new(), Uuid::nil()).await.unwrap_err();
    assert!(matches!(gone, CallFailure::NoAnswer(_)) && gone.status().is_none(), "{gone}");
}

#[test]
fn only_the_callers_authorization_and_the_requests_id_go_on() {
    let mut incoming = bearer("Bearer x");
    incoming.insert("x-request-id", HeaderValue::from_static("7"));
    incoming.insert("cookie", HeaderValue::from_static("secret"));
    incoming.insert("x-internal-token", HeaderValue::from_static("forged"));
    let outgoing = on_behalf(&incoming);
    assert_eq!(outgoing.len(), 2);
    assert_eq!(
        (&outgoing["authorization"], &outgoing["x-request-id"]),
        (&"Bearer x".parse().unwrap(), &"7".parse().unwrap())
    );
}
