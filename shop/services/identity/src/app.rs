//! The routes of identity and what their handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use shop_kit::contract::{ContractError, Unbuilt};
use shop_kit::database::ping;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::token::TokenKey;
use sqlx::PgPool;

use crate::settings::Settings;
use crate::{access, flags, login, me};

/// The contracts this service has a part in, as they were when the program was built.
const CONTRACTS: [(&str, &str); 2] = [
    ("identity", include_str!("../../../contracts/openapi/identity.yaml")),
    ("admin", include_str!("../../../contracts/openapi/admin.yaml")),
];

/// What every handler needs.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    key: TokenKey,
    issuer: String,
    token_ttl: Duration,
}

impl App {
    /// An application on its database.
    pub fn new(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool: settings.database.pool(),
                key: TokenKey::new(settings.jwt_secret),
                issuer: settings.jwt_issuer,
                token_ttl: settings.token_ttl,
            }),
        }
    }

    /// The database.
    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    /// Signs and verifies tokens.
    pub fn key(&self) -> &TokenKey {
        &self.inner.key
    }

    /// Names us in tokens.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// How long a token is good.
    pub fn token_ttl(&self) -> Duration {
        self.inner.token_ttl
    }
}

/// All routes, dressed.
///
/// # Errors
/// When an embedded contract can't be read.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let unbuilt = Unbuilt::of("identity", &CONTRACTS)?;
    let pool = app.pool().clone();
    let routes = Router::new()
        .route("/auth/mini/login", post(login::mini::login))
        .route("/auth/password/login", post(login::password::login))
        .route("/me", get(me::show))
        .route("/me/permissions", get(me::permissions))
        .route("/rbac/authorize", post(access::authorize))
        .route("/admin/config/feature-flags", get(flags::show).patch(flags::change))
        .with_state(app);
    Ok(dress("identity", unbuilt.attach(routes), Health::when(version, move || ping(pool.clone()))))
}
