//! Real mode against stand-ins of WeChat and Alipay that speak as documented.
#![expect(clippy::unwrap_used, reason = "a stand-in that is asked something odd ends the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use provider_kit::keys::{SigningKey, VerifyingKey};
use serde_json::{Value, json};
use shop_kit::testing::TestServer;

use crate::world::{World, refusal};

const OUR_KEY: &str = include_str!("../../../payment/tests/keys/merchant.pem");
const OUR_PUBLIC_KEY: &str = include_str!("../../../payment/tests/keys/merchant.pub.pem");
const THEIR_KEY: &str = include_str!("../../../payment/tests/keys/platform.pem");
const THEIR_PUBLIC_KEY: &str = include_str!("../../../payment/tests/keys/platform.pub.pem");

#[derive(Clone, Default)]
struct Counters {
    tokens: Arc<AtomicUsize>,
}

type Values = Query<BTreeMap<String, String>>;

async fn session(Query(asked): Values) -> String {
    let expected = [("appid", "wx1"), ("grant_type", "authorization_code"), ("secret", "s3cret")];
    assert!(expected.iter().all(|(name, value)| asked[*name] == *value), "{asked:?}");
    match asked["js_code"].as_str() {
        "good" => json!({ "openid": "o-1", "session_key": "k", "unionid": "u-1" }),
        "busy" => json!({ "errcode": -1, "errmsg": "system error" }),
        "odd" => json!({ "session_key": "k" }),
        "html" => return "<html>".to_owned(),
        code => json!({ "errcode": 40029, "errmsg": format!("invalid code {code}") }),
    }
    .to_string()
}

async fn token(State(counters): State<Counters>, Query(asked): Values) -> String {
    assert_eq!((asked["grant_type"].as_str(), asked["secret"].as_str()), ("client_credential", "s3cret"));
    let count = counters.tokens.fetch_add(1, Ordering::SeqCst) + 1;
    json!({ "access_token": format!("token-{count}"), "expires_in": 7200 }).to_string()
}

/// The first token has been taken back.
async fn picture(Query(asked): Values, body: Bytes) -> Response {
    if asked["access_token"] == "token-1" {
        return json!({ "errcode": 40001, "errmsg": "invalid credential" }).to_string().into_response();
    }
    let wish: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&wish["page"], &wish["width"]), (&json!("pages/login"), &json!(280)), "{wish}");
    assert_eq!(wish["scene"].as_str().unwrap().len(), 20);
    ([("content-type", "image/jpeg")], "a picture").into_response()
}

/// One door for every method. Verifies our signature and signs its own answers.
async fn alipay(body: Bytes) -> String {
    let mut values: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let signature = values.remove("sign").unwrap();
    let signed: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let ours = VerifyingKey::read(OUR_PUBLIC_KEY).unwrap();
    assert!(ours.verifies(signed.join("&").as_bytes(), &signature), "{values:?}");
    assert_eq!((values["app_id"].as_str(), values["sign_type"].as_str()), ("2021", "RSA2"));
    let sign = |text: &str| SigningKey::read(THEIR_KEY).unwrap().sign(text.as_bytes());
    let method = values["method"].as_str();
    let name = format!("{}_response", method.replace('.', "_"));
    let part = match (method, values.get("code").map(String::as_str)) {
        ("alipay.open.app.qrcode.create", _) => {
            let wish: Value = serde_json::from_str(&values["biz_content"]).unwrap();
            let scene = wish["query_param"].as_str().unwrap();
            json!({ "code": "10000", "msg": "Success", "qr_code_url": format!("https://alipay.example/{scene}") })
        }
        (_, Some("good")) => json!({ "open_id": "a-1", "access_token": "t", "expires_in": 300 }),
        (_, Some("old")) => json!({ "user_id": "2088", "access_token": "t" }),
        (_, Some("busy")) => json!({ "code": "20000", "msg": "Service Currently Unavailable" }),
        (_, Some("forged")) => {
            let part = json!({ "open_id": "somebody else" }).to_string();
            return format!("{{\"{name}\":{part},\"sign\":\"{}\"}}", sign("another text"));
        }
        _ => {
            let part = json!({ "code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.code-invalid" });
            return json!({ "error_response": part }).to_string();
        }
    }
    .to_string();
    format!("{{\"{name}\":{part},\"sign\":\"{}\"}}", sign(&part))
}

async fn stand_ins() -> TestServer {
    let routes = Router::new()
        .route("/session", get(session))
        .route("/token", get(token))
        .route("/picture", post(picture))
        .route("/alipay", post(alipay))
        .with_state(Counters::default());
    TestServer::start(routes).await
}

