//! Alipay's mini-program platform: login codes and mini-program codes.
//!
//! Alipay's open platform: `alipay.system.oauth.token` and `alipay.open.app.qrcode.create`.

use provider_kit::alipay::{Gateway, GatewayError};
use serde::Deserialize;
use serde_json::json;

use super::{Account, PlatformError};

/// Trouble of Alipay's own; every other refusal is about what was asked.
const TROUBLE: &str = "20000";

/// The platform, with our keys.
#[derive(Debug)]
pub struct Alipay {
    /// Asks it.
    pub gateway: Gateway,
    /// The page that a scanned code opens.
    pub page: String,
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
        let Token { open_id, user_id, union_id } =
            self.gateway.ask("alipay.system.oauth.token", &values).await?;
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
        let values = [("biz_content", wish.to_string())];
        let picture: Picture = self.gateway.ask("alipay.open.app.qrcode.create", &values).await?;
        Ok(picture.qr_code_url)
    }
}

impl From<GatewayError> for PlatformError {
    fn from(error: GatewayError) -> Self {
        match &error {
            GatewayError::Refused(refusal) if refusal.code.as_deref() != Some(TROUBLE) => {
                Self::Refused(format!("Alipay: {error}"))
            }
            _ => Self::Unavailable(format!("Alipay: {error}")),
        }
    }
}
