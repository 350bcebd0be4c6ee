use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::{AMOUNT, CUSTOMER, ORDER, OTHER, PAID_ORDER, UNKNOWN, World, refusal, token};

const WECHAT: &str = "/payments/wechat/create";

#[tokio::test]
async fn a_session_of_each_channel() {
    let Some(world) = World::start().await else { return };
    let wechat = world.create("wechat").await;
    assert_eq!(wechat.header("x-payment-mode"), "mock");
    let json = wechat.json();
    assert_eq!((json["orderId"].as_str(), json["status"].as_str()), (Some(ORDER), Some("PAY_PENDING")));
    assert_eq!((json["channel"].as_str(), json["signType"].as_str()), (Some("WECHAT"), Some("RSA")));
    assert_eq!(json["package"], format!("prepay_id={}", json["prepayId"].as_str().unwrap()));
    let alipay = world.create("alipay").await.json();
    assert_eq!(alipay["payParams"]["tradeNO"], alipay["tradeNo"]);
    assert_eq!(world.told.heard(), ["PAY_PENDING WECHAT", "PAY_PENDING ALIPAY"], "when the answer is there");
    let ledger = ["CREATED", "OPENED", "CREATED", "OPENED"].map(|entry| format!("create {entry} {AMOUNT}"));
    assert_eq!(world.ledger().await, ledger);
    world.stop().await;
}

#[tokio::test]
async fn who_and_what_is_refused() {
    let Some(world) = World::start().await else { return };
    let check = async |authorization: &str, body: Value, expect: &str| {
        let client = match authorization {
            "" => world.client.clone(),
            value => world.client.with("authorization", value),
        };
        let reply = world.post(&client, WECHAT, body.clone()).await;
        assert_eq!(refusal(&reply), expect, "{authorization} {body}");
    };
    let good = format!("Bearer {}", token("CUSTOMER", CUSTOMER));
    let other = format!("Bearer {}", token("CUSTOMER", OTHER));
    let order = json!({ "orderId": ORDER });
    check("", order.clone(), "401 unauthorized: missing authorization").await;
    check("Basic x", order.clone(), "401 unauthorized: invalid authorization header").await;
    check("Bearer x", order.clone(), "401 unauthorized: invalid token").await;
    for body in [json!({ "orderId": 7 }), json!({ "orderId": "x" }), json!("x"), json!(null)] {
        check(&good, body, "400 invalid_request: invalid request body").await;
    }
    check(&good, json!({}), "400 invalid_request: orderId is required").await;
    check(&good, json!({ "orderId": null }), "400 invalid_request: orderId is required").await;
    check(&good, json!({ "orderId": UNKNOWN }), "404 not_found: order not found").await;
    check(&other, order, "404 not_found: order not found").await;
    check(&good, json!({ "orderId": PAID_ORDER }), "409 conflict: order is not payable").await;
    let long = world.customer().with("idempotency-key", &"k".repeat(256));
    let reply = world.post(&long, WECHAT, json!({ "orderId": ORDER })).await;
    assert_eq!(
        refusal(&reply),
        "400 invalid_request: Idempotency-Key must be at most 255 printable ASCII characters"
    );
    assert_eq!(world.payments().await, [""; 0], "nothing of this opened anything");
    assert_eq!(world.told.heard(), [""; 0]);
    world.stop().await;
}

#[tokio::test]
async fn closed_until_both_flags_are_on() {
    let Some(world) = World::start().await else { return };
    let check = async |flags: [bool; 3], channel: &str, expect: &str| {
        world.told.set_flags(Some(flags));
        let reply = world.create(channel).await;
        let got = if reply.status == 200 { "200".to_owned() } else { refusal(&reply) };
        assert_eq!(got, expect, "{flags:?} {channel}");
    };
    check([false, true, true], "wechat", "403 feature-disabled: payment is disabled").await;
    check([true, false, true], "wechat", "403 feature-disabled: wechat pay is disabled").await;
    check([true, true, false], "alipay", "403 feature-disabled: alipay is disabled").await;
    check([true, true, false], "wechat", "200").await;
    // What is wrong with the request is said first, as ever.
    world.told.set_flags(Some([false; 3]));
    let reply = world.post(&world.client, WECHAT, json!({ "orderId": ORDER })).await;
    assert_eq!(reply.status, 401);
    assert_eq!(world.post(&world.customer(), WECHAT, json!({})).await.status, 400);
    world.stop().await;
}

#[tokio::test]
async fn without_identity_the_environment_decides() {
    let on = [("PAYMENT_ENABLED", "true"), ("PAYMENT_WECHAT_PAY_ENABLED", "true")];
    let Some(world) = World::start_with(&on).await else { return };
    world.told.set_flags(None);
    assert_eq!(world.create("wechat").await.status, 200);
    assert_eq!(refusal(&world.create("alipay").await), "403 feature-disabled: alipay is disabled");
    world.stop().await;
    let Some(world) = World::start().await else { return };
    world.told.set_flags(None);
    assert_eq!(refusal(&world.create("wechat").await), "403 feature-disabled: payment is disabled");
    world.stop().await;
}

