//! The routes of identity and what their handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use shop_kit::contract::ContractError;
use shop_kit::database::ping;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::routes::Routes;
use shop_kit::token::TokenKey;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::platform::Platforms;
use crate::settings::Settings;
use crate::{access, audit, bindings, customers, directory, flags, login, me, rbac, sales_code, staff};

/// The contracts this service has a part in, as they were when the program was built.
const CONTRACTS: [(&str, &str); 2] = [
    ("identity", include_str!("../../../contracts/openapi/identity.yaml")),
    ("admin", include_str!("../../../contracts/openapi/admin.yaml")),
];

/// A password hash takes 19 MiB and a processor for tens of milliseconds; more at once would only take turns.
const HASHES_AT_ONCE: usize = 4;

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
    platforms: Arc<dyn Platforms>,
    hashing: Semaphore,
}

impl App {
    /// An application as configured.
    pub fn new(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool: settings.database.pool(),
                key: TokenKey::new(settings.jwt_secret),
                issuer: settings.jwt_issuer,
                token_ttl: settings.token_ttl,
                platforms: settings.platforms,
                hashing: Semaphore::new(HASHES_AT_ONCE),
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

    /// Where mini-program users come from.
    pub fn platforms(&self) -> &dyn Platforms {
        &*self.inner.platforms
    }

    /// How many passwords may be hashed at once.
    pub fn hashing(&self) -> &Semaphore {
        &self.inner.hashing
    }

    /// How long a token is good.
    pub fn token_ttl(&self) -> Duration {
        self.inner.token_ttl
    }
}

/// A handler for every operation that the contracts promise of identity.
///
/// # Errors
/// When an embedded contract can't be read.
pub fn routes() -> Result<Routes<App>, ContractError> {
    Ok(Routes::of("identity", &CONTRACTS)?
        .on("postAuthMiniLogin", login::mini::login)
        .on("getAuthMiniCapabilities", login::capabilities::show)
        .on("postAuthPasswordLogin", login::password::login)
        .on("postAuthSwitchRole", login::switch::switch)
        .on("getMe", me::show)
        .on("getMeSalesQrCode", sales_code::show)
        .on("getMePermissions", me::permissions)
        .on("getRbacPermissions", rbac::permissions)
        .on("postRbacPermissions", rbac::describe_permission)
        .on("getRbacRoles", rbac::roles)
        .on("putRbacRolesRolePermissions", rbac::replace_grants)
        .on("postRbacAuthorize", access::authorize)
        .on("postStaff", staff::create)
        .on("getStaff", staff::list)
        .on("getStaffStaffId", staff::show)
        .on("patchStaffStaffId", staff::update)
        .on("postStaffStaffIdBindings", bindings::create)
        .on("getAuditLogs", audit::list)
        .on("getCustomers", customers::list)
        .on("getCustomersCustomerId", customers::show)
        .on("postAdminCustomersCustomerIdTransfer", customers::transfer)
        .on("getAdminCustomers", directory::customers)
        .on("getAdminUsers", directory::users)
        .on("getAdminSalesUsers", directory::sales_users)
        .on("getAdminConfigFeatureFlags", flags::show)
        .on("patchAdminConfigFeatureFlags", flags::change))
}

/// All routes, dressed.
///
/// # Errors
/// When an embedded contract can't be read, or does not promise what there is a handler for.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let pool = app.pool().clone();
    let routes = routes()?.finish(app)?;
    Ok(dress("identity", routes, Health::when(version, move || ping(pool.clone()))))
}
