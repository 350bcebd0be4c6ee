//! The routes of commerce and what their handlers share.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use shop_kit::contract::{ContractError, Unbuilt};
use shop_kit::database::ping;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use sqlx::PgPool;

use crate::authorize::Authorizer;
use crate::catalog::{categories, products, skus};
use crate::settings::Settings;

/// The contracts this service has a part in, as they were when the program was built.
const CONTRACTS: [(&str, &str); 3] = [
    ("commerce", include_str!("../../../contracts/openapi/commerce.yaml")),
    ("admin", include_str!("../../../contracts/openapi/admin.yaml")),
    ("internal", include_str!("../../../contracts/openapi/internal.yaml")),
];

/// What every handler needs.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    authorizer: Authorizer,
}

impl App {
    /// An application on its database.
    pub fn new(settings: Settings) -> Self {
        let inner =
            Inner { pool: settings.database.pool(), authorizer: Authorizer::new(settings.authorization) };
        Self { inner: Arc::new(inner) }
    }

    /// The database.
    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    /// Decides what callers may do.
    pub fn authorizer(&self) -> &Authorizer {
        &self.inner.authorizer
    }
}

/// All routes, dressed.
///
/// # Errors
/// When an embedded contract can't be read.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let unbuilt = Unbuilt::of("commerce", &CONTRACTS)?;
    let pool = app.pool().clone();
    let routes = Router::new()
        .route("/catalog/categories", get(categories::list).post(categories::create))
        .route("/catalog/products", get(products::list).post(products::create))
        .route("/catalog/products/{spuId}", get(products::show))
        .route("/catalog/products/{spuId}/skus", post(skus::create))
        .with_state(app);
    Ok(dress("commerce", unbuilt.attach(routes), Health::when(version, move || ping(pool.clone()))))
}
