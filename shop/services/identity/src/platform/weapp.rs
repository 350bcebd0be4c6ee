//! WeChat's mini-program platform: login codes and mini-program codes.
//!
//! WeChat's documentation of its server API: `auth.code2Session`, `auth.getAccessToken`,
//! `wxacode.getUnlimited`. Errors come with status 200 and an `errcode`.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use provider_kit::http::ProviderClient;
use serde::Deserialize;
use serde_json::json;
use shop_kit::client::Answer;
use shop_kit::settings::Secret;
use tokio::sync::Mutex;
use url::Url;

use super::{Account, PlatformError};

/// A token is renewed this long before it ends.
const MARGIN: Duration = Duration::from_secs(300);
/// The platform is busy, or we ask too often.
const BUSY: [i64; 2] = [-1, 45011];
/// The access token is not, or no longer, good.
const TOKEN_GONE: [i64; 3] = [40001, 40014, 42001];

/// The platform, with our program's id and secret.
#[derive(Debug)]
pub struct WeChat {
    /// Calls it.
    pub client: ProviderClient,
    /// The mini-program.
    pub app_id: String,
    /// Its secret.
    pub secret: Secret,
    /// `code2Session`.
    pub session_url: Url,
    /// `getAccessToken`.
    pub token_url: Url,
    /// `getUnlimited`.
    pub picture_url: Url,
    /// The page that a scanned code opens.
    pub page: String,
    /// Width of pictures in pixels.
    pub width: u64,
    /// The access token, and when it is to be renewed.
    pub token: Mutex<Option<(String, Instant)>>,
}

/// What every answer may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    errcode: i64,
    errmsg: String,
    openid: Option<String>,
    unionid: Option<String>,
    access_token: Option<String>,
    expires_in: u64,
}

impl WeChat {
    /// Whose account a login code belongs to.
    ///
    /// # Errors
    /// When the code is not good, or WeChat has trouble.
    pub async fn account(&self, code: &str) -> Result<Account, PlatformError> {
        let mut url = self.session_url.clone();
        url.query_pairs_mut()
            .append_pair("appid", &self.app_id)
            .append_pair("secret", self.secret.reveal())
            .append_pair("js_code", code)
            .append_pair("grant_type", "authorization_code");
        let reply = understood(&self.call(Method::GET, &url, String::new()).await?)?;
        let Reply { openid, unionid, .. } = good(reply)?;
        let id = openid.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| PlatformError::Unavailable("WeChat names no user".to_owned()))?;
        Ok(Account { id, union_id: unionid.filter(|id| !id.is_empty()) })
    }

    /// A mini-program code with a scene, as a `data:` URL.
    ///
    /// # Errors
    /// When WeChat makes none.
    pub async fn picture(&self, scene: &str) -> Result<String, PlatformError> {
        let mut last = PlatformError::Unavailable("no access token of WeChat is good".to_owned());
        // A token can be taken back before its time; then one new token is tried.
        for renew in [false, true] {
            let token = self.access_token(renew).await?;
            let mut url = self.picture_url.clone();
            url.query_pairs_mut().append_pair("access_token", &token);
            let wish = json!({ "scene": scene, "page": self.page, "width": self.width, "check_path": false });
            let answer = self.call(Method::POST, &url, wish.to_string()).await?;
            let kind =
                answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind.starts_with("image/") {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                return Ok(format!("data:{kind};base64,{}", STANDARD.encode(&answer.body)));
            }
            let reply = understood(&answer)?;
            let token_gone = TOKEN_GONE.contains(&reply.errcode);
            match good(reply) {
                Ok(_) => {
                    return Err(PlatformError::Unavailable("WeChat answers without a picture".to_owned()));
                }
                Err(error) if token_gone => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn access_token(&self, renew: bool) -> Result<String, PlatformError> {
        let mut known = self.token.lock().await;
        if let Some((token, until)) = &*known
            && !renew
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let mut url = self.token_url.clone();
        url.query_pairs_mut()
            .append_pair("grant_type", "client_credential")
            .append_pair("appid", &self.app_id)
            .append_pair("secret", self.secret.reveal());
        let reply = understood(&self.call(Method::GET, &url, String::new()).await?)?;
        let Reply { access_token, expires_in, .. } = good(reply)?;
        let token =
            access_token.ok_or_else(|| PlatformError::Unavailable("WeChat gives no token".to_owned()))?;
        let life = Duration::from_secs(expires_in).saturating_sub(MARGIN);
        *known = Some((token.clone(), Instant::now() + life));
        Ok(token)
    }

    async fn call(&self, method: Method, url: &Url, body: String) -> Result<Answer, PlatformError> {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let answer = self.client.call(method, url.as_str(), headers, body).await;
        let answer = answer.map_err(|error| PlatformError::Unavailable(format!("{error}")))?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(PlatformError::Unavailable(format!("WeChat answered {}", answer.status)))
        }
    }
}

fn understood(answer: &Answer) -> Result<Reply, PlatformError> {
    let body: &Bytes = &answer.body;
    serde_json::from_slice(body)
        .map_err(|error| PlatformError::Unavailable(format!("WeChat answered something else: {error}")))
}

fn good(reply: Reply) -> Result<Reply, PlatformError> {
    match reply.errcode {
        0 => Ok(reply),
        code if BUSY.contains(&code) => {
            Err(PlatformError::Unavailable(format!("WeChat: {code} {}", reply.errmsg)))
        }
        code => Err(PlatformError::Refused(format!("WeChat: {code} {}", reply.errmsg))),
    }
}
