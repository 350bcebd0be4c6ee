//! Stand-ins for the providers: they verify what they are sent as the real ones do, and sign what they say.
#![expect(clippy::unwrap_used, reason = "a stand-in that is not asked as documented ends the test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use payment::keys::{SigningKey, VerifyingKey};
use provider_kit::alipay::sign as alipay_sign;
use serde_json::{Value, json};
use shop_kit::testing::TestServer;

pub(crate) const MERCHANT_KEY: &str = include_str!("../keys/merchant.pem");
pub(crate) const PLATFORM_CERTIFICATE: &str = include_str!("../keys/platform.crt");
pub(crate) const PLATFORM_PUBLIC: &str = include_str!("../keys/platform.pub.pem");
pub(crate) const PLATFORM_SERIAL: &str = "5157F09EFDC096DE15EBE81A47057A72";
const PLATFORM_KEY: &str = include_str!("../keys/platform.pem");
const MERCHANT_PUBLIC: &str = include_str!("../keys/merchant.pub.pem");

pub(crate) fn platform() -> SigningKey {
    SigningKey::read(PLATFORM_KEY).unwrap()
}

fn merchant() -> VerifyingKey {
    VerifyingKey::read(MERCHANT_PUBLIC).unwrap()
}

/// How a stand-in behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// Says no.
    Refuses,
    /// Signs with a key that is not the platform's.
    Forged,
    /// Does not sign.
    Unsigned,
    /// Says something that is not in its language.
    Nonsense,
}

/// A stand-in and what it was asked.
pub(crate) struct Double {
    pub(crate) server: TestServer,
    state: Known,
}

#[derive(Clone, Default)]
struct Known(Arc<Mutex<Mind>>);

#[derive(Default)]
struct Mind {
    mood: Mood,
    asked: Vec<Value>,
    /// What it says of a payment that it is asked about; without it knows none.
    found: Option<Value>,
}

impl Known {
    fn found(&self) -> Option<Value> {
        self.0.lock().unwrap().found.clone()
    }

    fn note(&self, asked: Value) -> Mood {
        let mut known = self.0.lock().unwrap();
        known.asked.push(asked);
        known.mood
    }
}

impl Double {
    async fn start(routes: Router<Known>) -> Self {
        let state = Known::default();
        Self { server: TestServer::start(routes.with_state(state.clone())).await, state }
    }

    pub(crate) async fn wechat() -> Self {
        let routes = Router::new()
            .route("/sns/jscode2session", get(code_to_session))
            .route("/api/v3/pay/transactions/jsapi", post(prepay))
            .route("/api/v3/pay/transactions/out-trade-no/{number}", get(transaction));
        Self::start(routes).await
    }

    pub(crate) async fn alipay() -> Self {
        Self::start(Router::new().route("/gateway.do", post(gateway))).await
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state.0.lock().unwrap().mood = mood;
    }

    /// What it says of a payment that it is asked about; without it knows none.
    pub(crate) fn set_found(&self, found: Option<Value>) {
        self.state.0.lock().unwrap().found = found;
    }

    /// What it was asked, first to last.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.state.0.lock().unwrap().asked.clone()
    }
}

async fn code_to_session(
    State(known): State<Known>,
    Query(query): Query<BTreeMap<String, String>>,
) -> String {
    known.note(json!(query));
    match query["js_code"].as_str() {
        "code" => json!({ "openid": "o-customer", "session_key": "x" }).to_string(),
        "busy" => json!({ "errcode": -1, "errmsg": "system busy" }).to_string(),
        "html" => "<html>".to_owned(),
        _ => json!({ "errcode": 40029, "errmsg": "invalid code" }).to_string(),
    }
}

/// Verifies the signature of a request.
fn verify(method: &str, uri: &Uri, headers: &HeaderMap, text: &str) {
    let header = headers["authorization"].to_str().unwrap();
    let (scheme, rest) = header.split_once(' ').unwrap();
    assert_eq!(scheme, "WECHATPAY2-SHA256-RSA2048");
    let parts: BTreeMap<_, _> = rest.split(',').map(|part| part.split_once('=').unwrap()).collect();
    let value = |name: &str| parts[name].trim_matches('"');
    let message = format!("{method}\n{uri}\n{}\n{}\n{text}\n", value("timestamp"), value("nonce_str"));
    assert!(merchant().verifies(message.as_bytes(), value("signature")), "{message}");
    assert_eq!((value("mchid"), value("serial_no")), ("1900000001", "ABC123"));
}

