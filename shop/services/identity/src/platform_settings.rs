//! What the environment says about the mini-program platforms.

use std::sync::Arc;
use std::time::Duration;

use provider_kit::alipay::Gateway;
use provider_kit::http::ProviderClient;
use provider_kit::keys::{KeyError, SigningKey, VerifyingKey};
use shop_kit::settings::{Environment, SettingError, Variable};
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use crate::platform::Platforms;
use crate::platform::alipay::Alipay;
use crate::platform::mock::Mock;
use crate::platform::real::{Configured, Real};
use crate::platform::weapp::WeChat;
use crate::variables::*;

/// How long a platform may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Platforms that can't be spoken to. The program stops before it opens a port.
#[derive(Debug, Error)]
pub enum PlatformSettingsError {
    /// A variable holds something unreadable.
    #[error(transparent)]
    Variable(#[from] SettingError),
    /// A login mode that does not exist.
    #[error("IDENTITY_LOGIN_MODE is `{0}`; nothing was started. Set IDENTITY_LOGIN_MODE to mock or real")]
    Mode(String),
    /// Another way of signing.
    #[error("IDENTITY_ALIPAY_SIGN_TYPE is `{0}`; nothing was started. RSA2 is the one that Alipay asks for")]
    SignType(String),
    /// Not an address of HTTP.
    #[error("{name} is not an http:// or https:// address; nothing was started")]
    Address {
        /// The variable.
        name: &'static str,
    },
    /// A key that can't be used.
    #[error("{name} can't be used: {source}; nothing was started")]
    Key {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        source: KeyError,
    },
    /// No trust in anybody's certificate.
    #[error("the system's certificates can't be read; nothing was started. Install them (ca-certificates)")]
    Trust(#[source] std::io::Error),
}

/// Where mini-program users come from.
///
/// # Errors
/// When a variable can't be used.
pub fn read(env: &Environment) -> Result<Arc<dyn Platforms>, PlatformSettingsError> {
    let mode = env.text(IDENTITY_LOGIN_MODE);
    let weapp = weapp(env)?;
    let alipay = alipay(env)?;
    match mode.trim() {
        "mock" => Ok(Arc::new(Mock)),
        "real" => {
            let client = ProviderClient::new(LIMIT).map_err(PlatformSettingsError::Trust)?;
            Ok(Arc::new(Real {
                weapp: weapp.map(|with| with(client.clone())),
                alipay: alipay.map(|with| with(client)),
            }))
        }
        other => Err(PlatformSettingsError::Mode(other.to_owned())),
    }
}

/// What is made of a platform's settings once there is a client for it.
type Prepared<T> = Configured<Box<dyn FnOnce(ProviderClient) -> T>>;

fn weapp(env: &Environment) -> Result<Prepared<WeChat>, PlatformSettingsError> {
    let (id, secret) = (env.optional(IDENTITY_WEAPP_APPID), env.optional(IDENTITY_WEAPP_APPSECRET));
    let secret = secret.map(shop_kit::settings::Secret::new);
    let missing = missing(&[
        (IDENTITY_WEAPP_APPID.name, id.is_some()),
        (IDENTITY_WEAPP_APPSECRET.name, secret.is_some()),
    ]);
    let session_url = address(env, IDENTITY_WEAPP_SESSION_URL)?;
    let token_url = address(env, IDENTITY_WEAPP_TOKEN_URL)?;
    let picture_url = address(env, IDENTITY_WEAPP_QRCODE_URL)?;
    let page = env.text(IDENTITY_WEAPP_SALES_QR_PAGE);
    let width = env.number(IDENTITY_WEAPP_QR_WIDTH)?;
    let (Some(app_id), Some(secret)) = (id, secret) else { return Ok(Err(missing)) };
    Ok(Ok(Box::new(move |client| WeChat {
        client,
        app_id,
        secret,
        session_url,
        token_url,
        picture_url,
        page,
        width,
        token: Mutex::new(None),
    })))
}

fn alipay(env: &Environment) -> Result<Prepared<Alipay>, PlatformSettingsError> {
    let id = env.optional(IDENTITY_ALIPAY_APP_ID);
    let key = env.optional(IDENTITY_ALIPAY_PRIVATE_KEY);
    let platform = env.optional(IDENTITY_ALIPAY_PUBLIC_KEY);
    let missing = missing(&[
        (IDENTITY_ALIPAY_APP_ID.name, id.is_some()),
        (IDENTITY_ALIPAY_PRIVATE_KEY.name, key.is_some()),
        (IDENTITY_ALIPAY_PUBLIC_KEY.name, platform.is_some()),
    ]);
    let gateway_url = address(env, IDENTITY_ALIPAY_GATEWAY_URL)?;
    let sign_type = env.text(IDENTITY_ALIPAY_SIGN_TYPE);
    if sign_type.trim() != "RSA2" {
        return Err(PlatformSettingsError::SignType(sign_type));
    }
    let page = env.text(IDENTITY_ALIPAY_SALES_QR_PAGE);
    let (Some(app_id), Some(key), Some(platform)) = (id, key, platform) else { return Ok(Err(missing)) };
    let unusable = |name| move |source| PlatformSettingsError::Key { name, source };
    let key = SigningKey::read(&key).map_err(unusable(IDENTITY_ALIPAY_PRIVATE_KEY.name))?;
    let platform = VerifyingKey::read(&platform).map_err(unusable(IDENTITY_ALIPAY_PUBLIC_KEY.name))?;
    Ok(Ok(Box::new(move |client| Alipay {
        gateway: Gateway { client, app_id, key, platform, url: gateway_url },
        page,
    })))
}

fn missing(settings: &[(&'static str, bool)]) -> Vec<&'static str> {
    settings.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect()
}

fn address(env: &Environment, variable: Variable) -> Result<Url, PlatformSettingsError> {
    let url = Url::parse(env.text(variable).trim()).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(PlatformSettingsError::Address { name: variable.name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_the_start() {
        let check = |pairs: &[(&str, &str)], expect: &str| {
            let error = read(&Environment::from_pairs(pairs.iter().copied())).unwrap_err();
            assert_eq!(error.to_string(), expect, "{pairs:?}");
        };
        check(
            &[("IDENTITY_LOGIN_MODE", "fake")],
            "IDENTITY_LOGIN_MODE is `fake`; nothing was started. Set IDENTITY_LOGIN_MODE to mock or real",
        );
        check(
            &[("IDENTITY_WEAPP_TOKEN_URL", "ftp://x")],
            "IDENTITY_WEAPP_TOKEN_URL is not an http:// or https:// address; nothing was started",
        );
        check(
            &[("IDENTITY_ALIPAY_SIGN_TYPE", "RSA")],
            "IDENTITY_ALIPAY_SIGN_TYPE is `RSA`; nothing was started. RSA2 is the one that Alipay asks for",
        );
        let keys = [
            ("IDENTITY_ALIPAY_APP_ID", "1"),
            ("IDENTITY_ALIPAY_PRIVATE_KEY", "hunter2!"),
            ("IDENTITY_ALIPAY_PUBLIC_KEY", "x"),
        ];
        check(
            &keys,
            "IDENTITY_ALIPAY_PRIVATE_KEY can't be used: it is neither PEM nor base64; nothing was started",
        );
    }

    #[test]
    fn a_platform_says_what_it_lacks() {
        let env = Environment::from_pairs([("IDENTITY_LOGIN_MODE", "real"), ("IDENTITY_WEAPP_APPID", "wx1")]);
        let capabilities = read(&env).unwrap().capabilities();
        assert_eq!(capabilities.weapp.missing, ["IDENTITY_WEAPP_APPSECRET"]);
        assert_eq!(capabilities.alipay.missing.len(), 3);
    }
}
