//! The routes of payment and what their handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use shop_kit::client::HttpClient;
use shop_kit::contract::{ContractError, Unbuilt};
use shop_kit::database::ping;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_wire::call::Caller;
use shop_wire::client::CommerceClient;
use sqlx::PgPool;

use crate::caller::Authenticator;
use crate::flags::FlagReader;
use crate::provider::Providers;
use crate::settings::{Commerce, Settings};
use crate::sync::OrderSync;
use crate::{create, notify};

/// The contract, as it was when the program was built.
const CONTRACTS: [(&str, &str); 1] = [("payment", include_str!("../../../contracts/openapi/payment.yaml"))];

/// What every handler needs.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    authenticator: Authenticator,
    flags: FlagReader,
    commerce: Option<CommerceClient>,
    providers: Providers,
    session_ttl: Duration,
    sync: OrderSync,
}

impl App {
    /// An application on its database.
    pub fn new(settings: Settings) -> Self {
        let Settings {
            address: _,
            database,
            authentication,
            flags,
            commerce,
            providers,
            session_ttl,
            seed_reset: _,
        } = settings;
        let pool = database.pool();
        let sync = OrderSync::new(pool.clone(), commerce.clone());
        let Commerce { base, timeout, token: _, every: _ } = commerce;
        let commerce = base.map(|base| CommerceClient::new(Caller::new(base, HttpClient::new(), timeout)));
        let inner = Inner {
            pool,
            authenticator: Authenticator::new(authentication),
            flags: FlagReader::new(flags),
            commerce,
            providers,
            session_ttl,
            sync,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The database.
    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    /// Who asks.
    pub fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    /// What is switched on.
    pub fn flags(&self) -> &FlagReader {
        &self.inner.flags
    }

    /// Where orders are.
    pub fn commerce(&self) -> Option<&CommerceClient> {
        self.inner.commerce.as_ref()
    }

    /// Who moves the money.
    pub fn providers(&self) -> &Providers {
        &self.inner.providers
    }

    /// How long a session can be paid.
    pub fn session_ttl(&self) -> Duration {
        self.inner.session_ttl
    }

    /// Tells commerce.
    pub fn sync(&self) -> &OrderSync {
        &self.inner.sync
    }
}

/// All routes, dressed.
///
/// # Errors
/// When the embedded contract can't be read.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let unbuilt = Unbuilt::of("payment", &CONTRACTS)?;
    let pool = app.pool().clone();
    let routes = Router::new()
        .route("/payments/wechat/create", post(create::wechat))
        .route("/payments/wechat/notify", post(notify::wechat))
        .route("/payments/alipay/create", post(create::alipay))
        .route("/payments/alipay/notify", post(notify::alipay))
        .with_state(app);
    Ok(dress("payment", unbuilt.attach(routes), Health::when(version, move || ping(pool.clone()))))
}
