//! What the environment says about this program.

use std::net::SocketAddr;
use std::time::Duration;

use shop_kit::database::{Database, DatabaseError};
use shop_kit::settings::{BaseUrl, Environment, Secret, SettingError};
use thiserror::Error;

/// Settings that can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A variable holds something unreadable.
    #[error(transparent)]
    Variable(#[from] SettingError),
    /// The database address can't be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Who is asked whether a caller may do something.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Nobody: every caller is an administrator. For a desk without an identity service.
    Off,
    /// Identity, on each request.
    Identity {
        /// Where it is. Without an address everything that needs a permission is refused.
        base: Option<BaseUrl>,
        /// The secret that tokens are signed with.
        secret: Secret,
        /// Whose tokens count; anybody's when not given.
        issuer: Option<String>,
        /// How long an answer is remembered.
        ttl: Duration,
    },
}

/// Everything `commerce` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where the catalogue is kept.
    pub database: Database,
    /// Who decides what callers may do.
    pub authorization: Authorization,
    /// Where example pictures are said to be.
    pub media_base_url: String,
}

impl Settings {
    /// Reads the `COMMERCE_*` variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn read(env: &Environment) -> Result<Self, SettingsError> {
        let dsn = env.secret(
            "COMMERCE_DB_DSN",
            "postgres://commerce:commerce@localhost:5432/commerce?sslmode=disable",
        );
        let authorization = if env.switch("COMMERCE_AUTH_ENABLED", true)? {
            Authorization::Identity {
                base: env.base_url("COMMERCE_IDENTITY_BASE_URL", "http://localhost:8081")?,
                secret: env.secret("COMMERCE_JWT_SECRET", "dev-secret"),
                issuer: env.optional("COMMERCE_JWT_ISSUER"),
                ttl: env.duration("COMMERCE_AUTHORIZE_TTL", Duration::from_secs(3))?,
            }
        } else {
            tracing::warn!("COMMERCE_AUTH_ENABLED is off; every caller is an administrator");
            Authorization::Off
        };
        Ok(Self {
            address: env.address("COMMERCE_HTTP_ADDR", ":8082")?,
            database: Database::at("COMMERCE_DB_DSN", &dsn)?,
            authorization,
            media_base_url: env
                .text("MEDIA_PUBLIC_BASE_URL", "http://localhost:8080/assets/media")
                .trim_end_matches('/')
                .to_owned(),
        })
    }
}
