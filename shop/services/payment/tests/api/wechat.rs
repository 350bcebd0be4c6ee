//! With WeChat Pay's keys: requests are signed, answers and notifications verified and decrypted.
#![expect(clippy::unwrap_used, reason = "what the test makes itself is made right")]

use bytes::Bytes;
use http::Method;
use payment::keys::{SigningKey, VerifyingKey};
use payment::wechat::sign::API_KEY_LENGTH;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::doubles::{Double, MERCHANT_KEY, Mood, PLATFORM_CERTIFICATE, platform, wechat_headers};
use crate::world::{AMOUNT, ORDER, World, refusal};

const API_KEY: &[u8; API_KEY_LENGTH] = b"0123456789abcdef0123456789abcdef";
const CREATE: &str = "/payments/wechat/create";
const NOTIFY: &str = "/payments/wechat/notify";

pub(crate) async fn live() -> Option<(World, Double)> {
    let double = Double::wechat().await;
    let api = format!("{}/api", double.server.base());
    let session = format!("{}/sns/jscode2session", double.server.base());
    let world = World::start_with(&[
        ("PAYMENT_PUBLIC_BASE_URL", "https://shop.example.com/"),
        ("PAYMENT_WECHAT_APP_ID", "wx-app"),
        ("PAYMENT_WECHAT_APP_SECRET", "app secret"),
        ("PAYMENT_WECHAT_MCH_ID", "1900000001"),
        ("PAYMENT_WECHAT_SERIAL_NO", "ABC123"),
        ("PAYMENT_WECHAT_PRIVATE_KEY", MERCHANT_KEY),
        ("PAYMENT_WECHAT_API_V3_KEY", std::str::from_utf8(API_KEY).unwrap()),
        ("PAYMENT_WECHAT_PLATFORM_KEY", PLATFORM_CERTIFICATE),
        ("PAYMENT_WECHAT_API_URL", &api),
        ("PAYMENT_WECHAT_SESSION_URL", &session),
    ])
    .await?;
    Some((world, double))
}

/// A notification about a transaction, before it is signed.
fn notification(id: &str, transaction: &Value) -> String {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, API_KEY).unwrap());
    let mut text = transaction.to_string().into_bytes();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(*b"twelve bytes"),
        Aad::from("transaction"),
        &mut text,
    )
    .unwrap();
    json!({
        "id": id,
        "create_time": "2026-11-21T20:00:00+08:00",
        "event_type": "TRANSACTION.SUCCESS",
        "resource_type": "encrypt-resource",
        "summary": "支付成功",
        "resource": {
            "algorithm": "AEAD_AES_256_GCM",
            "original_type": "transaction",
            "associated_data": "transaction",
            "nonce": "twelve bytes",
            "ciphertext": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text),
        },
    })
    .to_string()
}

pub(crate) fn transaction(payment: &str) -> Value {
    json!({
        "appid": "wx-app",
        "mchid": "1900000001",
        "out_trade_no": payment.replace('-', ""),
        "transaction_id": "4200001",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "success_time": "2026-11-21T20:00:00+08:00",
        "amount": { "total": AMOUNT, "payer_total": AMOUNT, "currency": "CNY", "payer_currency": "CNY" },
    })
}

