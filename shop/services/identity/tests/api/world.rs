//! One identity service with its own, seeded database.
#![expect(clippy::unwrap_used, reason = "a world that can't be set up ends the test")]

use std::path::Path;

use identity::app::{App, router};
use identity::settings::Settings;
use identity::{MIGRATIONS, seed};
use serde_json::{Value, json};
use shop_kit::settings::Environment;
use shop_kit::testing::{Client, Contracts, Reply, TestDatabase, TestServer};
use sqlx::PgPool;

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) contracts: Contracts,
    pub(crate) pool: PgPool,
    server: TestServer,
    _database: TestDatabase,
}

impl World {
    /// Nothing when PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let database = TestDatabase::create("identity", async |database| {
            database.migrate(&MIGRATIONS).await.unwrap();
            seed::run(&database.pool(), false).await.unwrap();
        })
        .await?;
        let environment = Environment::from_pairs([
            ("IDENTITY_DB_DSN", database.dsn()),
            ("IDENTITY_JWT_SECRET", "for tests"),
        ]);
        let app = App::new(Settings::read(&environment).unwrap());
        let server = TestServer::start(router(app, Some("v7".to_owned())).unwrap()).await;
        let contracts =
            Contracts::in_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/openapi"));
        Some(Self { client: server.client(), contracts, pool: database.pool(), server, _database: database })
    }

    /// POSTs and checks the answer against the contract.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        let reply = self.client.post(path, body).await;
        self.contracts.check("POST", path, &reply);
        reply
    }

    pub(crate) async fn mini(&self, body: Value) -> Reply {
        self.post("/auth/mini/login", body).await
    }

    /// A token for a mini-program code.
    pub(crate) async fn token(&self, code: &str) -> String {
        let reply = self.mini(json!({ "platform": "weapp", "code": code })).await;
        reply.json()["accessToken"].as_str().unwrap_or_else(|| panic!("{}", reply.text)).to_owned()
    }

    /// A token for a user name; the seed's passwords are `<name>123`.
    pub(crate) async fn web_token(&self, name: &str) -> String {
        let reply = self
            .post("/auth/password/login", json!({ "username": name, "password": format!("{name}123") }))
            .await;
        reply.json()["accessToken"].as_str().unwrap_or_else(|| panic!("{}", reply.text)).to_owned()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.pool.close().await;
        self.server.stop().await;
    }
}

/// Status, code and message in one line, with the details if there are any.
pub(crate) fn refusal(reply: &Reply) -> String {
    let (status, code, message) = reply.error();
    let details = reply.json().get("details").map_or(String::new(), |d| format!(" {d}"));
    format!("{status} {code}: {message}{details}")
}
