//! With Alipay's keys: requests are signed, answers and notifications verified.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use payment::alipay::amount;
use payment::keys::SigningKey;
use provider_kit::alipay::sign;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::doubles::{Double, MERCHANT_KEY, Mood, PLATFORM_PUBLIC, platform};
use crate::world::{AMOUNT, ORDER, World, refusal};

const CREATE: &str = "/payments/alipay/create";
const NOTIFY: &str = "/payments/alipay/notify";

pub(crate) async fn live() -> Option<(World, Double)> {
    let double = Double::alipay().await;
    let gateway = format!("{}/gateway.do", double.server.base());
    let world = World::start_with(&[
        ("PAYMENT_PUBLIC_BASE_URL", "https://shop.example.com"),
        ("PAYMENT_ALIPAY_APP_ID", "2021000001"),
        ("PAYMENT_ALIPAY_PRIVATE_KEY", MERCHANT_KEY),
        ("PAYMENT_ALIPAY_PUBLIC_KEY", PLATFORM_PUBLIC),
        ("PAYMENT_ALIPAY_GATEWAY_URL", &gateway),
    ])
    .await?;
    Some((world, double))
}

fn notification(payment: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let number = payment.replace('-', "");
    let amount = amount::yuan(AMOUNT);
    let values = [
        ("app_id", "2021000001"),
        ("notify_id", "notify-1"),
        ("notify_type", "trade_status_sync"),
        ("charset", "utf-8"),
        ("out_trade_no", &number),
        ("trade_no", "2026-trade"),
        ("trade_status", "TRADE_SUCCESS"),
        ("total_amount", &amount),
        ("subject", "订单 1&2=3"),
        ("gmt_payment", "2026-11-21 20:00:00"),
    ];
    values.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl World {
    async fn alipay_says(&self, mut values: BTreeMap<String, String>, key: &SigningKey) -> String {
        let signature = key.sign(sign::of_notification(&values).as_bytes());
        values.entry("sign_type".to_owned()).or_insert("RSA2".to_owned());
        values.insert("sign".to_owned(), signature);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&values).finish();
        self.send_form(&body).await
    }

    async fn send_form(&self, body: &str) -> String {
        let reply = self.client.send(Method::POST, NOTIFY, Bytes::from(body.to_owned())).await;
        self.contracts.check("POST", NOTIFY, &reply);
        if reply.status == 200 { format!("200 {}", reply.text) } else { refusal(&reply) }
    }
}

#[tokio::test]
async fn a_trade_is_asked_for() {
    let Some((world, double)) = live().await else { return };
    let reply = world.create("alipay").await;
    assert_eq!((reply.status, reply.header("x-payment-mode")), (200, ""), "{}", reply.text);
    let session = reply.json();
    assert_eq!(session["tradeNo"], "2026-trade");
    assert_eq!(session["payParams"], json!({ "tradeNO": "2026-trade" }));
    let [token, trade] = &double.asked()[..] else { panic!("{:?}", double.asked()) };
    assert_eq!((&token["method"], &token["code"]), (&json!("alipay.system.oauth.token"), &json!("code")));
    assert_eq!(trade["notify_url"], "https://shop.example.com/payments/alipay/notify");
    let mut content: Value = serde_json::from_str(trade["biz_content"].as_str().unwrap()).unwrap();
    assert_eq!(content["time_expire"].take().as_str().unwrap().len(), "2026-11-21 20:00:00".len());
    assert_eq!(
        content,
        json!({
            "out_trade_no": session["paymentId"].as_str().unwrap().replace('-', ""),
            "total_amount": "240.01",
            "subject": "订单 11111111",
            "product_code": "JSAPI_PAY",
            "op_app_id": "2021000001",
            "time_expire": null,
            "buyer_open_id": "a-customer",
        })
    );
    world.stop().await;
}