async fn real_world(platforms: &str) -> Option<World> {
    let at = |path: &str| format!("{platforms}{path}");
    let (session, token, picture, gateway) = (at("/session"), at("/token"), at("/picture"), at("/alipay"));
    World::start_with(&[
        ("IDENTITY_LOGIN_MODE", "real"),
        ("IDENTITY_WEAPP_APPID", "wx1"),
        ("IDENTITY_WEAPP_APPSECRET", "s3cret"),
        ("IDENTITY_WEAPP_SESSION_URL", &session),
        ("IDENTITY_WEAPP_TOKEN_URL", &token),
        ("IDENTITY_WEAPP_QRCODE_URL", &picture),
        ("IDENTITY_WEAPP_SALES_QR_PAGE", "pages/login"),
        ("IDENTITY_WEAPP_QR_WIDTH", "280"),
        ("IDENTITY_ALIPAY_APP_ID", "2021"),
        ("IDENTITY_ALIPAY_PRIVATE_KEY", OUR_KEY),
        ("IDENTITY_ALIPAY_PUBLIC_KEY", THEIR_PUBLIC_KEY),
        ("IDENTITY_ALIPAY_GATEWAY_URL", &gateway),
    ])
    .await
}

#[tokio::test]
async fn codes_are_exchanged_at_the_platform() {
    let platforms = stand_ins().await;
    let Some(world) = real_world(platforms.base()).await else { return };
    let login =
        async |platform: &str, code: &str| world.mini(json!({ "platform": platform, "code": code })).await;
    let stored = async || {
        let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT provider, provider_user_id, provider_union_id FROM user_identities
             WHERE provider_user_id NOT LIKE 'mock%' ORDER BY created_at",
        )
        .fetch_all(&world.pool)
        .await
        .unwrap();
        rows
    };
    let first = login("weapp", "good").await;
    assert_eq!(first.json()["user"]["roles"], json!(["CUSTOMER"]), "{}", first.text);
    assert_eq!(login("weapp", "good").await.json()["user"]["id"], first.json()["user"]["id"]);
    assert_eq!(login("alipay", "good").await.status, 200);
    assert_eq!(login("alipay", "old").await.status, 200);
    let row = |provider: &str, id: &str, union: Option<&str>| {
        (provider.to_owned(), id.to_owned(), union.map(str::to_owned))
    };
    assert_eq!(
        stored().await,
        [row("weapp", "o-1", Some("u-1")), row("alipay", "a-1", None), row("alipay", "2088", None)]
    );

    let refused = "400 invalid_request: invalid login code";
    let trouble = "502 bad_gateway: upstream unavailable";
    for (platform, code, expect) in [
        ("weapp", "wrong", refused),
        // In real mode a mock code is a code like any other: the platform does not know it.
        ("weapp", "mock_sales_001", refused),
        ("weapp", "busy", trouble),
        ("weapp", "odd", trouble),
        ("weapp", "html", trouble),
        ("alipay", "wrong", refused),
        ("alipay", "busy", trouble),
        ("alipay", "forged", trouble),
    ] {
        assert_eq!(refusal(&login(platform, code).await), expect, "{platform} {code}");
    }
    assert_eq!(stored().await.len(), 3, "a refused login leaves nobody behind");
    platforms.stop().await;
    assert_eq!(refusal(&login("weapp", "good").await), trouble);
    world.stop().await;
}

#[tokio::test]
async fn pictures_come_from_the_platform() {
    let platforms = stand_ins().await;
    let Some(world) = real_world(platforms.base()).await else { return };
    // Real mode knows no mock codes, so a boss is given the role.
    world.execute("INSERT INTO user_roles SELECT id, 'SALES' FROM users WHERE display_name = 'Boss'").await;
    let boss = world.client.signed_in(&world.web_token("boss").await);
    let token =
        boss.post("/auth/switch-role", json!({ "role": "SALES" })).await.json()["accessToken"].clone();
    let sales = world.client.signed_in(token.as_str().unwrap());
    let code = sales.get("/me/sales-qr-code").await;
    world.contracts.check("GET", "/me/sales-qr-code", &code);
    assert_eq!(code.json()["qrCodeUrl"], "data:image/jpeg;base64,YSBwaWN0dXJl", "{}", code.text);
    let code = sales.get("/me/sales-qr-code?platform=alipay").await.json();
    assert_eq!(
        code["qrCodeUrl"],
        format!("https://alipay.example/scene={}", code["scene"].as_str().unwrap())
    );

    let capabilities = world.client.get("/auth/mini/capabilities").await.json();
    assert_eq!((&capabilities["loginMode"], &capabilities["weapp"]["missing"]), (&json!("real"), &json!([])));
    platforms.stop().await;
    world.stop().await;
}

#[tokio::test]
async fn a_platform_without_settings_logs_nobody_in() {
    let Some(world) = World::start_with(&[("IDENTITY_LOGIN_MODE", "real")]).await else { return };
    for platform in ["weapp", "alipay"] {
        let reply = world.mini(json!({ "platform": platform, "code": "mock_sales_001" })).await;
        assert_eq!(refusal(&reply), "400 invalid_request: invalid login code");
    }
    assert_eq!(
        world
            .post("/auth/password/login", json!({ "username": "admin", "password": "admin123" }))
            .await
            .status,
        200
    );
    world.stop().await;
}
