//! Feature flags: what identity says, or everything off when it says nothing.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use shop_kit::{ApiError, ApiResult};

use crate::routing::Boundary;
use crate::upstreams::Upstreams;

/// How long identity may take before the flags count as off.
const LIMIT: Duration = Duration::from_secs(2);

/// What is switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureFlags {
    payment_enabled: bool,
    wechat_pay_enabled: bool,
    alipay_pay_enabled: bool,
}

/// Asks identity. A failure is logged and means that everything is off: a feature must not open because its
/// switch can't be read.
pub async fn load(upstreams: &Upstreams, headers: HeaderMap) -> FeatureFlags {
    match ask(upstreams, headers).await {
        Ok(flags) => flags,
        Err(reason) => {
            tracing::warn!(reason, "feature flags can't be read; everything counts as off");
            FeatureFlags::default()
        }
    }
}

/// Asks identity.
///
/// # Errors
/// Why they can't be read, for the log.
pub async fn ask(upstreams: &Upstreams, headers: HeaderMap) -> Result<FeatureFlags, String> {
    let identity = upstreams.get(Boundary::Identity).ok_or("identity has no address")?;
    let asked =
        tokio::time::timeout(LIMIT, upstreams.ask(identity, "/admin/config/feature-flags", headers)).await;
    match asked {
        Ok(Ok(answer)) if answer.status.is_success() => {
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
        }
        Ok(Ok(answer)) => Err(format!("identity answered {}", answer.status)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    }
}

impl FeatureFlags {
    /// Lets a request pass only when all `needed` flags are on.
    ///
    /// # Errors
    /// 403 `feature-disabled` naming the first that is off.
    pub fn require(self, needed: &[String]) -> ApiResult<()> {
        for flag in needed {
            let (on, message) = match flag.as_str() {
                "paymentEnabled" => (self.payment_enabled, "payment is disabled"),
                "wechatPayEnabled" => (self.wechat_pay_enabled, "wechat pay is disabled"),
                "alipayPayEnabled" => (self.alipay_pay_enabled, "alipay is disabled"),
                _ => (false, "this feature is disabled"),
            };
            if !on {
                return Err(ApiError::new(StatusCode::FORBIDDEN, "feature-disabled", message).because(flag));
            }
        }
        Ok(())
    }
}
