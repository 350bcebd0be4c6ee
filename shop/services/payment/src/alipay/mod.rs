//! Alipay's open platform: sessions for mini programs, and notifications.

pub mod sign;

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use time::macros::{format_description, offset};
use time::{OffsetDateTime, PrimitiveDateTime};
use url::{Url, form_urlencoded};
use uuid::Uuid;

use crate::http::ProviderClient;
use crate::keys::{SigningKey, VerifyingKey};
use crate::provider::{Channel, NotifyError, Opening, ProviderError, Report, Session};
use crate::state::Reported;

/// What the request has to carry so that Alipay knows who pays.
const LOGIN_CODE: &str = "alipayAuthCode";

/// The provider, with our keys.
#[derive(Debug)]
pub struct Alipay {
    /// Calls it.
    pub client: ProviderClient,
    /// The mini program.
    pub app_id: String,
    /// We.
    pub key: SigningKey,
    /// They.
    pub platform: VerifyingKey,
    /// The one door, e.g. `https://openapi.alipay.com/gateway.do`.
    pub gateway_url: Url,
    /// Where they report to us.
    pub notify_url: String,
}

#[derive(Deserialize)]
struct Common {
    code: Option<String>,
    msg: Option<String>,
    sub_code: Option<String>,
    sub_msg: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    user_id: Option<String>,
    open_id: Option<String>,
}

#[derive(Deserialize)]
struct Trade {
    trade_no: String,
}

impl Alipay {
    /// Opens a trade (`alipay.trade.create`) for whoever the login code stands for.
    ///
    /// # Errors
    /// When Alipay does not open one.
    pub async fn open(&self, opening: &Opening<'_>) -> Result<Session, ProviderError> {
        let code = opening.login_code.ok_or(ProviderError::LoginCodeMissing(LOGIN_CODE))?;
        let token = [("grant_type", "authorization_code".to_owned()), ("code", code.to_owned())];
        let token: Token = match self.ask("alipay.system.oauth.token", &token).await {
            Err(ProviderError::Refused(reason)) if reason.contains("isv.code-") => {
                return Err(ProviderError::LoginCodeRefused { field: LOGIN_CODE, reason });
            }
            other => other?,
        };
        let mut content = json!({
            "out_trade_no": opening.payment.simple().to_string(),
            "total_amount": sign::yuan(opening.amount_fen),
            "subject": opening.description,
            "product_code": "JSAPI_PAY",
            "op_app_id": self.app_id,
            "time_expire": in_china(opening.expires_at),
        });
        match (token.open_id, token.user_id) {
            (Some(id), _) => content["buyer_open_id"] = id.into(),
            (None, Some(id)) => content["buyer_id"] = id.into(),
            (None, None) => return Err(ProviderError::Unbelievable("it names no buyer".to_owned())),
        }
        let values = [("biz_content", content.to_string()), ("notify_url", self.notify_url.clone())];
        let trade: Trade = self.ask("alipay.trade.create", &values).await?;
        let pay_params = Map::from_iter([("tradeNO".to_owned(), Value::from(trade.trade_no.as_str()))]);
        Ok(Session::Alipay { trade_no: trade.trade_no, pay_params })
    }

