//! What the environment says about this program.

use std::net::SocketAddr;
use std::time::Duration;

use shop_kit::database::{Database, DatabaseError};
use shop_kit::settings::{BaseUrl, Environment, Secret, SettingError};
use thiserror::Error;

use crate::flags::FeatureFlags;
use crate::provider::Providers;
use crate::provider_settings::{self, ProviderSettingsError};
use crate::recheck::Recheck;
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
    /// The providers can't be spoken to.
    #[error(transparent)]
    Providers(#[from] ProviderSettingsError),
}

/// Who may call.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Everybody. For a desk without an identity service.
    Off,
    /// Whoever has a token.
    Token {
        /// The secret that tokens are signed with.
        secret: Secret,
        /// Whose tokens count; anybody's when not given.
        issuer: Option<String>,
    },
}

/// Where the feature flags come from.
#[derive(Debug, Clone)]
pub struct Flags {
    /// Who knows them; without an address only the environment does.
    pub identity: Option<BaseUrl>,
    /// How long identity may take.
    pub timeout: Duration,
    /// How long its answer is believed.
    pub ttl: Duration,
    /// What counts while identity says nothing.
    pub fallback: FeatureFlags,
}

/// Where orders are, and how they hear of payments.
#[derive(Debug, Clone)]
pub struct Commerce {
    /// Without an address nothing can be paid.
    pub base: Option<BaseUrl>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Shown to commerce with each report.
    pub token: Secret,
    /// How often what is still to be reported is looked for.
    pub every: Duration,
}

/// Whose notifications about mock payments count. No money moves, but orders are delivered for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MockNotifications {
    /// Nobody's.
    Refused,
    /// Anybody's. For development and tests.
    Anonymous,
}

/// Everything `payment` can be told.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where payments are kept.
    pub database: Database,
    /// Who may call.
    pub authentication: Authentication,
    /// Where the feature flags come from.
    pub flags: Flags,
    /// Where orders are.
    pub commerce: Commerce,
    /// Who moves the money.
    pub providers: Providers,
    /// Whose notifications count while nobody moves money.
    pub mock_notifications: MockNotifications,
    /// When providers are asked about payments that nobody has reported.
    pub recheck: Recheck,
    /// How long a session can be paid.
    pub session_ttl: Duration,
    /// Whether `seed` empties the tables.
    pub seed_reset: bool,
}

impl Settings {
    /// Reads the `PAYMENT_*` variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn read(env: &Environment) -> Result<Self, SettingsError> {
        let dsn = env.secret(PAYMENT_DB_DSN);
        let authentication = if env.switch(PAYMENT_AUTH_ENABLED)? {
            Authentication::Token {
                secret: env.secret(PAYMENT_JWT_SECRET),
                issuer: env.optional(PAYMENT_JWT_ISSUER),
            }
        } else {
            Authentication::Off
        };
        Ok(Self {
            address: env.address(PAYMENT_HTTP_ADDR)?,
            database: Database::at(PAYMENT_DB_DSN.name, &dsn)?,
            authentication,
            flags: Flags {
                identity: env.base_url(PAYMENT_IDENTITY_BASE_URL)?,
                timeout: env.duration(PAYMENT_FEATURE_FLAGS_TIMEOUT)?,
                ttl: env.duration(PAYMENT_FEATURE_FLAGS_TTL)?,
                fallback: FeatureFlags {
                    payment_enabled: env.switch(PAYMENT_ENABLED)?,
                    wechat_pay_enabled: env.switch(PAYMENT_WECHAT_PAY_ENABLED)?,
                    alipay_pay_enabled: env.switch(PAYMENT_ALIPAY_PAY_ENABLED)?,
                },
            },
            commerce: Commerce {
                base: env.base_url(PAYMENT_COMMERCE_BASE_URL)?,
                timeout: env.duration(PAYMENT_COMMERCE_TIMEOUT)?,
                token: env.secret(PAYMENT_COMMERCE_SYNC_TOKEN),
                every: env.duration(PAYMENT_SYNC_EVERY)?,
            },
            providers: provider_settings::read(env)?,
            mock_notifications: match env.switch(PAYMENT_MOCK_NOTIFY_ANONYMOUS)? {
                true => MockNotifications::Anonymous,
                false => MockNotifications::Refused,
            },
            recheck: Recheck {
                after: env.duration(PAYMENT_RECHECK_AFTER)?,
                every: env.duration(PAYMENT_RECHECK_EVERY)?,
            },
            session_ttl: env.duration(PAYMENT_SESSION_TTL)?,
            seed_reset: env.switch(PAYMENT_SEED_RESET)?,
        })
    }

    /// Says in the log what is fit for development only.
    pub fn warn(&self) {
        match &self.authentication {
            Authentication::Off => {
                tracing::warn!("PAYMENT_AUTH_ENABLED is off; everybody may open payments");
            }
            Authentication::Token { secret, .. } if secret.reveal() == PAYMENT_JWT_SECRET.default => {
                tracing::warn!("PAYMENT_JWT_SECRET is the development secret; anybody can sign tokens");
            }
            Authentication::Token { .. } => {}
        }
        if self.commerce.token.reveal() == PAYMENT_COMMERCE_SYNC_TOKEN.default {
            tracing::warn!(
                "PAYMENT_COMMERCE_SYNC_TOKEN is the development token; anybody can report payments"
            );
        }
        if matches!(self.providers, Providers::Mock) {
            tracing::warn!("no provider has keys: payments are a mock, no money moves");
            if self.mock_notifications == MockNotifications::Anonymous {
                tracing::warn!(
                    "PAYMENT_MOCK_NOTIFY_ANONYMOUS is on; anybody can report a mock payment as paid"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_open_unless_it_is_said() {
        let settings = Settings::read(&Environment::default()).unwrap();
        assert!(matches!(settings.authentication, Authentication::Token { .. }));
        assert_eq!(settings.flags.fallback, FeatureFlags::default());
        assert!(matches!(settings.providers, Providers::Mock));
        assert_eq!(settings.mock_notifications, MockNotifications::Refused);
    }

    #[test]
    fn secrets_are_not_printed() {
        let env = Environment::from_pairs([
            ("PAYMENT_JWT_SECRET", "hunter2"),
            ("PAYMENT_COMMERCE_SYNC_TOKEN", "hunter2"),
            ("PAYMENT_DB_DSN", "postgres://u:hunter2@h/x"),
        ]);
        let Settings { authentication, commerce, .. } = Settings::read(&env).unwrap();
        let printed = format!("{authentication:?} {commerce:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
