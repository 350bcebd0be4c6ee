//! What the environment says about this program.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shop_kit::database::{Database, DatabaseError};
use shop_kit::settings::{Environment, Secret, SettingError};
use shop_wire::identity::MiniLoginCapabilitiesLoginMode;
use thiserror::Error;

use crate::platform::Platforms;
use crate::platform_settings::{self, PlatformSettingsError};
use crate::variables::*;

/// Settings that can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A variable holds something unreadable.
    #[error(transparent)]
    Variable(#[from] SettingError),
    /// The database address can't be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A platform can't be spoken to.
    #[error(transparent)]
    Platforms(#[from] PlatformSettingsError),
}

/// Everything `identity` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where users are kept.
    pub database: Database,
    /// Signs tokens; shared with the services that read them.
    pub jwt_secret: Secret,
    /// Names us in tokens.
    pub jwt_issuer: String,
    /// How long a token is good.
    pub token_ttl: Duration,
    /// Where mini-program users come from.
    pub platforms: Arc<dyn Platforms>,
    /// Whether `seed` empties the tables first.
    pub seed_reset: bool,
}

impl Settings {
    /// Says in the log what is fit for development only.
    pub fn warn(&self) {
        if self.jwt_secret.reveal() == IDENTITY_JWT_SECRET.default {
            tracing::warn!("IDENTITY_JWT_SECRET is the development secret; anybody can sign tokens");
        }
        if self.platforms.capabilities().login_mode == MiniLoginCapabilitiesLoginMode::Mock {
            tracing::warn!("IDENTITY_LOGIN_MODE is mock; anybody can log in as any mini-program user");
        }
    }

    /// Reads the `IDENTITY_*` variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn read(env: &Environment) -> Result<Self, SettingsError> {
        let dsn = env.secret(IDENTITY_DB_DSN);
        let jwt_secret = env.secret(IDENTITY_JWT_SECRET);
        Ok(Self {
            address: env.address(IDENTITY_HTTP_ADDR)?,
            database: Database::at(IDENTITY_DB_DSN.name, &dsn)?,
            jwt_secret,
            jwt_issuer: env.text(IDENTITY_JWT_ISSUER),
            token_ttl: env.duration(IDENTITY_ACCESS_TOKEN_TTL)?,
            platforms: platform_settings::read(env)?,
            seed_reset: env.switch(IDENTITY_SEED_RESET)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_not_repeated() {
        let env = Environment::from_pairs([("IDENTITY_DB_DSN", "mysql://u:hunter2@h/x:y")]);
        let error = Settings::read(&env).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
