//! What identity says of the feature flags is remembered for a moment, and asked by one for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use serde_json::{Value, json};
use shop_kit::testing::{Client, TestServer};

use crate::world::{gateway, refusal, service};

const FLAGS: &str = "/admin/config/feature-flags";

/// How often the flags were asked for.
type Asked = Arc<AtomicUsize>;

fn flags(on: bool) -> Json<Value> {
    Json(json!({ "paymentEnabled": on, "wechatPayEnabled": on, "alipayPayEnabled": on }))
}

/// An identity whose flags are on after every change, and were off before.
async fn identity(asked: &Asked) -> TestServer {
    let changes = Arc::new(AtomicUsize::new(0));
    let (seen, asked) = (Arc::clone(&changes), Arc::clone(asked));
    let show = async move || {
        asked.fetch_add(1, Ordering::SeqCst);
        flags(seen.load(Ordering::SeqCst) > 0)
    };
    let change = async move || {
        changes.fetch_add(1, Ordering::SeqCst);
        flags(true)
    };
    service("identity", Router::new().route(FLAGS, get(show).patch(change))).await
}

async fn payment_is_on(client: &Client) -> bool {
    client.get("/bff/bootstrap").await.json()["featureFlags"]["paymentEnabled"] == true
}

#[tokio::test]
async fn one_asks_for_all() {
    let asked = Asked::default();
    let identity = identity(&asked).await;
    let settings = [("GATEWAY_IDENTITY_BASE_URL", identity.base()), ("GATEWAY_FEATURE_FLAGS_TTL", "1h")];
    let gateway = gateway(&settings).await;
    let clients: Vec<Client> = (0..8).map(|_| gateway.client()).collect();
    join_all(clients.iter().map(payment_is_on)).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_change_that_passes_through_counts_at_once() {
    let asked = Asked::default();
    let identity = identity(&asked).await;
    let settings = [("GATEWAY_IDENTITY_BASE_URL", identity.base()), ("GATEWAY_FEATURE_FLAGS_TTL", "1h")];
    let gateway = gateway(&settings).await;
    let client = gateway.client();
    let pay = async || refusal(&client.post("/payments/wechat/create", json!({})).await);
    assert!(!payment_is_on(&client).await);
    assert_eq!(pay().await, "403 feature-disabled: payment is disabled");
    assert_eq!(client.patch(FLAGS, json!({})).await.status, 200);
    assert!(payment_is_on(&client).await);
    assert_eq!(pay().await, "501 not_implemented: payment service not implemented");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_said_is_not_believed_for_longer() {
    let asked = Asked::default();
    let identity = identity(&asked).await;
    let settings = [("GATEWAY_IDENTITY_BASE_URL", identity.base()), ("GATEWAY_FEATURE_FLAGS_TTL", "0s")];
    let gateway = gateway(&settings).await;
    let client = gateway.client();
    assert_eq!(client.patch(FLAGS, json!({})).await.status, 200);
    assert!(payment_is_on(&client).await);
    identity.stop().await;
    assert!(!payment_is_on(&client).await, "a feature does not stay open because its switch can't be read");
    gateway.stop().await;
}

#[tokio::test]
async fn who_is_not_there_is_not_asked_by_everybody() {
    let asked = Asked::default();
    let count = Arc::clone(&asked);
    let never = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
        ""
    };
    let identity = service("identity", Router::new().route(FLAGS, get(never))).await;
    let settings = [("GATEWAY_IDENTITY_BASE_URL", identity.base()), ("GATEWAY_UPSTREAM_TIMEOUT", "100ms")];
    let gateway = gateway(&settings).await;
    let clients: Vec<Client> = (0..8).map(|_| gateway.client()).collect();
    let all = join_all(clients.iter().map(payment_is_on));
    let on = tokio::time::timeout(Duration::from_secs(20), all).await.expect("an answer");
    assert_eq!((on, asked.load(Ordering::SeqCst)), (vec![false; 8], 1));
    gateway.stop().await;
}
