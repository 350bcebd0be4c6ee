//! The routes of the gateway and what their handlers share.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use shop_kit::Shutdown;
use shop_kit::contract::Unbuilt;
use shop_kit::health::Health;
use shop_kit::layers::dress;

use crate::routing::{GATEWAY_CONTRACT, Routes, RoutingError};
use crate::settings::Settings;
use crate::upstreams::Upstreams;
use crate::{bootstrap, diagnostics, proxy};

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
}

impl App {
    /// An application that forwards to the boundaries in `settings` and ends its streams with `shutdown`.
    ///
    /// # Errors
    /// When no routes can be made of the contracts.
    pub fn new(settings: Settings, shutdown: Shutdown) -> Result<Self, RoutingError> {
        Ok(Self {
            inner: Arc::new(Inner {
                routes: Routes::of_the_shop()?,
                own: Unbuilt::of("gateway", &[("gateway", GATEWAY_CONTRACT)])?,
                upstreams: Upstreams::new(&settings.upstreams, settings.upstream_timeout),
                shutdown,
                max_body_bytes: settings.max_body_bytes,
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

    /// How large a request body may be.
    pub fn max_body_bytes(&self) -> u64 {
        self.inner.max_body_bytes
    }
}

/// All routes, dressed.
pub fn router(app: App, version: Option<String>) -> Router {
    let upstreams = app.upstreams().clone();
    let routes = Router::new()
        .route("/bff/bootstrap", get(bootstrap::show))
        .route("/bff/events", get(diagnostics::events))
        .route("/bff/ws", get(diagnostics::echo))
        .fallback(proxy::forward)
        .method_not_allowed_fallback(proxy::forward)
        .with_state(app);
    let ready = move || {
        let upstreams = upstreams.clone();
        async move { upstreams.ready().await }
    };
    dress("gateway-bff", routes, Health::when(version, ready))
}
