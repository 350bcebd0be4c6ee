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
    database: TestDatabase,
}

/// Who the seed knows, by the one role that each of them logs in with.
pub(crate) const ROLES: [&str; 7] = ["CUSTOMER", "SALES", "PROCUREMENT", "CS", "MANAGER", "ADMIN", "BOSS"];

impl World {
    /// Nothing when PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// With more settings.
    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Option<Self> {
        let database = TestDatabase::create("identity", async |database| {
            database.migrate(&MIGRATIONS).await.unwrap();
            seed::run(&database.pool(), false).await.unwrap();
        })
        .await?;
        let usual = [("IDENTITY_DB_DSN", database.dsn()), ("IDENTITY_JWT_SECRET", "for tests")];
        let environment = Environment::from_pairs(usual.iter().chain(more).copied());
        let app = App::new(Settings::read(&environment).unwrap());
        let server = TestServer::start(router(app, Some("v7".to_owned())).unwrap()).await;
        let contracts =
            Contracts::in_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/openapi"));
        Some(Self { client: server.client(), contracts, pool: database.pool(), server, database })
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

    /// A client that is signed in as the seed's user of a role.
    pub(crate) async fn signed_in(&self, role: &str) -> Client {
        let token = match role {
            "CUSTOMER" | "SALES" | "PROCUREMENT" => {
                self.token(&format!("mock_{}_001", role.to_lowercase())).await
            }
            _ => self.web_token(&role.to_lowercase()).await,
        };
        self.client.signed_in(&token)
    }

    /// The newest entries of the audit log: action, target type, target and metadata.
    pub(crate) async fn audited(&self, action: &str) -> Vec<(String, Option<String>, Value)> {
        sqlx::query_as(
            "SELECT target_type, target_id::text, metadata FROM audit_logs WHERE action = $1
             ORDER BY created_at DESC",
        )
        .bind(action)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// How many statements the database was given so far.
    pub(crate) fn statements(&self) -> usize {
        self.database.statements().len()
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
