//! Feature flags: what identity says, remembered for a moment; the environment while it says nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use shop_kit::client::HttpClient;
use shop_kit::layers::REQUEST_ID;
use shop_kit::{ApiError, ApiResult};
use shop_wire::call::Caller;
use shop_wire::client::IdentityClient;

use crate::provider::Channel;
use crate::settings::Flags;

/// What is switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeatureFlags {
    /// Anything at all.
    pub payment_enabled: bool,
    /// WeChat Pay.
    pub wechat_pay_enabled: bool,
    /// Alipay.
    pub alipay_pay_enabled: bool,
}

impl FeatureFlags {
    /// Lets a payment over `channel` pass only when it is switched on.
    ///
    /// # Errors
    /// 403 `feature-disabled`.
    pub fn require(self, channel: Channel) -> ApiResult<()> {
        let off =
            |message: &'static str| Err(ApiError::new(StatusCode::FORBIDDEN, "feature-disabled", message));
        match channel {
            _ if !self.payment_enabled => off("payment is disabled"),
            Channel::WeChat if !self.wechat_pay_enabled => off("wechat pay is disabled"),
            Channel::Alipay if !self.alipay_pay_enabled => off("alipay is disabled"),
            Channel::WeChat | Channel::Alipay => Ok(()),
        }
    }
}

/// Asks identity.
#[derive(Debug, Clone)]
pub struct FlagReader {
    identity: Option<IdentityClient>,
    ttl: Duration,
    fallback: FeatureFlags,
    known: Arc<Mutex<Option<(Instant, FeatureFlags)>>>,
}

impl FlagReader {
    /// A reader as configured.
    pub fn new(settings: Flags) -> Self {
        let Flags { identity, timeout, ttl, fallback } = settings;
        let identity =
            identity.map(|base| IdentityClient::new(Caller::new(base, HttpClient::new(), timeout)));
        Self { identity, ttl, fallback, known: Arc::default() }
    }

    /// What is switched on now.
    pub async fn read(&self, request_id: Option<&HeaderValue>) -> FeatureFlags {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, flags)) = known
            && since.elapsed() < self.ttl
        {
            return flags;
        }
        match self.ask(request_id).await {
            Ok(flags) => {
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), flags));
                flags
            }
            Err(reason) => {
                tracing::warn!(reason, "feature flags can't be read; those of the environment count");
                self.fallback
            }
        }
    }

    async fn ask(&self, request_id: Option<&HeaderValue>) -> Result<FeatureFlags, String> {
        let identity = self.identity.as_ref().ok_or("PAYMENT_IDENTITY_BASE_URL is empty")?;
        let mut headers = HeaderMap::new();
        if let Some(id) = request_id {
            headers.insert(REQUEST_ID, id.clone());
        }
        let flags =
            identity.get_admin_config_feature_flags(&headers).await.map_err(|error| error.to_string())?;
        let shop_wire::common::FeatureFlags { payment_enabled, wechat_pay_enabled, alipay_pay_enabled } =
            flags;
        Ok(FeatureFlags { payment_enabled, wechat_pay_enabled, alipay_pay_enabled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open() {
        let check = |on: [bool; 3], wechat: &str, alipay: &str| {
            let flags =
                FeatureFlags { payment_enabled: on[0], wechat_pay_enabled: on[1], alipay_pay_enabled: on[2] };
            let said =
                |channel| flags.require(channel).map_or_else(|e| e.message.to_string(), |()| "open".into());
            assert_eq!((said(Channel::WeChat).as_str(), said(Channel::Alipay).as_str()), (wechat, alipay));
        };
        check([false, true, true], "payment is disabled", "payment is disabled");
        check([true, false, false], "wechat pay is disabled", "alipay is disabled");
        check([true, true, false], "open", "alipay is disabled");
        check([true, true, true], "open", "open");
    }
}
