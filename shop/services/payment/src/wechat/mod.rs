//! WeChat Pay, API v3: sessions for mini programs, and notifications.

pub mod sign;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use serde_json::json;
use shop_kit::client::Answer;
use shop_kit::settings::Secret;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use url::Url;
use uuid::Uuid;

use crate::http::ProviderClient;
use crate::provider::{Channel, NotifyError, Opening, ProviderError, Report, Session};
use crate::state::Reported;
use sign::{API_KEY_LENGTH, Merchant, Platform, Resource, Signed, decrypt};

/// What the request has to carry so that WeChat knows who pays.
const LOGIN_CODE: &str = "wechatLoginCode";

/// What WeChat calls a payment that it does not know.
const UNKNOWN: &str = "ORDER_NOT_EXIST";

/// The provider, with our keys.
#[derive(Debug)]
pub struct WeChat {
    /// Calls it.
    pub client: ProviderClient,
    /// The mini program.
    pub app_id: String,
    /// Its secret, with which login codes are exchanged.
    pub app_secret: Secret,
    /// We.
    pub merchant: Merchant,
    /// They.
    pub platform: Platform,
    /// Decrypts notifications.
    pub api_key: [u8; API_KEY_LENGTH],
    /// Where payments are made, e.g. `https://api.mch.weixin.qq.com`.
    pub api_url: Url,
    /// Where login codes are exchanged.
    pub session_url: Url,
    /// Where they report to us.
    pub notify_url: String,
}

#[derive(Deserialize)]
struct CodeSession {
    openid: Option<String>,
    errcode: Option<i64>,
    errmsg: Option<String>,
}

#[derive(Deserialize)]
struct Prepaid {
    prepay_id: String,
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    event_type: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Transaction {
    appid: String,
    mchid: String,
    out_trade_no: String,
    transaction_id: Option<String>,
    trade_state: String,
    trade_state_desc: Option<String>,
    success_time: Option<String>,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    total: i64,
    currency: Option<String>,
}

impl WeChat {
    /// Opens a session (`POST /v3/pay/transactions/jsapi`) and signs the call of the payment window.
    ///
    /// # Errors
    /// When WeChat does not open one.
    pub async fn open(&self, opening: &Opening<'_>) -> Result<Session, ProviderError> {
        let code = opening.login_code.ok_or(ProviderError::LoginCodeMissing(LOGIN_CODE))?;
        let payer = self.payer(code).await?;
        let body = json!({
            "appid": self.app_id,
            "mchid": self.merchant.id,
            "description": opening.description,
            "out_trade_no": opening.payment.simple().to_string(),
            "time_expire": in_china(opening.expires_at),
            "notify_url": self.notify_url,
            "amount": { "total": opening.amount_fen, "currency": "CNY" },
            "payer": { "openid": payer },
        });
        let answer = self.send(Method::POST, "/v3/pay/transactions/jsapi", body.to_string()).await?;
        let prepaid: Prepaid =
            answer.json().ok_or_else(|| ProviderError::Unbelievable("it holds no prepay_id".to_owned()))?;
        let package = format!("prepay_id={}", prepaid.prepay_id);
        let timestamp = OffsetDateTime::now_utc().unix_timestamp().to_string();
        let nonce = Uuid::new_v4().simple().to_string();
        let pay_sign = self.merchant.pay_sign(&self.app_id, &timestamp, &nonce, &package);
        Ok(Session::WeChat {
            prepay_id: prepaid.prepay_id,
            package,
            nonce_str: nonce,
            time_stamp: timestamp,
            sign_type: "RSA".to_owned(),
            pay_sign,
        })
    }

    /// How a payment stands (`GET /v3/pay/transactions/out-trade-no/…`); nothing while WeChat knows none.
    ///
    /// # Errors
    /// When WeChat does not say.
    pub async fn find(&self, payment: Uuid) -> Result<Option<Report>, ProviderError> {
        let path =
            format!("/v3/pay/transactions/out-trade-no/{}?mchid={}", payment.simple(), self.merchant.id);
        let answer = match self.send(Method::GET, &path, String::new()).await {
            Err(ProviderError::Refused(words)) if words.contains(UNKNOWN) => return Ok(None),
            other => other?,
        };
        let odd = |why: String| ProviderError::Unbelievable(why);
        let found: Transaction =
            serde_json::from_slice(&answer.body).map_err(|error| odd(error.to_string()))?;
        let report = self.report(None, found).map_err(|error| odd(error.to_string()))?;
        if report.payment != payment {
            return Err(odd(format!("it is about {}", report.payment)));
        }
        Ok(Some(report))
    }

