//! The platforms themselves. One that lacks settings refuses its logins and says in
//! `GET /auth/mini/capabilities` which.

use async_trait::async_trait;
use shop_wire::common::Platform;
use shop_wire::identity::{
    MiniLoginCapabilities, MiniLoginCapabilitiesLoginMode, MiniLoginPlatformCapabilities,
};

use super::alipay::Alipay;
use super::weapp::WeChat;
use super::{Account, PlatformError, Platforms};

/// A platform, or the settings that are missing for it.
pub type Configured<T> = Result<T, Vec<&'static str>>;

/// WeChat and Alipay, as far as they are configured.
#[derive(Debug)]
pub struct Real {
    /// WeChat.
    pub weapp: Configured<WeChat>,
    /// Alipay.
    pub alipay: Configured<Alipay>,
}

fn usable<T>(platform: &Configured<T>) -> Result<&T, PlatformError> {
    platform.as_ref().map_err(|missing| PlatformError::Refused(format!("{} is not set", missing.join(", "))))
}

fn capabilities<T>(platform: &Configured<T>) -> MiniLoginPlatformCapabilities {
    let missing = platform.as_ref().err().cloned().unwrap_or_default();
    MiniLoginPlatformCapabilities {
        // Phone numbers are not asked of the platforms.
        real_phone_login_ready: false,
        phone_proof_simulation_enabled: false,
        missing: missing.into_iter().map(str::to_owned).collect(),
    }
}

#[async_trait]
impl Platforms for Real {
    async fn account(&self, platform: Platform, code: &str) -> Result<Account, PlatformError> {
        match platform {
            Platform::Weapp => usable(&self.weapp)?.account(code).await,
            Platform::Alipay => usable(&self.alipay)?.account(code).await,
        }
    }

    async fn picture(&self, platform: Platform, scene: &str) -> Result<String, PlatformError> {
        match platform {
            Platform::Weapp => usable(&self.weapp)?.picture(scene).await,
            Platform::Alipay => usable(&self.alipay)?.picture(scene).await,
        }
    }

    fn capabilities(&self) -> MiniLoginCapabilities {
        MiniLoginCapabilities {
            login_mode: MiniLoginCapabilitiesLoginMode::Real,
            weapp: capabilities(&self.weapp),
            alipay: capabilities(&self.alipay),
        }
    }
}