    /// Calls a method and verifies the answer.
    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        method: &str,
        values: &[(&str, String)],
    ) -> Result<T, ProviderError> {
        let common = [
            ("app_id", self.app_id.clone()),
            ("method", method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            ("sign_type", "RSA2".to_owned()),
            ("timestamp", in_china(OffsetDateTime::now_utc())),
            ("version", "1.0".to_owned()),
        ];
        let mut all: BTreeMap<String, String> =
            common.iter().chain(values).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        all.insert("sign".to_owned(), self.key.sign(sign::of_request(&all).as_bytes()));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&all).finish();
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded;charset=utf-8");
        headers.insert(CONTENT_TYPE, kind);
        let answer = self.client.call(Method::POST, self.gateway_url.as_str(), headers, body).await?;
        if !answer.status.is_success() {
            return Err(ProviderError::Unbelievable(format!("{} to {method}", answer.status)));
        }
        self.read_answer(method, &answer.body)
    }

    fn read_answer<T: for<'a> Deserialize<'a>>(&self, method: &str, body: &[u8]) -> Result<T, ProviderError> {
        let unbelievable = |why: String| ProviderError::Unbelievable(why);
        let parts: BTreeMap<&str, &RawValue> =
            serde_json::from_slice(body).map_err(|error| unbelievable(error.to_string()))?;
        let name = format!("{}_response", method.replace('.', "_"));
        let (part, is_error) = match (parts.get(name.as_str()), parts.get("error_response")) {
            (Some(part), _) => (*part, false),
            (None, Some(part)) => (*part, true),
            (None, None) => return Err(unbelievable(format!("it has no {name}"))),
        };
        let common: Common =
            serde_json::from_str(part.get()).map_err(|error| unbelievable(error.to_string()))?;
        let Common { code, msg, sub_code, sub_msg } = common;
        if is_error || code.as_deref().is_some_and(|code| code != "10000") {
            let words: Vec<_> = [code, msg, sub_code, sub_msg].into_iter().flatten().collect();
            return Err(ProviderError::Refused(words.join(" ")));
        }
        // Bad news need no signature: they open nothing.
        let signature: String = parts
            .get("sign")
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .ok_or_else(|| unbelievable("it is not signed".to_owned()))?;
        if !self.platform.verifies(part.get().as_bytes(), &signature) {
            return Err(unbelievable("the signature is not that of the answer".to_owned()));
        }
        serde_json::from_str(part.get()).map_err(|error| unbelievable(error.to_string()))
    }

    /// What a notification says, if Alipay sent it.
    ///
    /// # Errors
    /// When it did not, or the content can't be read.
    pub fn read_notification(&self, body: &[u8]) -> Result<Report, NotifyError> {
        let values =
            sign::form(body).ok_or_else(|| NotifyError::Unreadable("a name occurs twice".to_owned()))?;
        let value = |name: &str| values.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let needed = |name: &str| value(name).ok_or_else(|| NotifyError::Unreadable(format!("no {name}")));
        if value("sign_type").is_some_and(|kind| kind != "RSA2") {
            return Err(NotifyError::Disbelieved("it is not signed with RSA2".to_owned()));
        }
        let signature = value("sign").unwrap_or_default();
        if !self.platform.verifies(sign::of_notification(&values).as_bytes(), signature) {
            return Err(NotifyError::Disbelieved("the signature is not that of the body".to_owned()));
        }
        if value("app_id") != Some(&self.app_id) {
            return Err(NotifyError::Disbelieved("it is about another app".to_owned()));
        }
        let number = needed("out_trade_no")?;
        let payment =
            Uuid::try_parse(number).map_err(|_| NotifyError::Unreadable(format!("out_trade_no {number}")))?;
        let amount = needed("total_amount")?;
        let amount_fen =
            sign::fen(amount).ok_or_else(|| NotifyError::Unreadable(format!("total_amount {amount}")))?;
        let status = needed("trade_status")?;
        let reported = match status {
            "TRADE_SUCCESS" | "TRADE_FINISHED" => Reported::Paid,
            // Closed unpaid, or paid and refunded in full; the second comes after PAID and changes nothing.
            "TRADE_CLOSED" => Reported::Cancelled,
            "WAIT_BUYER_PAY" => Reported::Waiting,
            other => return Err(NotifyError::Unreadable(format!("trade_status {other}"))),
        };
        Ok(Report {
            channel: Channel::Alipay,
            event_id: Some(needed("notify_id")?.to_owned()),
            payment,
            reported,
            trade_no: value("trade_no").map(str::to_owned),
            amount_fen: Some(amount_fen),
            paid_at: value("gmt_payment").and_then(from_china),
            failure: None,
        })
    }
}

/// `yyyy-MM-dd HH:mm:ss` in China's time, as Alipay writes times.
fn in_china(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    at.to_offset(offset!(+8)).format(form).unwrap_or_default()
}

fn from_china(text: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    Some(PrimitiveDateTime::parse(text, form).ok()?.assume_offset(offset!(+8)))
}
