use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use shop_kit::ApiError;
use tokio::sync::Barrier;

use crate::world::{gateway, refusal, service};

const PATH: &str = "/bff/bootstrap";
const ANONYMOUS: &str = concat!(
    r#"{"me":null,"permissions":{"items":[]},"#,
    r#""featureFlags":{"paymentEnabled":false,"wechatPayEnabled":false,"alipayPayEnabled":false}}"#
);

fn flags_of([payment, wechat, alipay]: [bool; 3]) -> Value {
    json!({ "paymentEnabled": payment, "wechatPayEnabled": wechat, "alipayPayEnabled": alipay })
}

#[tokio::test]
async fn without_an_address_of_identity_it_is_our_fault() {
    let gateway = gateway(&[]).await;
    let reply = gateway.client().get(PATH).await;
    assert_eq!((reply.status, reply.text.as_str()), (500, ANONYMOUS));
    gateway.stop().await;
}

#[tokio::test]
async fn flags_that_can_not_be_read_are_off() {
    let broken = async || ApiError::internal("failed", "test");
    let identity = service("identity", Router::new().route("/admin/config/feature-flags", get(broken))).await;
    let gateway = gateway(&[("GATEWAY_IDENTITY_BASE_URL", identity.base())]).await;
    let reply = gateway.client().get(PATH).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ANONYMOUS));

    identity.stop().await;
    let reply = gateway.client().get(PATH).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ANONYMOUS), "not even when nobody is there");
    let signed = gateway.client().signed_in("x").get(PATH).await;
    assert_eq!(refusal(&signed), "502 bad_gateway: upstream unavailable");
    gateway.stop().await;
}

#[tokio::test]
async fn what_identity_says_is_passed_on_as_it_is() {
    let me = async |headers: HeaderMap| {
        let id = headers["x-request-id"].to_str().unwrap().to_owned();
        match headers["authorization"].to_str().unwrap() {
            "Bearer good" => Ok(Json(json!({ "z": 1, "a": null, "id": id }))),
            "Bearer disabled" => Err(ApiError::forbidden("account disabled")),
            _ => Err(ApiError::unauthorized("invalid token")),
        }
    };
    let permissions = async |headers: HeaderMap| match headers["authorization"].to_str().unwrap() {
        "Bearer good" => Ok(Json(json!({ "items": [{ "code": "x", "scope": "ALL" }] }))),
        _ => Err(ApiError::new(StatusCode::IM_A_TEAPOT, "teapot", "the second answer")),
    };
    let flags = async || Json(flags_of([true, true, false]));
    let routes = Router::new()
        .route("/me", get(me))
        .route("/me/permissions", get(permissions))
        .route("/admin/config/feature-flags", get(flags));
    let identity = service("identity", routes).await;
    let gateway = gateway(&[("GATEWAY_IDENTITY_BASE_URL", identity.base())]).await;
    let client = gateway.client().with("x-request-id", "r");
    let reply = client.signed_in("good").get(PATH).await;
    let expected = concat!(
        r#"{"me":{"z":1,"a":null,"id":"r"},"permissions":{"items":[{"code":"x","scope":"ALL"}]},"#,
        r#""featureFlags":{"paymentEnabled":true,"wechatPayEnabled":true,"alipayPayEnabled":false}}"#
    );
    assert_eq!((reply.status, reply.text.as_str()), (200, expected));
    // The first refusal is the answer, with identity's own words.
    let check = async |token: &str, expect: &str| {
        assert_eq!(refusal(&client.signed_in(token).get(PATH).await), expect);
    };
    check("bad", "401 unauthorized: invalid token").await;
    check("disabled", "403 forbidden: account disabled").await;
    let wrong_method = client.post(PATH, json!({})).await;
    assert_eq!(refusal(&wrong_method), "405 method_not_allowed: method not allowed");
    gateway.stop().await;
}

#[tokio::test]
async fn identity_is_asked_twice_and_at_once() {
    // Neither question is answered before both have been asked.
    let both = Arc::new(Barrier::new(2));
    let part = move |answer: Value| {
        let both = both.clone();
        get(async move || {
            both.wait().await;
            Json(answer)
        })
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let listen = move |request: Request, next: Next| {
        heard.lock().unwrap().push(request.uri().path().to_owned());
        next.run(request)
    };
    let routes = Router::new()
        .route("/me", part(json!({ "id": "x" })))
        .route("/me/permissions", part(json!({ "items": [] })))
        .route("/admin/config/feature-flags", get(async || Json(flags_of([false; 3]))))
        .layer(from_fn(listen));
    let identity = service("identity", routes).await;
    let gateway =
        gateway(&[("GATEWAY_IDENTITY_BASE_URL", identity.base()), ("GATEWAY_FEATURE_FLAGS_TTL", "1h")]).await;
    let client = gateway.client().signed_in("x");
    let questions = async || {
        assert_eq!(client.get(PATH).await.status, 200);
        let mut questions = std::mem::take(&mut *asked.lock().unwrap());
        questions.sort();
        questions
    };
    assert_eq!(questions().await, ["/admin/config/feature-flags", "/me", "/me/permissions"]);
    assert_eq!(questions().await, ["/me", "/me/permissions"], "flags are remembered");
    gateway.stop().await;
}