#[tokio::test]
async fn flags_are_remembered_for_a_moment() {
    let Some(world) = World::start_with(&[("PAYMENT_FEATURE_FLAGS_TTL", "1h")]).await else { return };
    for _ in 0..3 {
        assert_eq!(world.create("wechat").await.status, 200);
    }
    assert_eq!(world.told.flags_asked(), 1);
    world.stop().await;
}

#[tokio::test]
async fn asked_again_the_answer_is_the_same_session() {
    let Some(world) = World::start().await else { return };
    let create = async |key: Option<&str>| {
        let client = match key {
            Some(key) => world.customer().with("idempotency-key", key),
            None => world.customer(),
        };
        let reply = world.post(&client, WECHAT, json!({ "orderId": ORDER })).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.text
    };
    let first = create(Some("order-payment")).await;
    for key in [Some("order-payment"), None, Some("another"), Some(" order-payment ")] {
        assert_eq!(create(key).await, first, "{key:?}: an order has one open session per channel");
    }
    let at_once = join_all((0..8).map(|_| create(Some("order-payment")))).await;
    assert!(at_once.iter().all(|answer| *answer == first));
    assert_eq!(world.payments().await, ["WECHAT PAY_PENDING"]);
    assert_eq!(world.told.heard(), ["PAY_PENDING WECHAT"], "commerce hears of it once");

    // Somebody else who may see the order gets no foreign session.
    let admin = world.client.signed_in(&token("ADMIN", OTHER));
    let reply = world.post(&admin, WECHAT, json!({ "orderId": ORDER })).await;
    assert_eq!(refusal(&reply), "409 conflict: somebody else is about to pay this order");
    world.stop().await;
}

#[tokio::test]
async fn simultaneous_first_requests_make_one_payment() {
    let Some(world) = World::start().await else { return };
    let answers = join_all((0..8).map(|_| world.create("wechat"))).await;
    let mut texts: Vec<_> = answers.into_iter().map(|reply| reply.text).collect();
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert_eq!(world.payments().await, ["WECHAT PAY_PENDING"]);
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_has_run_out_makes_room() {
    let Some(world) = World::start().await else { return };
    let client = world.customer().with("idempotency-key", "order-payment");
    let create = async || {
        let reply = world.post(&client, WECHAT, json!({ "orderId": ORDER })).await;
        (reply.status, reply.json()["paymentId"].as_str().unwrap_or_default().to_owned())
    };
    let first = create().await;
    world.execute("UPDATE payments SET expires_at = now() - interval '1 second'").await;
    let second = create().await;
    assert_ne!(first, second, "the client's key is the same for ever, its payment is not");
    assert_eq!(create().await, second);
    assert_eq!(world.payments().await, ["WECHAT CANCELLED", "WECHAT PAY_PENDING"]);
    let failed = json!({ "paymentId": second.1, "status": "FAILED" });
    assert_eq!(world.post(&world.client, "/payments/wechat/notify", failed).await.status, 200);
    let third = create().await;
    assert!(third.0 == 200 && third.1 != second.1);
    // After a session was paid late, nothing more can be opened, and the request that opened it hears so.
    let late = json!({ "paymentId": third.1 });
    assert_eq!(world.post(&world.client, "/payments/wechat/notify", late).await.status, 200);
    let reply = world.post(&client, WECHAT, json!({ "orderId": ORDER })).await;
    let json = reply.json();
    assert_eq!((json["paymentId"].as_str(), json["status"].as_str()), (Some(third.1.as_str()), Some("PAID")));
    assert_eq!(refusal(&world.create("alipay").await), "409 conflict: order is not payable");
    world.stop().await;
}

#[tokio::test]
async fn without_commerce_nothing_is_opened() {
    let Some(world) = World::start_with(&[("PAYMENT_COMMERCE_BASE_URL", "http://127.0.0.1:1")]).await else {
        return;
    };
    let reply = world.create("wechat").await;
    assert_eq!(refusal(&reply), "503 service_unavailable: commerce is not available");
    assert_eq!(world.payments().await, [""; 0]);
    world.stop().await;
}

#[tokio::test]
async fn a_desk_without_identity_switches_authentication_off() {
    let Some(world) = World::start_with(&[("PAYMENT_AUTH_ENABLED", "false")]).await else { return };
    // Commerce still wants to know who asks; payment does not.
    let reply = world.post(&world.customer(), WECHAT, json!({ "orderId": UNKNOWN })).await;
    assert_eq!(refusal(&reply), "404 not_found: order not found");
    assert_eq!(world.told.orders_asked(), 1);
    assert_eq!(world.post(&world.client, WECHAT, json!({})).await.status, 400, "not 401");
    world.stop().await;
}
