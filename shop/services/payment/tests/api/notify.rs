use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::world::{AMOUNT, UNKNOWN, World, refusal};

const WECHAT: &str = "/payments/wechat/notify";
const ALIPAY: &str = "/payments/alipay/notify";

impl World {
    async fn opened(&self, channel: &str) -> String {
        let reply = self.create(channel).await;
        reply.json()["paymentId"].as_str().unwrap_or_else(|| panic!("{}", reply.text)).to_owned()
    }

    async fn notify(&self, path: &str, body: Value) -> String {
        let reply = self.post(&self.client, path, body).await;
        if reply.status == 200 { format!("200 {}", reply.text) } else { refusal(&reply) }
    }
}

#[tokio::test]
async fn what_a_mock_notification_does() {
    let Some(world) = World::start().await else { return };
    let wechat = world.opened("wechat").await;
    let alipay = world.opened("alipay").await;
    let check = async |path: &str, body: Value, expect: &str, payments: [&str; 2]| {
        assert_eq!(world.notify(path, body.clone()).await, expect, "{body}");
        let expected = [format!("WECHAT {}", payments[0]), format!("ALIPAY {}", payments[1])];
        assert_eq!(world.payments().await, expected, "{body}");
    };
    let open = ["PAY_PENDING", "PAY_PENDING"];
    check(WECHAT, json!({}), "400 invalid_request: paymentId is required", open).await;
    check(WECHAT, json!({ "paymentId": "x" }), "400 invalid_request: invalid request body", open).await;
    check(WECHAT, json!({ "paymentId": wechat, "status": "?" }), "400 invalid_request: invalid status", open)
        .await;
    check(WECHAT, json!({ "paymentId": UNKNOWN }), "404 not_found: payment not found", open).await;
    check(WECHAT, json!({ "paymentId": alipay }), "404 not_found: payment not found", open).await;
    check(
        ALIPAY,
        json!({ "payment_id": alipay, "status": "FAILED" }),
        "200 success",
        ["PAY_PENDING", "PAY_FAILED"],
    )
    .await;
    let paid = json!({ "paymentId": wechat, "status": "success", "unknown": 1 });
    check(WECHAT, paid.clone(), "200 ", ["PAID", "PAY_FAILED"]).await;
    check(WECHAT, paid, "200 ", ["PAID", "PAY_FAILED"]).await;
    // Money that has arrived stays arrived.
    check(WECHAT, json!({ "paymentId": wechat, "status": "CANCELLED" }), "200 ", ["PAID", "PAY_FAILED"])
        .await;
    // Another payment of a paid order is taken, and said to be one too many.
    check(ALIPAY, json!({ "paymentId": alipay }), "200 success", ["PAID", "PAID"]).await;
    assert_eq!(
        world.told.heard(),
        [
            "PAY_PENDING WECHAT",
            "PAY_PENDING ALIPAY",
            "PAY_FAILED ALIPAY",
            "PAID WECHAT paid at",
            "PAID ALIPAY paid at"
        ]
    );
    let after_opening = world.ledger().await.split_off(4);
    let expected = ["mock PAY_FAILED", "mock PAID", "mock IGNORED", "payment SURPLUS", "mock PAID"];
    assert_eq!(after_opening, expected.map(|entry| format!("{entry} {AMOUNT}")));
    world.stop().await;
}

#[tokio::test]
async fn reachable_while_payment_is_switched_off_but_without_effect() {
    let Some(world) = World::start().await else { return };
    let payment = world.opened("wechat").await;
    for flags in [Some([false, true, true]), None] {
        world.told.set_flags(flags);
        for body in [json!({ "paymentId": payment }), json!({ "paymentId": UNKNOWN }), json!({ "x": 1 })] {
            assert_eq!(world.notify(WECHAT, body).await, "200 ");
        }
    }
    assert_eq!(world.payments().await, ["WECHAT PAY_PENDING"]);
    world.stop().await;
}

#[tokio::test]
async fn unless_it_is_allowed_mock_notifications_are_not_believed() {
    let Some(world) = World::start_with(&[("PAYMENT_MOCK_NOTIFY_ANONYMOUS", "false")]).await else { return };
    for (channel, path) in [("wechat", WECHAT), ("alipay", ALIPAY)] {
        let payment = world.opened(channel).await;
        let said = world.notify(path, json!({ "paymentId": payment })).await;
        assert_eq!(said, "401 unauthorized: mock notifications are not believed");
    }
    assert_eq!(world.payments().await, ["WECHAT PAY_PENDING", "ALIPAY PAY_PENDING"]);
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_notification() {
    let Some(world) = World::start().await else { return };
    for path in [WECHAT, ALIPAY] {
        for body in ["", "x", "[]", "\"x\"", "7", "null", "{", "\u{0}", "paymentId=1&status=PAID"] {
            let reply = world.client.send(Method::POST, path, Bytes::from(body)).await;
            assert_eq!(refusal(&reply), "400 invalid_request: invalid request body", "{path} {body:?}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn the_ledger_is_only_added_to() {
    let Some(world) = World::start().await else { return };
    world.opened("wechat").await;
    for statement in ["UPDATE payment_ledger SET amount_fen = 0", "DELETE FROM payment_ledger"] {
        let refused = sqlx::query(statement).execute(&world.pool).await.unwrap_err().to_string();
        assert!(refused.contains("the ledger is only added to"), "{refused}");
    }
    world.stop().await;
}
