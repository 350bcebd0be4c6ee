//! What the environment says about the payment providers.
//!
//! A channel is configured when its keys are all there; some of them without the others stop the start, because a
//! channel that is half configured is a mistake that customers would find.

use provider_kit::alipay::Gateway;
use shop_kit::settings::{Environment, Secret, SettingError, Variable};
use thiserror::Error;
use url::Url;

use crate::alipay::Alipay;
use crate::http::ProviderClient;
use crate::keys::{KeyError, SigningKey, VerifyingKey};
use crate::provider::Providers;
use crate::variables::*;
use crate::wechat::WeChat;
use crate::wechat::sign::{API_KEY_LENGTH, Merchant, Platform};

/// Providers that can't be spoken to. The program stops before it opens a port.
#[derive(Debug, Error)]
pub enum ProviderSettingsError {
    /// A variable holds something unreadable.
    #[error(transparent)]
    Variable(#[from] SettingError),
    /// A mode that does not exist.
    #[error("PAYMENT_PROVIDER_MODE is `{0}`; nothing was started. Set it to mock or live, or leave it out")]
    Mode(String),
    /// Live, and nobody to be live with.
    #[error(
        "PAYMENT_PROVIDER_MODE is live and no provider has keys; nothing was started. Set the PAYMENT_WECHAT_* or the \
         PAYMENT_ALIPAY_* variables, or PAYMENT_PROVIDER_MODE=mock"
    )]
    Nobody,
    /// Some of the variables of a channel, but not all.
    #[error("{channel} is configured in part; nothing was started. Set {} too, or none of them", missing.join(", "))]
    Partial {
        /// The channel.
        channel: &'static str,
        /// What is missing.
        missing: Vec<&'static str>,
    },
    /// A key that can't be used.
    #[error(
        "{name} can't be used: {source}; nothing was started. Give it the PEM text, or @ and the path of a file"
    )]
    Key {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A file that can't be read.
    #[error("the file that {name} names can't be read; nothing was started")]
    File {
        /// The variable.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A value of another form.
    #[error("{name} is not {expected}; nothing was started")]
    Form {
        /// The variable.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A public key whose name is not known.
    #[error(
        "PAYMENT_WECHAT_PLATFORM_KEY holds a public key; nothing was started. Say in PAYMENT_WECHAT_PLATFORM_KEY_ID \
         what WeChat calls it (PUB_KEY_ID_…)"
    )]
    Nameless,
    /// No trust in anybody's certificate.
    #[error("the system's certificates can't be read; nothing was started. Install them (ca-certificates)")]
    Trust(#[source] std::io::Error),
}

const WECHAT: [Variable; 7] = [
    PAYMENT_WECHAT_APP_ID,
    PAYMENT_WECHAT_APP_SECRET,
    PAYMENT_WECHAT_MCH_ID,
    PAYMENT_WECHAT_SERIAL_NO,
    PAYMENT_WECHAT_PRIVATE_KEY,
    PAYMENT_WECHAT_API_V3_KEY,
    PAYMENT_WECHAT_PLATFORM_KEY,
];

const ALIPAY: [Variable; 3] = [PAYMENT_ALIPAY_APP_ID, PAYMENT_ALIPAY_PRIVATE_KEY, PAYMENT_ALIPAY_PUBLIC_KEY];

/// Reads who moves the money: those that have keys, or nobody.
///
/// # Errors
/// When a variable can't be used, or one is missing.
pub fn read(env: &Environment) -> Result<Providers, ProviderSettingsError> {
    let mode = env.optional(PAYMENT_PROVIDER_MODE);
    match mode.as_deref() {
        Some("mock") => return Ok(Providers::Mock),
        None | Some("live") => {}
        Some(other) => return Err(ProviderSettingsError::Mode(other.to_owned())),
    }
    let (with_wechat, with_alipay) =
        (complete(env, "WeChat Pay", &WECHAT)?, complete(env, "Alipay", &ALIPAY)?);
    if !with_wechat && !with_alipay {
        return if mode.is_some() { Err(ProviderSettingsError::Nobody) } else { Ok(Providers::Mock) };
    }
    let limit = env.duration(PAYMENT_PROVIDER_TIMEOUT)?;
    let client = ProviderClient::new(limit).map_err(ProviderSettingsError::Trust)?;
    let public = url(env, PAYMENT_PUBLIC_BASE_URL)?;
    let report_to = |path: &str| format!("{}{path}", public.as_str().trim_end_matches('/'));
    let wechat = if with_wechat {
        Some(Box::new(wechat(env, client.clone(), report_to("/payments/wechat/notify"))?))
    } else {
        None
    };
    let alipay = if with_alipay {
        Some(Box::new(alipay(env, client, report_to("/payments/alipay/notify"))?))
    } else {
        None
    };
    Ok(Providers::Live { wechat, alipay })
}

fn complete(
    env: &Environment,
    channel: &'static str,
    variables: &[Variable],
) -> Result<bool, ProviderSettingsError> {
    let missing = variables.iter().filter(|variable| env.optional(**variable).is_none());
    let missing: Vec<_> = missing.map(|variable| variable.name).collect();
    if missing.is_empty() {
        Ok(true)
    } else if missing.len() == variables.len() {
        Ok(false)
    } else {
        Err(ProviderSettingsError::Partial { channel, missing })
    }
}

fn wechat(
    env: &Environment,
    client: ProviderClient,
    notify_url: String,
) -> Result<WeChat, ProviderSettingsError> {
    let key = env.text(PAYMENT_WECHAT_API_V3_KEY);
    let api_key: [u8; API_KEY_LENGTH] = key.trim().as_bytes().try_into().map_err(|_| {
        ProviderSettingsError::Form { name: PAYMENT_WECHAT_API_V3_KEY.name, expected: "a text of 32 bytes" }
    })?;
    let named = env.optional(PAYMENT_WECHAT_PLATFORM_KEY_ID);
    let platform = keys(env, PAYMENT_WECHAT_PLATFORM_KEY)?
        .into_iter()
        .map(|(key, serial)| Some((serial.or_else(|| named.clone())?, key)))
        .collect::<Option<Vec<_>>>()
        .ok_or(ProviderSettingsError::Nameless)?;
    Ok(WeChat {
        client,
        app_id: env.optional(PAYMENT_WECHAT_APP_ID).unwrap_or_default(),
        app_secret: env.secret(PAYMENT_WECHAT_APP_SECRET),
        merchant: Merchant {
            id: word(env, PAYMENT_WECHAT_MCH_ID)?,
            serial: word(env, PAYMENT_WECHAT_SERIAL_NO)?,
            key: private_key(env, PAYMENT_WECHAT_PRIVATE_KEY)?,
        },
        platform: Platform(platform),
        api_key,
        api_url: url(env, PAYMENT_WECHAT_API_URL)?,
        session_url: url(env, PAYMENT_WECHAT_SESSION_URL)?,
        notify_url,
    })
}

fn alipay(
    env: &Environment,
    client: ProviderClient,
    notify_url: String,
) -> Result<Alipay, ProviderSettingsError> {
    let variable = PAYMENT_ALIPAY_PUBLIC_KEY;
    let platform = VerifyingKey::read(&text(env, variable)?);
    let gateway = Gateway {
        client,
        app_id: env.optional(PAYMENT_ALIPAY_APP_ID).unwrap_or_default(),
        key: private_key(env, PAYMENT_ALIPAY_PRIVATE_KEY)?,
        platform: platform.map_err(unusable(variable))?,
        url: url(env, PAYMENT_ALIPAY_GATEWAY_URL)?,
    };
    Ok(Alipay { gateway, notify_url })
}

/// The value of a variable, or of the file that it names with an `@`.
fn text(env: &Environment, variable: Variable) -> Result<String, ProviderSettingsError> {
    let value = env.optional(variable).unwrap_or_default();
    match value.strip_prefix('@') {
        Some(path) => {
            let name = variable.name;
            std::fs::read_to_string(path).map_err(|source| ProviderSettingsError::File { name, source })
        }
        None => Ok(value),
    }
}

fn unusable(variable: Variable) -> impl FnOnce(KeyError) -> ProviderSettingsError {
    move |source| ProviderSettingsError::Key { name: variable.name, source }
}

fn private_key(env: &Environment, variable: Variable) -> Result<SigningKey, ProviderSettingsError> {
    let text = Secret::new(text(env, variable)?);
    SigningKey::read(text.reveal()).map_err(unusable(variable))
}

fn keys(
    env: &Environment,
    variable: Variable,
) -> Result<Vec<(VerifyingKey, Option<String>)>, ProviderSettingsError> {
    VerifyingKey::read_all(&text(env, variable)?).map_err(unusable(variable))
}

/// A value that goes into a header between quotes.
fn word(env: &Environment, variable: Variable) -> Result<String, ProviderSettingsError> {
    let value = env.optional(variable).unwrap_or_default();
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(value)
    } else {
        Err(ProviderSettingsError::Form { name: variable.name, expected: "made of letters and digits" })
    }
}

