//! What handlers share, and the routes they are found under.

use std::sync::Arc;

use axum::Router;
use shop_kit::contract::ContractError;
use shop_kit::database::ping;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::settings::Secret;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::authorize::Authorizer;
use crate::jobs::Worker;
use crate::media::Media;
use crate::routes;
use crate::settings::{Settings, Timing};

/// Uploads that are read at the same time; the others wait. Each may hold tens of megabytes.
const UPLOADS_AT_ONCE: usize = 4;

/// What every handler needs.
#[derive(Debug, Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    authorizer: Authorizer,
    media: Media,
    sync_token: Option<Secret>,
    uploads: Semaphore,
    worker: Worker,
    timing: Timing,
}

impl App {
    /// An application on its database.
    pub fn new(settings: Settings) -> Self {
        let Settings { address: _, database, authorization, media, sync_token, timing, seed_reset: _ } =
            settings;
        let inner = Inner {
            pool: database.pool(),
            authorizer: Authorizer::new(authorization),
            media: Media::new(media),
            sync_token,
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            worker: Worker::default(),
            timing,
        };
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

    /// Where files are kept.
    pub fn media(&self) -> &Media {
        &self.inner.media
    }

    /// What payment shows when it tells about a payment; nobody may when there is none.
    pub fn sync_token(&self) -> Option<&Secret> {
        self.inner.sync_token.as_ref()
    }

    /// Permits to read an upload.
    pub fn uploads(&self) -> &Semaphore {
        &self.inner.uploads
    }

    /// Does what takes long.
    pub fn worker(&self) -> &Worker {
        &self.inner.worker
    }

    /// How often and how long.
    pub fn timing(&self) -> Timing {
        self.inner.timing
    }
}

/// All routes, dressed.
///
/// # Errors
/// When an embedded contract can't be read.
pub fn router(app: App, version: Option<String>) -> Result<Router, ContractError> {
    let pool = app.pool().clone();
    let health = Health::when(version, move || ping(pool.clone()));
    Ok(dress("commerce", routes::all()?.finish(app)?, health))
}