    /// Who logged in with this code (`jscode2session`).
    async fn payer(&self, code: &str) -> Result<String, ProviderError> {
        let mut url = self.session_url.clone();
        url.query_pairs_mut()
            .append_pair("appid", &self.app_id)
            .append_pair("secret", self.app_secret.reveal())
            .append_pair("js_code", code)
            .append_pair("grant_type", "authorization_code");
        let answer = self.client.call(Method::GET, url.as_str(), HeaderMap::new(), String::new()).await?;
        let session: CodeSession = answer
            .json()
            .filter(|_| answer.status.is_success())
            .ok_or_else(|| ProviderError::Unbelievable(format!("{} to a login code", answer.status)))?;
        match (session.errcode.unwrap_or(0), session.openid) {
            (0, Some(openid)) => Ok(openid),
            (code, _) => {
                let reason = format!("{code} {}", session.errmsg.unwrap_or_default());
                // 40029: no such code; 40163: used before.
                if matches!(code, 40029 | 40163) {
                    Err(ProviderError::LoginCodeRefused { field: LOGIN_CODE, reason })
                } else {
                    Err(ProviderError::Refused(reason))
                }
            }
        }
    }

    /// Sends a signed request and verifies the answer.
    async fn send(&self, method: Method, path: &str, body: String) -> Result<Answer, ProviderError> {
        let url = format!("{}{path}", self.api_url.as_str().trim_end_matches('/'));
        let signed_path = format!("{}{path}", self.api_url.path().trim_end_matches('/'));
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let nonce = Uuid::new_v4().simple().to_string();
        let authorization = self.merchant.authorization(method.as_str(), &signed_path, now, &nonce, &body);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("payment"));
        let authorization = HeaderValue::from_str(&authorization)
            .map_err(|error| ProviderError::Unbelievable(format!("our own header: {error}")))?;
        headers.insert(AUTHORIZATION, authorization);
        let answer = self.client.call(method, &url, headers, body).await?;
        if !answer.status.is_success() {
            let text = String::from_utf8_lossy(&answer.body);
            let words: String = text.chars().take(300).collect();
            return Err(ProviderError::Refused(format!("{} {words}", answer.status)));
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.platform
            .verify(signed(&answer.headers, &answer.body), now)
            .map_err(|error| ProviderError::Unbelievable(error.to_string()))?;
        Ok(answer)
    }

    /// What a notification says, if WeChat sent it just now. Nothing for events that are not about payments.
    ///
    /// # Errors
    /// When it did not, or the content can't be read.
    pub fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<Report>, NotifyError> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.platform
            .verify(signed(headers, body), now)
            .map_err(|error| NotifyError::Disbelieved(error.to_string()))?;
        let unreadable = |error: serde_json::Error| NotifyError::Unreadable(error.to_string());
        let envelope: Envelope = serde_json::from_slice(body).map_err(unreadable)?;
        if !envelope.event_type.starts_with("TRANSACTION.") {
            return Ok(None);
        }
        let text = decrypt(&envelope.resource, &self.api_key)
            .map_err(|error| NotifyError::Disbelieved(error.to_string()))?;
        let transaction: Transaction = serde_json::from_slice(&text).map_err(unreadable)?;
        self.report(Some(envelope.id), transaction).map(Some)
    }

    fn report(&self, event_id: Option<String>, transaction: Transaction) -> Result<Report, NotifyError> {
        if transaction.appid != self.app_id || transaction.mchid != self.merchant.id {
            let whose = format!("it is about {} of {}", transaction.appid, transaction.mchid);
            return Err(NotifyError::Disbelieved(whose));
        }
        let payment = Uuid::try_parse(&transaction.out_trade_no)
            .map_err(|_| NotifyError::Unreadable(format!("out_trade_no {}", transaction.out_trade_no)))?;
        let reported = match transaction.trade_state.as_str() {
            // A refund is a matter of money that has arrived before.
            "SUCCESS" | "REFUND" => Reported::Paid,
            "PAYERROR" => Reported::Failed,
            "CLOSED" | "REVOKED" => Reported::Cancelled,
            "NOTPAY" | "USERPAYING" | "ACCEPT" => Reported::Waiting,
            other => return Err(NotifyError::Unreadable(format!("trade_state {other}"))),
        };
        let currency = transaction.amount.as_ref().and_then(|amount| amount.currency.as_deref());
        if let Some(other) = currency.filter(|currency| *currency != "CNY") {
            return Err(NotifyError::Unreadable(format!("currency {other}")));
        }
        if reported == Reported::Paid && transaction.amount.is_none() {
            return Err(NotifyError::Unreadable("it names no amount".to_owned()));
        }
        Ok(Report {
            channel: Channel::WeChat,
            event_id,
            payment,
            reported,
            trade_no: transaction.transaction_id,
            amount_fen: transaction.amount.map(|amount| amount.total),
            paid_at: transaction.success_time.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok()),
            failure: transaction.trade_state_desc,
        })
    }
}

fn signed<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Signed<'a> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Signed {
        timestamp: header("wechatpay-timestamp"),
        nonce: header("wechatpay-nonce"),
        signature: header("wechatpay-signature"),
        serial: header("wechatpay-serial"),
        body,
    }
}

/// RFC 3339 to the second with China's offset, as WeChat writes times.
fn in_china(at: OffsetDateTime) -> String {
    let offset = UtcOffset::from_hms(8, 0, 0).unwrap_or(UtcOffset::UTC);
    let at = at.to_offset(offset).replace_nanosecond(0).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_default()
}
