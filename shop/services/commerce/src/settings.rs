//! What the environment says about this program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shop_kit::database::{Database, DatabaseError};
use shop_kit::settings::{BaseUrl, Environment, Secret, SettingError};
use thiserror::Error;

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

/// Where files are kept and what their addresses begin with.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// The directory; made when the first file is written.
    pub directory: PathBuf,
    /// What comes before a file's path, without a slash at the end, e.g. `https://shop.example/assets/media`.
    pub base_url: String,
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How often the worker looks for jobs that another instance left behind.
    pub poll: Duration,
    /// How long a job belongs to a worker that gives no sign.
    pub lease: Duration,
    /// How long after it was shipped an order counts as delivered.
    pub delivered_after: Duration,
    /// How often that is looked at.
    pub delivered_every: Duration,
}

/// Everything `commerce` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where everything but files is kept.
    pub database: Database,
    /// Who decides what callers may do.
    pub authorization: Authorization,
    /// Where files are kept.
    pub media: MediaSettings,
    /// What payment shows when it tells about a payment; nobody may when there is none.
    pub sync_token: Option<Secret>,
    /// How often and how long.
    pub timing: Timing,
    /// Whether seeding removes everything first.
    pub seed_reset: bool,
}

impl Settings {
    /// Reads the `COMMERCE_*` variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn read(env: &Environment) -> Result<Self, SettingsError> {
        let dsn = env.secret(COMMERCE_DB_DSN);
        let authorization = if env.switch(COMMERCE_AUTH_ENABLED)? {
            Authorization::Identity {
                base: env.base_url(COMMERCE_IDENTITY_BASE_URL)?,
                secret: env.secret(COMMERCE_JWT_SECRET),
                issuer: env.optional(COMMERCE_JWT_ISSUER),
                ttl: env.duration(COMMERCE_AUTHORIZE_TTL)?,
            }
        } else {
            tracing::warn!("COMMERCE_AUTH_ENABLED is off; every caller is an administrator");
            Authorization::Off
        };
        Ok(Self {
            address: env.address(COMMERCE_HTTP_ADDR)?,
            database: Database::at(COMMERCE_DB_DSN.name, &dsn)?,
            authorization,
            media: MediaSettings {
                directory: env.text(MEDIA_LOCAL_OUTPUT_DIR).into(),
                base_url: env.text(MEDIA_PUBLIC_BASE_URL).trim_end_matches('/').to_owned(),
            },
            sync_token: env.optional(COMMERCE_INTERNAL_SYNC_TOKEN).map(Secret::new),
            timing: Timing {
                poll: env.duration(COMMERCE_JOBS_EVERY)?,
                lease: env.duration(COMMERCE_JOBS_LEASE)?,
                delivered_after: env.duration(COMMERCE_AUTO_DELIVERY_AFTER)?,
                delivered_every: env.duration(COMMERCE_AUTO_DELIVERY_EVERY)?,
            },
            seed_reset: env.switch(COMMERCE_SEED_RESET)?,
        })
    }
}