async fn prepay(State(known): State<Known>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = std::str::from_utf8(&body).unwrap();
    verify("POST", &uri, &headers, text);
    let mood = known.note(serde_json::from_str(text).unwrap());
    if mood == Mood::Refuses {
        let words = json!({ "code": "PARAM_ERROR", "message": "no" }).to_string();
        return (StatusCode::BAD_REQUEST, words).into_response();
    }
    let body = match mood {
        Mood::Nonsense => "{}".to_owned(),
        _ => json!({ "prepay_id": "wx-prepay-1" }).to_string(),
    };
    signed(mood, body)
}

async fn transaction(State(known): State<Known>, uri: Uri, headers: HeaderMap) -> Response {
    verify("GET", &uri, &headers, "");
    assert_eq!(uri.query(), Some("mchid=1900000001"));
    let mood = known.note(json!({ "found": uri.path().rsplit('/').next() }));
    match known.found() {
        Some(found) => signed(mood, if mood == Mood::Nonsense { "{}".to_owned() } else { found.to_string() }),
        None => {
            let words = json!({ "code": "ORDER_NOT_EXIST", "message": "no" }).to_string();
            (StatusCode::NOT_FOUND, words).into_response()
        }
    }
}

/// An answer as WeChat signs it, as far as the mood allows.
fn signed(mood: Mood, body: String) -> Response {
    let mut response = body.clone().into_response();
    let key = if mood == Mood::Forged { SigningKey::read(MERCHANT_KEY).unwrap() } else { platform() };
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    if mood != Mood::Unsigned {
        for (name, value) in wechat_headers(&key, now, &body) {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    response
}

/// The headers with which WeChat signs a body.
pub(crate) fn wechat_headers(key: &SigningKey, now: i64, body: &str) -> [(&'static str, String); 4] {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let signature = key.sign(format!("{now}\n{nonce}\n{body}\n").as_bytes());
    [
        ("wechatpay-timestamp", now.to_string()),
        ("wechatpay-nonce", nonce),
        ("wechatpay-signature", signature),
        ("wechatpay-serial", PLATFORM_SERIAL.to_owned()),
    ]
}

async fn gateway(State(known): State<Known>, body: Bytes) -> Response {
    let values = alipay_sign::form(&body).unwrap();
    assert!(merchant().verifies(alipay_sign::of_request(&values).as_bytes(), &values["sign"]), "{values:?}");
    assert_eq!((values["charset"].as_str(), values["sign_type"].as_str()), ("utf-8", "RSA2"));
    let mut mood = known.note(json!(values));
    let method = values["method"].as_str();
    if method == "alipay.system.oauth.token" {
        if values["code"] != "code" {
            let refusal =
                json!({ "code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.code-invalid" });
            return json!({ "error_response": refusal }).to_string().into_response();
        }
        mood = Mood::Good;
    }
    let part = match (method, mood) {
        (_, Mood::Refuses) => json!({ "code": "40004", "msg": "Business Failed", "sub_code": "ACQ.NO" }),
        ("alipay.system.oauth.token", _) => json!({ "open_id": "a-customer", "access_token": "x" }),
        ("alipay.trade.create", _) => json!({ "code": "10000", "msg": "Success", "trade_no": "2026-trade" }),
        ("alipay.trade.query", _) => known.found().unwrap_or_else(
            || json!({ "code": "40004", "msg": "Business Failed", "sub_code": "ACQ.TRADE_NOT_EXIST" }),
        ),
        (other, _) => panic!("{other}"),
    };
    let name = format!("{}_response", method.replace('.', "_"));
    // With blanks, as nobody would write JSON who writes it anew: what is signed is the text as it is.
    let part = part.to_string().replace(':', ": ");
    let key = if mood == Mood::Forged { SigningKey::read(MERCHANT_KEY).unwrap() } else { platform() };
    match mood {
        Mood::Nonsense => "<html>".into_response(),
        Mood::Unsigned => format!("{{\"{name}\":{part}}}").into_response(),
        _ => {
            let sign = key.sign(part.as_bytes());
            format!("{{\"{name}\":{part},\"sign\":\"{sign}\"}}").into_response()
        }
    }
}