impl World {
    /// Sends a notification signed with this key at this time.
    async fn wechat_says(&self, body: &str, key: &SigningKey, at: i64) -> String {
        let client = wechat_headers(key, at, body)
            .iter()
            .fold(self.client.clone(), |client, (name, value)| client.with(name, value));
        let reply = client.send(Method::POST, NOTIFY, Bytes::from(body.to_owned())).await;
        self.contracts.check("POST", NOTIFY, &reply);
        if reply.status == 200 { format!("200{}", reply.text) } else { refusal(&reply) }
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::test]
async fn a_session_is_asked_for_and_signed() {
    let Some((world, double)) = live().await else { return };
    let reply = world.create("wechat").await;
    assert_eq!((reply.status, reply.header("x-payment-mode")), (200, ""), "{}", reply.text);
    let session = reply.json();
    let text = |name: &str| session[name].as_str().unwrap();
    assert_eq!((text("prepayId"), text("package")), ("wx-prepay-1", "prepay_id=wx-prepay-1"));
    let message = format!("wx-app\n{}\n{}\n{}\n", text("timeStamp"), text("nonceStr"), text("package"));
    let merchant = VerifyingKey::read(include_str!("../keys/merchant.pub.pem")).unwrap();
    assert!(merchant.verifies(message.as_bytes(), text("paySign")));

    let [code, order] = &double.asked()[..] else { panic!("{:?}", double.asked()) };
    assert_eq!(
        *code,
        json!({ "appid": "wx-app", "grant_type": "authorization_code", "js_code": "code", "secret": "app secret" })
    );
    let mut order = order.clone();
    let expires = order["time_expire"].take();
    let expires =
        OffsetDateTime::parse(expires.as_str().unwrap(), &time::format_description::well_known::Rfc3339)
            .unwrap();
    let left = expires.unix_timestamp() - now();
    assert!(expires.offset().whole_hours() == 8 && (890..=900).contains(&left), "{expires}");
    assert_eq!(
        order,
        json!({
            "appid": "wx-app",
            "mchid": "1900000001",
            "description": "订单 11111111",
            "out_trade_no": text("paymentId").replace('-', ""),
            "time_expire": null,
            "notify_url": "https://shop.example.com/payments/wechat/notify",
            "amount": { "total": AMOUNT, "currency": "CNY" },
            "payer": { "openid": "o-customer" },
        })
    );
    assert_eq!(world.create("wechat").await.text, reply.text, "asked again WeChat is left alone");
    assert_eq!(double.asked().len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn when_wechat_opens_nothing() {
    let Some((world, double)) = live().await else { return };
    let create = async |code: Value| {
        let body = json!({ "orderId": ORDER, "wechatLoginCode": code });
        refusal(&world.post(&world.customer(), CREATE, body).await)
    };
    let unavailable = "503 payment_unavailable: wechat pay is not available; nothing was paid, try again";
    assert_eq!(create(json!(null)).await, "400 invalid_request: wechatLoginCode is required");
    assert_eq!(create(json!(" ")).await, "400 invalid_request: wechatLoginCode is required");
    assert_eq!(create(json!("stolen")).await, "400 invalid_request: invalid wechatLoginCode");
    for code in ["busy", "html"] {
        assert_eq!(create(json!(code)).await, unavailable, "{code}");
    }
    for mood in [Mood::Refuses, Mood::Forged, Mood::Unsigned, Mood::Nonsense] {
        double.set_mood(mood);
        assert_eq!(create(json!("code")).await, unavailable, "{mood:?}");
    }
    assert_eq!(world.told.heard(), [""; 0], "commerce hears nothing of what was not opened");
    assert!(world.payments().await.iter().all(|payment| payment == "WECHAT PAY_FAILED"));
    assert_eq!(refusal(&world.create("alipay").await), "503 payment_unavailable: alipay is not configured");
    double.set_mood(Mood::Good);
    assert_eq!(world.create("wechat").await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn only_what_wechat_has_signed_is_believed() {
    let Some((world, _double)) = live().await else { return };
    let payment = world.create("wechat").await.json()["paymentId"].as_str().unwrap().to_owned();
    let good = transaction(&payment);
    let body = notification("event-1", &good);
    let unbelieved = "401 unauthorized: invalid signature";
    let forger = SigningKey::read(MERCHANT_KEY).unwrap();
    assert_eq!(world.wechat_says(&body, &forger, now()).await, unbelieved);
    assert_eq!(world.wechat_says(&body, &platform(), now() - 400).await, unbelieved, "replayed");
    assert_eq!(world.wechat_says(&body, &platform(), now() + 400).await, unbelieved, "from the future");
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        notification("event-x", &changed)
    };
    for (name, value) in [("appid", json!("wx-other")), ("mchid", json!("7"))] {
        assert_eq!(world.wechat_says(&with(name, value), &platform(), now()).await, unbelieved, "{name}");
    }
    let unreadable = "400 invalid_request: invalid request body";
    for (name, value) in [
        ("out_trade_no", json!("7")),
        ("trade_state", json!("?")),
        ("amount", json!(null)),
        ("amount", json!({ "total": AMOUNT, "currency": "USD" })),
    ] {
        assert_eq!(world.wechat_says(&with(name, value), &platform(), now()).await, unreadable, "{name}");
    }
    for body in ["", "x", "{}", "[]"] {
        assert_eq!(world.wechat_says(body, &platform(), now()).await, unreadable, "{body}");
    }
    let foreign = body.replace("\"nonce\":\"twelve bytes\"", "\"nonce\":\"another byte\"");
    assert_eq!(
        world.wechat_says(&foreign, &platform(), now()).await,
        unbelieved,
        "encrypted with something else"
    );
    // A plain mock notification is worth nothing here.
    let mock = world.client.post(NOTIFY, json!({ "paymentId": payment })).await;
    assert_eq!(refusal(&mock), unbelieved);
    let less = with("amount", json!({ "total": 1, "currency": "CNY" }));
    let mismatch = "409 conflict: the amount is not that of the payment";
    for _ in 0..2 {
        assert_eq!(world.wechat_says(&less, &platform(), now()).await, mismatch);
    }
    let unknown = with("out_trade_no", json!("11111111222243338444777777777777"));
    assert_eq!(world.wechat_says(&unknown, &platform(), now()).await, "404 not_found: payment not found");
    assert_eq!(world.payments().await, ["WECHAT PAY_PENDING"], "nothing of this has paid anything");
    assert_eq!(
        world.ledger().await,
        [
            format!("create CREATED {AMOUNT}"),
            format!("create OPENED {AMOUNT}"),
            "WECHAT MISMATCH 1".to_owned()
        ]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_notification_is_dealt_with_once_and_always() {
    let Some((world, _double)) = live().await else { return };
    let payment = world.create("wechat").await.json()["paymentId"].as_str().unwrap().to_owned();
    // Money that has moved does not ask for switches.
    world.told.set_flags(Some([false; 3]));
    let body = notification("event-1", &transaction(&payment));
    for _ in 0..3 {
        assert_eq!(world.wechat_says(&body, &platform(), now()).await, "200");
    }
    assert_eq!(world.payments().await, ["WECHAT PAID"]);
    let (number, at): (String, OffsetDateTime) =
        sqlx::query_as("SELECT provider_trade_no, paid_at FROM payments")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!((number.as_str(), at.unix_timestamp()), ("4200001", 1_795_262_400), "when WeChat says it was");
    let mut closed = transaction(&payment);
    closed["trade_state"] = "CLOSED".into();
    assert_eq!(world.wechat_says(&notification("event-2", &closed), &platform(), now()).await, "200");
    let refund = body.replace("TRANSACTION.SUCCESS", "REFUND.SUCCESS");
    assert_eq!(world.wechat_says(&refund, &platform(), now()).await, "200", "refunds are none of ours");
    assert_eq!(world.payments().await, ["WECHAT PAID"]);
    assert_eq!(world.told.heard(), ["PAY_PENDING WECHAT", "PAID WECHAT paid at"]);
    let ledger = world.ledger().await;
    let expected = [format!("WECHAT PAID {AMOUNT}"), format!("WECHAT IGNORED {AMOUNT}")];
    assert_eq!(ledger[2..], expected);
    world.stop().await;
}