fn url(env: &Environment, variable: Variable) -> Result<Url, ProviderSettingsError> {
    let url = Url::parse(env.text(variable).trim()).ok();
    url.filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none())
        .ok_or(ProviderSettingsError::Form {
            name: variable.name,
            expected: "an https:// address without a query",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> String {
        match read(&Environment::from_pairs(pairs.iter().copied())) {
            Ok(Providers::Mock) => "mock".to_owned(),
            Ok(Providers::Live { wechat, alipay }) => {
                format!("live: wechat {}, alipay {}", wechat.is_some(), alipay.is_some())
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_started_with() {
        let key = include_str!("../tests/keys/merchant.pem");
        let public = include_str!("../tests/keys/platform.pub.pem");
        let certificate = include_str!("../tests/keys/platform.crt");
        let alipay = [
            ("PAYMENT_PUBLIC_BASE_URL", "https://shop.example.com"),
            ("PAYMENT_ALIPAY_APP_ID", "2021"),
            ("PAYMENT_ALIPAY_PRIVATE_KEY", key),
            ("PAYMENT_ALIPAY_PUBLIC_KEY", public),
        ];
        let wechat = [
            ("PAYMENT_PUBLIC_BASE_URL", "https://shop.example.com"),
            ("PAYMENT_WECHAT_APP_ID", "wx1"),
            ("PAYMENT_WECHAT_APP_SECRET", "s"),
            ("PAYMENT_WECHAT_MCH_ID", "19"),
            ("PAYMENT_WECHAT_SERIAL_NO", "ABC"),
            ("PAYMENT_WECHAT_PRIVATE_KEY", key),
            ("PAYMENT_WECHAT_API_V3_KEY", "0123456789abcdef0123456789abcdef"),
            ("PAYMENT_WECHAT_PLATFORM_KEY", certificate),
        ];
        let with = |base: &[(&'static str, &'static str)], more: &[(&'static str, &'static str)]| {
            said(&[base, more].concat())
        };
        assert_eq!(said(&[]), "mock");
        assert_eq!(with(&alipay, &[]), "live: wechat false, alipay true");
        assert_eq!(with(&wechat, &[]), "live: wechat true, alipay false");
        assert_eq!(with(&wechat, &alipay), "live: wechat true, alipay true");
        assert_eq!(with(&wechat, &[("PAYMENT_PROVIDER_MODE", "mock")]), "mock");
        assert_eq!(
            said(&[("PAYMENT_PROVIDER_MODE", "real")]),
            "PAYMENT_PROVIDER_MODE is `real`; nothing was started. Set it to mock or live, or leave it out"
        );
        assert!(said(&[("PAYMENT_PROVIDER_MODE", "live")]).contains("no provider has keys"));
        assert_eq!(
            said(&alipay[1..2]),
            "Alipay is configured in part; nothing was started. Set PAYMENT_ALIPAY_PRIVATE_KEY, \
             PAYMENT_ALIPAY_PUBLIC_KEY too, or none of them"
        );
        assert_eq!(
            said(&alipay[1..]),
            "PAYMENT_PUBLIC_BASE_URL is not an https:// address without a query; nothing was started"
        );
        assert_eq!(
            with(&wechat, &[("PAYMENT_WECHAT_API_V3_KEY", "short")]),
            "PAYMENT_WECHAT_API_V3_KEY is not a text of 32 bytes; nothing was started"
        );
        assert_eq!(
            with(&wechat, &[("PAYMENT_WECHAT_PRIVATE_KEY", "hunter2")]),
            "PAYMENT_WECHAT_PRIVATE_KEY can't be used: it is neither PEM nor base64; nothing was started. Give it the \
             PEM text, or @ and the path of a file"
        );
        assert!(with(&wechat, &[("PAYMENT_WECHAT_PRIVATE_KEY", "@/nowhere")]).contains("can't be read"));
        assert!(with(&wechat, &[("PAYMENT_WECHAT_MCH_ID", "1\",x=\"")]).contains("letters and digits"));
        assert!(with(&wechat, &[("PAYMENT_WECHAT_PLATFORM_KEY", public)]).contains("KEY_ID"));
        let named =
            [("PAYMENT_WECHAT_PLATFORM_KEY", public), ("PAYMENT_WECHAT_PLATFORM_KEY_ID", "PUB_KEY_ID_1")];
        assert_eq!(with(&wechat, &named), "live: wechat true, alipay false");
    }
}
