//! For development: the login code is the account, so that anybody logs in as whom they like.

use async_trait::async_trait;
use shop_wire::common::Platform;
use shop_wire::identity::{
    MiniLoginCapabilities, MiniLoginCapabilitiesLoginMode, MiniLoginPlatformCapabilities,
};

use super::{Account, PlatformError, Platforms, picture};

/// Platforms that believe everything.
#[derive(Debug, Clone, Copy)]
pub struct Mock;

#[async_trait]
impl Platforms for Mock {
    async fn account(&self, _: Platform, code: &str) -> Result<Account, PlatformError> {
        Ok(Account { id: code.to_owned(), union_id: None })
    }

    async fn picture(&self, _: Platform, scene: &str) -> Result<String, PlatformError> {
        picture::data_url(&format!("tmo://sales-bind?scene={scene}"))
            .map_err(|error| PlatformError::Unavailable(error.to_string()))
    }

    fn capabilities(&self) -> MiniLoginCapabilities {
        let nothing = MiniLoginPlatformCapabilities {
            real_phone_login_ready: false,
            phone_proof_simulation_enabled: false,
            missing: Vec::new(),
        };
        MiniLoginCapabilities {
            login_mode: MiniLoginCapabilitiesLoginMode::Mock,
            weapp: nothing.clone(),
            alipay: nothing,
        }
    }
}
