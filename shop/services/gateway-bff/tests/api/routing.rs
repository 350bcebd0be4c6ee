use bytes::Bytes;
use http::Method;

use crate::world::{contracts, gateway, mirror, refusal};

#[tokio::test]
async fn every_operation_of_every_contract_reaches_its_boundary() {
    let identity = mirror("identity").await;
    let commerce = mirror("commerce").await;
    let payment = mirror("payment").await;
    let ai = mirror("ai").await;
    let gateway = gateway(&[
        ("GATEWAY_IDENTITY_BASE_URL", identity.base()),
        ("GATEWAY_COMMERCE_BASE_URL", commerce.base()),
        ("GATEWAY_PAYMENT_BASE_URL", payment.base()),
        ("GATEWAY_AI_BASE_URL", ai.base()),
    ])
    .await;
    let client = gateway.client();
    let mut forwarded = 0;
    for file in ["identity", "commerce", "payment", "admin", "ai"] {
        for operation in contracts().operations(&format!("{file}.yaml")) {
            if !operation.feature_flags.is_empty() {
                continue; // Needs the flags of a real identity; see `shop.rs`.
            }
            let path = operation.path.split('/').map(|s| if s.starts_with('{') { "an%20id" } else { s });
            let path = format!("{}?q=%E9%98%80&page=2", path.collect::<Vec<_>>().join("/"));
            let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
            let seen = client.send(method, &path, Bytes::from_static(b"{\"a\":1}")).await.json();
            let boundary = operation.served_by.as_deref().unwrap_or(file);
            assert_eq!(seen["service"], boundary, "{operation:?}");
            assert_eq!(seen["request"], format!("{} {path}", operation.method), "unchanged");
            assert_eq!(seen["body"], "{\"a\":1}");
            forwarded += 1;
        }
    }
    assert!(forwarded > 60, "{forwarded} operations were tried");

    assert_eq!(client.get("/ai/anything").await.json()["service"], "ai");
    assert_eq!(refusal(&client.get("/admin/x").await), "501 not_implemented: admin service not implemented");
    let pictures = "/assets/media/catalog/v3/1.svg";
    assert_eq!(client.get(pictures).await.json()["service"], "commerce");
    for path in ["/", "/nowhere", "/internal/orders/1/payment-status"] {
        assert_eq!(refusal(&client.get(path).await), format!("404 not_found: no contract knows {path}"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn headers_on_the_way() {
    let commerce = mirror("commerce").await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let client = gateway
        .client()
        .with("x-request-id", "one-id")
        .with("x-forwarded-for", "192.0.2.7")
        .with("host", "shop.example.com")
        .with("connection", "x-private")
        .with("x-private", "for the next hop only")
        .with("authorization", "Bearer abc");
    let reply = client.get("/orders").await;
    let seen = &reply.json()["headers"];
    assert_eq!(seen["x-request-id"], "one-id");
    assert_eq!(seen["x-forwarded-for"], "192.0.2.7, 127.0.0.1");
    assert_eq!(seen["host"], "shop.example.com");
    assert_eq!(seen["authorization"], "Bearer abc");
    assert!(seen.get("x-private").is_none(), "{seen}");
    let ids: Vec<_> = reply.headers.get_all("x-request-id").iter().collect();
    assert_eq!(ids, ["one-id"]);
    assert_eq!(reply.header("x-service"), "commerce");

    let generated = gateway.client().get("/orders").await;
    assert_eq!(generated.json()["headers"]["x-request-id"], generated.header("x-request-id"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_base_address_may_have_a_path() {
    let commerce = mirror("commerce").await;
    let base = format!("{}/below/", commerce.base().replace("127.0.0.1", "localhost"));
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", &base)]).await;
    let seen = gateway.client().get("/orders/1?a=b").await.json();
    assert_eq!(seen["request"], "GET /below/orders/1?a=b");
    gateway.stop().await;
}
