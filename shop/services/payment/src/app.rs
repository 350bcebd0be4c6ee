//! The routes of payment and what their handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use shop_kit::client::HttpClient;
use shop_kit::contract::ContractError;
use shop_kit::database::ping;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::routes::Routes;
use shop_wire::call::Caller;
use shop_wire::client::CommerceClient;
use sqlx::PgPool;

use crate::caller::Authenticator;
use crate::flags::FlagReader;
use crate::provider::Providers;
use crate::recheck::Recheck;
use crate::settings::{MockNotifications, Settings};
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
    mock_notifications: MockNotifications,
    session_ttl: Duration,
    recheck: Recheck,
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
            mock_notifications,
            session_ttl,
            recheck,
            seed_reset: _,
        } = settings;
        let pool = database.pool();
        let client = |base| CommerceClient::new(Caller::new(base, HttpClient::new(), commerce.timeout));
        let client = commerce.base.clone().map(client);
        let sync = OrderSync::new(pool.clone(), client.clone(), commerce);
        let inner = Inner {
            pool,
            authenticator: Authenticator::new(authentication),
            flags: FlagReader::new(flags),
            commerce: client,
            providers,
            mock_notifications,
            session_ttl,
            recheck,
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

    /// Whose notifications count while nobody moves money.
    pub fn mock_notifications(&self) -> MockNotifications {
        self.inner.mock_notifications
    }

    /// When providers are asked about payments that nobody has reported.
    pub fn recheck(&self) -> Recheck {
        self.inner.recheck
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
/// When the embedded contract can't be read, or does not promise what there is a handler for.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let pool = app.pool().clone();
    let routes = Routes::of("payment", &CONTRACTS)?
        .on("postPaymentsWechatCreate", create::wechat)
        .on("postPaymentsWechatNotify", notify::wechat)
        .on("postPaymentsAlipayCreate", create::alipay)
        .on("postPaymentsAlipayNotify", notify::alipay)
        .finish(app)?;
    Ok(dress("payment", routes, Health::when(version, move || ping(pool.clone()))))
}
