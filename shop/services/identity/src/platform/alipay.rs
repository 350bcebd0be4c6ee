//! Alipay's mini-program platform: login codes and mini-program codes.
//!
//! Alipay's open platform: `alipay.system.oauth.token` and `alipay.open.app.qrcode.create`, signed with RSA2
//! (RSA-SHA256) over the sorted values of the request; answers are signed over the text of their one part.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use provider_kit::http::ProviderClient;
use provider_kit::keys::{SigningKey, VerifyingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::macros::{format_description, offset};
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Account, PlatformError};

/// The platform, with our keys.
#[derive(Debug)]
pub struct Alipay {
    /// Calls it.
    pub client: ProviderClient,
    /// The mini-program.
    pub app_id: String,
    /// We.
    pub key: SigningKey,
    /// They.
    pub platform: VerifyingKey,
    /// The one door, e.g. `https://openapi.alipay.com/gateway.do`.
    pub gateway_url: Url,
    /// The page that a scanned code opens.
    pub page: String,
}

#[derive(Deserialize)]
struct Words {
    code: Option<String>,
    msg: Option<String>,
    sub_code: Option<String>,
    sub_msg: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    open_id: Option<String>,
    user_id: Option<String>,
    union_id: Option<String>,
}

#[derive(Deserialize)]
struct Picture {
    qr_code_url: String,
}

impl Alipay {
    /// Whose account a login code belongs to.
    ///
    /// # Errors
    /// When the code is not good, or Alipay has trouble.
    pub async fn account(&self, code: &str) -> Result<Account, PlatformError> {
        let values = [("grant_type", "authorization_code".to_owned()), ("code", code.to_owned())];
        let Token { open_id, user_id, union_id } = self.ask("alipay.system.oauth.token", &values).await?;
        let id = open_id.or(user_id).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| PlatformError::Unavailable("Alipay names no user".to_owned()))?;
        Ok(Account { id, union_id })
    }

    /// The address of a mini-program code with a scene.
    ///
    /// # Errors
    /// When Alipay makes none.
    pub async fn picture(&self, scene: &str) -> Result<String, PlatformError> {
        let wish = json!({
            "url_param": self.page,
            "query_param": format!("scene={scene}"),
            "describe": "sales",
        });
        let picture: Picture =
            self.ask("alipay.open.app.qrcode.create", &[("biz_content", wish.to_string())]).await?;
        Ok(picture.qr_code_url)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        values: &[(&str, String)],
    ) -> Result<T, PlatformError> {
        let now = OffsetDateTime::now_utc().to_offset(offset!(+8));
        let now = now.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"));
        let common = [
            ("app_id", self.app_id.clone()),
            ("method", method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            ("sign_type", "RSA2".to_owned()),
            ("timestamp", now.unwrap_or_default()),
            ("version", "1.0".to_owned()),
        ];
        let mut all: BTreeMap<&str, String> =
            common.iter().chain(values).map(|(name, value)| (*name, value.clone())).collect();
        let signed: Vec<String> = all
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        all.insert("sign", self.key.sign(signed.join("&").as_bytes()));
        let body = Serializer::new(String::new()).extend_pairs(&all).finish();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded;charset=utf-8");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let answer = self.client.call(Method::POST, self.gateway_url.as_str(), headers, body).await;
        let answer = answer.map_err(|error| PlatformError::Unavailable(format!("{error}")))?;
        if !answer.status.is_success() {
            return Err(PlatformError::Unavailable(format!("Alipay answered {}", answer.status)));
        }
        self.read(method, &answer.body)
    }

    /// The part of an answer that is about the method, if Alipay signed it.
    fn read<T: DeserializeOwned>(&self, method: &str, body: &[u8]) -> Result<T, PlatformError> {
        let odd = |what: String| PlatformError::Unavailable(format!("Alipay's answer to {method}: {what}"));
        let parts: BTreeMap<&str, &RawValue> =
            serde_json::from_slice(body).map_err(|e| odd(e.to_string()))?;
        let name = format!("{}_response", method.replace('.', "_"));
        let (part, refused) = match (parts.get(name.as_str()), parts.get("error_response")) {
            (Some(part), _) => (part.get(), false),
            (None, Some(part)) => (part.get(), true),
            (None, None) => return Err(odd(format!("no {name}"))),
        };
        let Words { code, msg, sub_code, sub_msg } =
            serde_json::from_str(part).map_err(|e| odd(e.to_string()))?;
        if refused || code.as_deref().is_some_and(|code| code != "10000") {
            // 20000 is trouble of Alipay's own; everything else is about what was asked.
            let trouble = code.as_deref() == Some("20000");
            let words: Vec<String> = [code, msg, sub_code, sub_msg].into_iter().flatten().collect();
            let words = format!("Alipay: {}", words.join(" "));
            return Err(if trouble {
                PlatformError::Unavailable(words)
            } else {
                PlatformError::Refused(words)
            });
        }
        let signature: Option<String> =
            parts.get("sign").and_then(|signature| serde_json::from_str(signature.get()).ok());
        if !self.platform.verifies(part.as_bytes(), &signature.unwrap_or_default()) {
            return Err(odd("it is not signed by Alipay".to_owned()));
        }
        serde_json::from_str(part).map_err(|e| odd(e.to_string()))
    }
}
