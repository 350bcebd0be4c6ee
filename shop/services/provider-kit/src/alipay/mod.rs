//! Alipay's open platform: one door for every method.
//!
//! Requests are signed with RSA2 (RSA-SHA256) over their sorted values, answers over the text of their one part.

pub mod sign;

use std::collections::BTreeMap;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use shop_kit::client::CallError;
use thiserror::Error;
use time::macros::{format_description, offset};
use time::{OffsetDateTime, PrimitiveDateTime};
use url::{Url, form_urlencoded};

use crate::http::ProviderClient;
use crate::keys::{SigningKey, VerifyingKey};

/// How Alipay says that a call went well.
const GOOD: &str = "10000";

/// The platform, with our keys.
#[derive(Debug)]
pub struct Gateway {
    /// Calls it.
    pub client: ProviderClient,
    /// The mini program.
    pub app_id: String,
    /// We.
    pub key: SigningKey,
    /// They.
    pub platform: VerifyingKey,
    /// The door, e.g. `https://openapi.alipay.com/gateway.do`.
    pub url: Url,
}

/// A call that brought no result.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// There was no answer.
    #[error(transparent)]
    NoAnswer(#[from] CallError),
    /// Alipay said no.
    #[error("{0}")]
    Refused(Refusal),
    /// Alipay is in trouble, or something else stands in its place.
    #[error("{status} to {method}")]
    Status {
        /// What came.
        status: StatusCode,
        /// What was asked.
        method: String,
    },
    /// Somebody answered who is not Alipay, or not in its language.
    #[error("{0}")]
    Unbelievable(String),
}

/// Alipay's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Error)]
#[serde(default)]
#[error("{}", [code, msg, sub_code, sub_msg].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" "))]
pub struct Refusal {
    /// The kind of a refusal; `20000` is trouble of Alipay's own.
    pub code: Option<String>,
    msg: Option<String>,
    /// What it is about, e.g. `isv.code-invalid`.
    pub sub_code: Option<String>,
    sub_msg: Option<String>,
}

impl Refusal {
    /// Whether it is about this, e.g. `ACQ.TRADE_NOT_EXIST`; a beginning will do.
    pub fn is_about(&self, what: &str) -> bool {
        self.sub_code.as_deref().is_some_and(|code| code.starts_with(what))
    }
}

impl Gateway {
    /// Calls a method and verifies the answer.
    ///
    /// # Errors
    /// When there is no answer, or one that is a refusal or not Alipay's.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        values: &[(&str, String)],
    ) -> Result<T, GatewayError> {
        let body = self.request(method, values, OffsetDateTime::now_utc());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded;charset=utf-8");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let answer = self.client.call(Method::POST, self.url.as_str(), headers, body).await?;
        if !answer.status.is_success() {
            return Err(GatewayError::Status { status: answer.status, method: method.to_owned() });
        }
        self.read(method, &answer.body)
    }

    /// A signed request, as a form.
    fn request(&self, method: &str, values: &[(&str, String)], now: OffsetDateTime) -> String {
        let common = [
            ("app_id", self.app_id.clone()),
            ("method", method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            ("sign_type", "RSA2".to_owned()),
            ("timestamp", in_china(now)),
            ("version", "1.0".to_owned()),
        ];
        let mut all: BTreeMap<String, String> =
            common.iter().chain(values).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        all.insert("sign".to_owned(), self.key.sign(sign::of_request(&all).as_bytes()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&all).finish()
    }

    /// The part of an answer that is about the method, if Alipay signed it.
    fn read<T: DeserializeOwned>(&self, method: &str, body: &[u8]) -> Result<T, GatewayError> {
        let odd = |why: String| GatewayError::Unbelievable(format!("{method}: {why}"));
        let unreadable = |error: serde_json::Error| odd(error.to_string());
        let parts: BTreeMap<&str, &RawValue> = serde_json::from_slice(body).map_err(unreadable)?;
        let name = format!("{}_response", method.replace('.', "_"));
        let (part, refused) = match (parts.get(name.as_str()), parts.get("error_response")) {
            (Some(part), _) => (part.get(), false),
            (None, Some(part)) => (part.get(), true),
            (None, None) => return Err(odd(format!("it has no {name}"))),
        };
        let refusal: Refusal = serde_json::from_str(part).map_err(unreadable)?;
        if refused || refusal.code.as_deref().is_some_and(|code| code != GOOD) {
            // Bad news need no signature: they open nothing.
            return Err(GatewayError::Refused(refusal));
        }
        let signature: Option<String> =
            parts.get("sign").and_then(|raw| serde_json::from_str(raw.get()).ok());
        let signature = signature.ok_or_else(|| odd("it is not signed".to_owned()))?;
        if !self.platform.verifies(part.as_bytes(), &signature) {
            return Err(odd("the signature is not that of the answer".to_owned()));
        }
        serde_json::from_str(part).map_err(unreadable)
    }
}

/// `yyyy-MM-dd HH:mm:ss` in China's time, as Alipay writes times.
pub fn in_china(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    at.to_offset(offset!(+8)).format(form).unwrap_or_default()
}

/// The time that such a text means.
pub fn from_china(text: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    Some(PrimitiveDateTime::parse(text, form).ok()?.assume_offset(offset!(+8)))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_come_back() {
        let at = datetime!(2026-11-21 16:30:00 UTC);
        assert_eq!(in_china(at), "2026-11-22 00:30:00");
        assert_eq!(from_china("2026-11-22 00:30:00"), Some(at));
        assert_eq!(from_china("yesterday"), None);
    }

    #[test]
    fn refusals_say_what_they_are_about() {
        let refusal: Refusal =
            serde_json::from_str(r#"{ "code": "40004", "msg": "Business Failed", "sub_code": "ACQ.NO" }"#)
                .unwrap();
        assert_eq!(refusal.to_string(), "40004 Business Failed ACQ.NO");
        assert!(refusal.is_about("ACQ.") && !refusal.is_about("isv.code-"));
    }
}
