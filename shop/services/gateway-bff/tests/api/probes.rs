use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use serde_json::json;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::testing::TestServer;

use crate::world::{contracts, gateway, refusal, service};

async fn with_health(health: Health) -> TestServer {
    TestServer::start(dress("payment", Router::new(), health)).await
}

#[tokio::test]
async fn health_needs_nobody() {
    let gateway = gateway(&[]).await;
    let reply = gateway.client().get("/health").await;
    contracts().check("GET", "/health", &reply);
    assert_eq!((reply.status, reply.text.as_str(), reply.header("x-service-version")), (200, "OK", "v7"));
    gateway.stop().await;
}

#[tokio::test]
async fn ready_asks_every_boundary_that_has_an_address() {
    let good = service("any", Router::new()).await;
    let check = async |payment: &str, expect: &str, detail: &str| {
        let gateway = gateway(&[
            ("GATEWAY_IDENTITY_BASE_URL", good.base()),
            ("GATEWAY_COMMERCE_BASE_URL", good.base()),
            ("GATEWAY_PAYMENT_BASE_URL", payment),
        ])
        .await;
        let reply = gateway.client().get("/ready").await;
        contracts().check("GET", "/ready", &reply);
        let got = if reply.status == 200 { reply.text.clone() } else { refusal(&reply) };
        assert_eq!(got, expect);
        if reply.status != 200 {
            let details = json!({ "identity": "ready", "commerce": "ready", "payment": detail });
            assert_eq!(reply.json()["details"], details);
        }
        gateway.stop().await;
    };
    check("", "OK", "").await;
    check(good.base(), "OK", "").await;
    let not_ready = "503 not_ready: dependencies not ready";
    let refuses = with_health(Health::when(None, async || Err("no".to_owned()))).await;
    check(refuses.base(), not_ready, "not ready").await;
    let gone = service("any", Router::new()).await;
    let address = gone.base().to_owned();
    gone.stop().await;
    check(&address, not_ready, "unreachable").await;
    let stuck =
        with_health(Health::when(None, async || std::future::pending::<Result<(), String>>().await)).await;
    check(stuck.base(), not_ready, "no answer").await;
    stuck.ask_to_stop();
}

#[tokio::test]
async fn ready_answers_in_time_whatever_the_boundaries_do() {
    let stuck =
        with_health(Health::when(None, async || std::future::pending::<Result<(), String>>().await)).await;
    let gateway = gateway(&[
        ("GATEWAY_IDENTITY_BASE_URL", stuck.base()),
        ("GATEWAY_COMMERCE_BASE_URL", stuck.base()),
        ("GATEWAY_PAYMENT_BASE_URL", stuck.base()),
    ])
    .await;
    let started = Instant::now();
    assert_eq!(refusal(&gateway.client().get("/ready").await), "503 not_ready: dependencies not ready");
    // Three boundaries one after the other would take three budgets.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    gateway.ask_to_stop();
}

#[test]
fn the_readme_knows_every_variable() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    shop_kit::testing::check_readme(package, gateway_bff::variables::VARIABLES);
}
