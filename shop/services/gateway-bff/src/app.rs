//! The routes of the gateway and what their handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use fairway_guard::Problems;
use shop_kit::Shutdown;
use shop_kit::contract::{ContractError, Unbuilt};
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::routes::Routes as OwnRoutes;
use thiserror::Error;

use crate::flags::Flags;
use crate::guards::{self, Guards};
use crate::routing::{GATEWAY_CONTRACT, Routes, RoutingError};
use crate::settings::Settings;
use crate::upstreams::Upstreams;
use crate::{bootstrap, diagnostics, proxy};

/// How long one boundary may take to say that it is ready: less than the budget of `/ready`, so that the answer can
/// tell which one did not.
const READY_LIMIT: Duration = Duration::from_millis(1500);

/// Settings and contracts that no gateway can be made of.
#[derive(Debug, Error)]
pub enum AppError {
    /// The contracts contradict each other.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// The gateway's own contract can't be read.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The settings of origins or rates make no sense.
    #[error("GATEWAY_CORS_* and GATEWAY_RATE_* can't be used: {0}; nothing was started")]
    Guards(#[from] Problems),
}

/// What every handler needs.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    routes: Routes,
    own: Unbuilt,
    upstreams: Upstreams,
    shutdown: Shutdown,
    max_body_bytes: u64,
    guards: Guards,
    flags: Flags,
}

impl App {
    /// An application that forwards to the boundaries in `settings` and ends its streams with `shutdown`.
    ///
    /// # Errors
    /// When no routes can be made of the contracts, or no guards of the settings.
    pub fn new(settings: Settings, shutdown: Shutdown) -> Result<Self, AppError> {
        Ok(Self {
            inner: Arc::new(Inner {
                routes: Routes::of_the_shop()?,
                own: Unbuilt::of("gateway", &[("gateway", GATEWAY_CONTRACT)])?,
                upstreams: Upstreams::new(&settings.upstreams, settings.upstream_timeout),
                shutdown,
                max_body_bytes: settings.max_body_bytes,
                guards: Guards::new(settings.protection)?,
                flags: Flags::new(settings.feature_flags_ttl),
            }),
        })
    }

    /// Where paths belong.
    pub fn routes(&self) -> &Routes {
        &self.inner.routes
    }

    /// What the gateway's own contract promises.
    pub fn own(&self) -> &Unbuilt {
        &self.inner.own
    }

    /// Where the boundaries are.
    pub fn upstreams(&self) -> &Upstreams {
        &self.inner.upstreams
    }

    /// The wish to stop.
    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// What a request must pass.
    pub fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    /// What is switched on.
    pub fn flags(&self) -> &Flags {
        &self.inner.flags
    }

    /// How large a request body may be.
    pub fn max_body_bytes(&self) -> u64 {
        self.inner.max_body_bytes
    }
}

/// All routes, dressed.
///
/// # Errors
/// When the gateway's own contract does not promise what there is a handler for.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let upstreams = app.upstreams().clone();
    let guards = app.guards().clone();
    let routes = OwnRoutes::of("gateway", &[("gateway", GATEWAY_CONTRACT)])?
        .on("getBffBootstrap", bootstrap::show)
        .on("getBffEvents", diagnostics::events)
        .on("getBffWs", diagnostics::echo)
        .alone()?
        .fallback(proxy::forward)
        .method_not_allowed_fallback(proxy::forward)
        .with_state(app)
        .layer(from_fn_with_state(guards, guards::around));
    let ready = move || {
        let upstreams = upstreams.clone();
        async move { upstreams.ready(READY_LIMIT).await }
    };
    Ok(dress("gateway-bff", routes, Health::when(version, ready)))
}
