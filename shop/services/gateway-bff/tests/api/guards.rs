use bytes::Bytes;
use http::Method;
use serde_json::json;
use shop_kit::settings::Secret;
use shop_kit::token::{Claims, TokenKey};

use crate::world::{contracts, gateway, mirror, refusal};

const PAGE: &str = "https://admin.example.com";

#[tokio::test]
async fn a_caller_that_asks_too_often_waits() {
    let commerce = mirror("commerce").await;
    let gateway = gateway(&[
        ("GATEWAY_COMMERCE_BASE_URL", commerce.base()),
        ("GATEWAY_RATE_REQUESTS", "2"),
        ("GATEWAY_RATE_PER", "1h"),
    ])
    .await;
    let one = gateway.client().with("x-forwarded-for", "192.0.2.1");
    let other = gateway.client().with("x-forwarded-for", "192.0.2.2");
    for path in ["/orders", "/bff/bootstrap"] {
        assert_ne!(one.get(path).await.status, 429, "{path}");
    }
    for path in ["/orders", "/bff/bootstrap", "/nowhere"] {
        let refused = one.get(path).await;
        assert_eq!(refusal(&refused), "429 rate_limited: too many requests; try again in 1800 s", "{path}");
        assert_eq!(refused.header("retry-after"), "1800");
    }
    contracts().check("GET", "/orders", &one.get("/orders").await);
    assert_eq!(other.get("/orders").await.status, 200, "another caller has a rate of its own");
    assert_eq!(one.get("/health").await.status, 200, "probes are never held back");
    gateway.stop().await;
}

#[tokio::test]
async fn a_caller_can_not_invent_its_address() {
    let commerce = mirror("commerce").await;
    let gateway = gateway(&[
        ("GATEWAY_COMMERCE_BASE_URL", commerce.base()),
        ("GATEWAY_RATE_REQUESTS", "1"),
        ("GATEWAY_RATE_PER", "1h"),
        ("GATEWAY_TRUSTED_PROXIES", "192.0.2.0/24"),
    ])
    .await;
    let claims = |address: &str| gateway.client().with("x-forwarded-for", address);
    let first = claims("198.51.100.1").get("/orders").await;
    assert_eq!(first.json()["headers"]["x-forwarded-for"], "127.0.0.1", "what it claims is replaced");
    assert_eq!(claims("198.51.100.2").get("/orders").await.status, 429);
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_is_signed_in_is_one_caller_everywhere() {
    let commerce = mirror("commerce").await;
    let gateway = gateway(&[
        ("GATEWAY_COMMERCE_BASE_URL", commerce.base()),
        ("GATEWAY_RATE_REQUESTS", "1"),
        ("GATEWAY_RATE_PER", "1h"),
        ("GATEWAY_JWT_SECRET", "s"),
        ("GATEWAY_JWT_ISSUER", "identity"),
    ])
    .await;
    let token = |secret: &str, issuer: &str, user: u128| {
        let (sub, iss) = (uuid::Uuid::from_u128(user).to_string(), issuer.to_owned());
        TokenKey::new(Secret::new(secret)).sign(&Claims { sub, iss, exp: i64::MAX, ..Claims::default() })
    };
    let check = async |address: &str, token: &str, caller: &str, expect: u16| {
        let client = gateway.client().with("x-forwarded-for", address).with("x-rate-caller", caller);
        let reply = client.signed_in(token).get("/orders").await;
        assert_eq!(reply.status, expect, "{address} {token} {caller}");
        assert!(!reply.text.contains("x-rate-caller"), "{}", reply.text);
    };
    check("192.0.2.1", &token("s", "identity", 1), "", 200).await;
    check("192.0.2.1", &token("s", "identity", 2), "", 200).await;
    check("192.0.2.2", &token("s", "identity", 1), "", 429).await;
    // Whatever an address invents, it is that address.
    check("192.0.2.3", &token("guessed", "identity", 3), "a", 200).await;
    check("192.0.2.3", &token("guessed", "identity", 4), "b", 429).await;
    check("192.0.2.3", &token("s", "another", 5), "c", 429).await;
    check("192.0.2.3", "nonsense", &uuid::Uuid::from_u128(6).to_string(), 429).await;
    gateway.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins() {
    let commerce = mirror("commerce").await;
    let settings = [("GATEWAY_COMMERCE_BASE_URL", commerce.base()), ("GATEWAY_CORS_ORIGINS", PAGE)];
    let with = gateway(&settings).await;
    let preflight = with
        .client()
        .with("origin", PAGE)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "authorization, idempotency-key")
        .send(Method::OPTIONS, "/orders", Bytes::new())
        .await;
    assert_eq!((preflight.status, preflight.text.as_str()), (204, ""));
    assert_eq!(preflight.header("access-control-allow-origin"), PAGE);
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, POST, PUT, PATCH, DELETE");
    let allowed = preflight.header("access-control-allow-headers");
    assert_eq!(allowed, "Authorization, Content-Type, Idempotency-Key, X-Request-ID");

    let page = with.client().with("origin", PAGE);
    for path in ["/orders", "/bff/bootstrap", "/nowhere"] {
        let reply = page.get(path).await;
        assert_eq!(reply.header("access-control-allow-origin"), PAGE, "{path}: also when it is refused");
        assert_eq!(reply.header("access-control-expose-headers"), "X-Request-ID", "{path}");
    }
    let stranger = with.client().with("origin", "https://evil.example.com").get("/orders").await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    with.stop().await;

    let without = gateway(&settings[..1]).await;
    let reply = without.client().with("origin", PAGE).get("/orders").await;
    assert_eq!(reply.header("access-control-allow-origin"), "", "off unless it is said");
    without.stop().await;
}

#[tokio::test]
async fn what_is_internal_stays_inside() {
    let commerce = mirror("commerce").await;
    let gateway = gateway(&[("GATEWAY_COMMERCE_BASE_URL", commerce.base())]).await;
    let client = gateway.client().with("x-internal-token", "dev-payment-sync-token");
    let seen = client.post("/orders", json!({})).await.json();
    assert!(seen["headers"].get("x-internal-token").is_none(), "{seen}");
    let internal = "internal/orders/1/payment-status";
    for (path, expect) in [
        (format!("/{internal}"), 404),
        (format!("//{internal}"), 404),
        (format!("/orders/../{internal}"), 400),
        (format!("/orders/%2e%2e/{internal}"), 400),
        (format!("/orders/%2E./{internal}"), 400),
        (format!("/orders\\..\\{internal}"), 400),
        ("/%69nternal/orders/1/payment-status".to_owned(), 404),
        ("/Internal/orders/1/payment-status".to_owned(), 404),
        ("/internal".to_owned(), 404),
    ] {
        let Ok(reply) = path.parse::<http::Uri>().map(|_| client.post(&path, json!({}))) else { continue };
        let (status, _, message) = reply.await.error();
        assert_eq!(status, expect, "{path}: {message}");
    }
    gateway.stop().await;
}
