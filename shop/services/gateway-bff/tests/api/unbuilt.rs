use axum::Router;
use http::{Method, StatusCode};
use serde_json::json;
use shop_kit::testing::TestServer;

use crate::world::{gateway, mirror, refusal, service};

/// What answers in place of a program that does not exist yet: 501 for everything, in its own words.
async fn stand_in() -> TestServer {
    TestServer::start(Router::new().fallback(async || (StatusCode::NOT_IMPLEMENTED, "nothing here yet")))
        .await
}

#[tokio::test]
async fn boundaries_without_a_program_say_so() {
    let stand_in = stand_in().await;
    for ai in ["", stand_in.base()] {
        let gateway = gateway(&[("GATEWAY_AI_BASE_URL", ai), ("GATEWAY_PAYMENT_BASE_URL", ai)]).await;
        let client = gateway.client();
        for (method, path) in [("POST", "/ai/after-sales/suggestions"), ("GET", "/ai/x"), ("DELETE", "/ai")] {
            let reply = client.send(Method::from_bytes(method.as_bytes()).unwrap(), path, "{}".into()).await;
            assert_eq!(
                refusal(&reply),
                "501 not_implemented: ai service not implemented",
                "{method} {path} `{ai}`"
            );
        }
        let reply = client.post("/payments/wechat/notify", json!({})).await;
        assert_eq!(refusal(&reply), "501 not_implemented: payment service not implemented");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn while_flags_can_not_be_read_the_boundary_decides() {
    let payment = mirror("payment").await;
    let gateway = gateway(&[("GATEWAY_PAYMENT_BASE_URL", payment.base())]).await;
    let reply = gateway.client().post("/payments/wechat/create", json!({})).await;
    assert_eq!(reply.json()["service"], "payment", "it has a fallback of its own");
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_service_says_itself_passes_through() {
    let answer = async || (StatusCode::NOT_IMPLEMENTED, r#"{"code":"mine"}"#);
    let commerce = service("commerce", Router::new().fallback(answer)).await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let reply = gateway.client().get("/orders").await;
    assert_eq!((reply.status, reply.text.as_str()), (501, r#"{"code":"mine"}"#));
    gateway.stop().await;
}

#[tokio::test]
async fn a_boundary_that_does_not_answer_is_a_bad_gateway() {
    let gone = service("commerce", Router::new()).await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", gone.base())]).await;
    gone.stop().await;
    let client = gateway.client();
    assert_eq!(refusal(&client.get("/orders").await), "502 bad_gateway: upstream unavailable");
    assert_eq!(
        refusal(&client.get("/me").await),
        "502 bad_gateway: upstream unavailable",
        "identity has no address"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_boundary_that_thinks_too_long_is_a_bad_gateway() {
    let never = async || {
        std::future::pending::<()>().await;
        ""
    };
    let slow = service("commerce", Router::new().fallback(never)).await;
    let settings = [("GATEWAY_COMMERCE_BASE_URL", slow.base()), ("GATEWAY_UPSTREAM_TIMEOUT", "100ms")];
    let gateway = gateway(&settings).await;
    let reply = gateway.client().get("/orders").await;
    assert_eq!(refusal(&reply), "502 bad_gateway: upstream unavailable");
    gateway.stop().await;
}