#[tokio::test]
async fn when_alipay_opens_nothing() {
    let Some((world, double)) = live().await else { return };
    let create = async |code: Value| {
        let body = json!({ "orderId": ORDER, "alipayAuthCode": code });
        refusal(&world.post(&world.customer(), CREATE, body).await)
    };
    assert_eq!(create(json!(null)).await, "400 invalid_request: alipayAuthCode is required");
    assert_eq!(create(json!("stolen")).await, "400 invalid_request: invalid alipayAuthCode");
    for mood in [Mood::Refuses, Mood::Forged, Mood::Unsigned, Mood::Nonsense] {
        double.set_mood(mood);
        let unavailable = "503 payment_unavailable: alipay is not available; nothing was paid, try again";
        assert_eq!(create(json!("code")).await, unavailable, "{mood:?}");
    }
    assert_eq!(world.told.heard(), [""; 0]);
    double.set_mood(Mood::Good);
    assert_eq!(world.create("alipay").await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn only_what_alipay_has_signed_is_believed() {
    let Some((world, _double)) = live().await else { return };
    let payment = world.create("alipay").await.json()["paymentId"].as_str().unwrap().to_owned();
    let unbelieved = "401 unauthorized: invalid signature";
    let unreadable = "400 invalid_request: invalid request body";
    let forger = SigningKey::read(MERCHANT_KEY).unwrap();
    assert_eq!(world.alipay_says(notification(&payment, &[]), &forger).await, unbelieved);
    assert_eq!(
        world.alipay_says(notification(&payment, &[("sign_type", "RSA")]), &platform()).await,
        unbelieved
    );
    for body in ["", "x", "a=1&sign=x", "{\"paymentId\":\"x\"}", "sign=&sign_type=RSA2"] {
        assert_eq!(world.send_form(body).await, unbelieved, "{body}");
    }
    assert_eq!(world.send_form("total_amount=1&total_amount=2").await, unreadable, "which one was signed?");
    let check = async |more: &[(&str, &str)], expect: &str| {
        assert_eq!(world.alipay_says(notification(&payment, more), &platform()).await, expect, "{more:?}");
    };
    check(&[("app_id", "2021000002")], unbelieved).await;
    check(&[("out_trade_no", "7")], unreadable).await;
    check(&[("total_amount", "")], unreadable).await;
    check(&[("total_amount", "1e9")], unreadable).await;
    check(&[("trade_status", "?")], unreadable).await;
    check(&[("notify_id", "")], unreadable).await;
    check(&[("total_amount", "240.00")], "409 conflict: the amount is not that of the payment").await;
    let unknown = "11111111222243338444777777777777";
    check(&[("out_trade_no", unknown)], "404 not_found: payment not found").await;
    assert_eq!(world.payments().await, ["ALIPAY PAY_PENDING"], "nothing of this has paid anything");
    world.stop().await;
}

#[tokio::test]
async fn a_notification_is_dealt_with_once_and_always() {
    let Some((world, _double)) = live().await else { return };
    let payment = world.create("alipay").await.json()["paymentId"].as_str().unwrap().to_owned();
    world.told.set_flags(Some([false; 3]));
    let waiting = notification(&payment, &[("notify_id", "0"), ("trade_status", "WAIT_BUYER_PAY")]);
    assert_eq!(world.alipay_says(waiting, &platform()).await, "200 success");
    assert_eq!(world.payments().await, ["ALIPAY PAY_PENDING"]);
    for _ in 0..2 {
        assert_eq!(world.alipay_says(notification(&payment, &[]), &platform()).await, "200 success");
    }
    let closed = notification(&payment, &[("notify_id", "2"), ("trade_status", "TRADE_CLOSED")]);
    assert_eq!(world.alipay_says(closed, &platform()).await, "200 success");
    assert_eq!(world.payments().await, ["ALIPAY PAID"]);
    assert_eq!(world.told.heard(), ["PAY_PENDING ALIPAY", "PAID ALIPAY paid at"]);
    world.stop().await;
}
