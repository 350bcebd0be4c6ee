//! One commerce service with its own, seeded database, and a stand-in for identity's decisions.
#![expect(clippy::unwrap_used, reason = "a world that can't be set up ends the test")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use axum::{Json, Router};
use commerce::app::{App, router};
use commerce::settings::Settings;
use commerce::{MIGRATIONS, seed};
use serde_json::{Value, json};
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::settings::{Environment, Secret};
use shop_kit::testing::{Client, Contracts, Reply, TestDatabase, TestServer};
use shop_kit::token::{Claims, TokenKey};
use sqlx::PgPool;

const SECRET: &str = "for tests";

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) contracts: Contracts,
    pub(crate) pool: PgPool,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) identity: Option<TestServer>,
    server: TestServer,
    _database: TestDatabase,
}

impl World {
    /// Nothing when PostgreSQL is not installed. Identity allows everything to tokens of ADMIN, as the real
    /// one does for `product:manage`; that its answers look like this is checked by identity's own tests.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Option<Self> {
        let database = TestDatabase::create("commerce", async |database| {
            database.migrate(&MIGRATIONS).await.unwrap();
            seed::run(&database.pool(), "http://media.test/m").await.unwrap();
        })
        .await?;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let decide = async move |headers: axum::http::HeaderMap, Json(question): Json<Value>| {
            count.fetch_add(1, Ordering::Relaxed);
            assert_eq!(question, json!({ "permission": "product:manage", "requiredScope": "ALL" }));
            let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
            let (_, claims) = TokenKey::new(Secret::new(SECRET)).verify(&token, None, 0).unwrap();
            Json(json!({ "allowed": claims.role == "ADMIN" }))
        };
        let routes = Router::new().route("/rbac/authorize", post(decide));
        let identity = TestServer::start(dress("identity", routes, Health::always_ready(None))).await;
        let base = [
            ("COMMERCE_DB_DSN", database.dsn()),
            ("COMMERCE_JWT_SECRET", SECRET),
            ("COMMERCE_IDENTITY_BASE_URL", identity.base()),
        ];
        let environment = Environment::from_pairs(base.into_iter().chain(more.iter().copied()));
        let app = App::new(Settings::read(&environment).unwrap());
        let server = TestServer::start(router(app, None).unwrap()).await;
        let contracts =
            Contracts::in_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/openapi"));
        Some(Self {
            client: server.client(),
            contracts,
            pool: database.pool(),
            asked,
            identity: Some(identity),
            server,
            _database: database,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let reply = self.client.get(path).await;
        self.contracts.check("GET", path, &reply);
        reply
    }

    pub(crate) fn admin(&self) -> Client {
        self.client.signed_in(&token("ADMIN"))
    }

    pub(crate) async fn stop(self) {
        self.pool.close().await;
        self.server.stop().await;
    }
}

pub(crate) fn token(role: &str) -> String {
    let claims = Claims {
        sub: "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa".into(),
        role: role.into(),
        exp: i64::MAX,
        ..Claims::default()
    };
    TokenKey::new(Secret::new(SECRET)).sign(&claims)
}

/// Status, code and message in one line.
pub(crate) fn refusal(reply: &Reply) -> String {
    let (status, code, message) = reply.error();
    format!("{status} {code}: {message}")
}
