//! One payment service with its own database, and stand-ins for identity and commerce.
#![expect(clippy::unwrap_used, reason = "a world that can't be set up ends the test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Path as PathParameter, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use payment::MIGRATIONS;
use payment::app::{App, router};
use payment::settings::Settings;
use serde_json::{Value, json};
use shop_kit::ApiError;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::settings::{Environment, Secret};
use shop_kit::testing::{Client, Contracts, Reply, TestDatabase, TestServer};
use shop_kit::token::{Claims, TokenKey};
use sqlx::PgPool;

pub(crate) const SECRET: &str = "for tests";
pub(crate) const TOKEN: &str = "sync token of the tests";
pub(crate) const CUSTOMER: &str = "dddddddd-dddd-dddd-dddd-dddddddddddd";
pub(crate) const OTHER: &str = "cccccccc-cccc-cccc-cccc-cccccccccccc";
pub(crate) const ORDER: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const PAID_ORDER: &str = "11111111-2222-4333-8444-666666666666";
pub(crate) const UNKNOWN: &str = "11111111-2222-4333-8444-777777777777";
/// What the order costs, in fen.
pub(crate) const AMOUNT: i64 = 24_001;

/// What the stand-ins know, and what they were told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    flags: Option<[bool; 3]>,
    flags_asked: usize,
    orders_asked: usize,
    commerce_is_down: bool,
    heard: Vec<String>,
}

impl Told {
    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// Sets the flags payment, WeChat, Alipay; without them identity is broken.
    pub(crate) fn set_flags(&self, flags: Option<[bool; 3]>) {
        self.with(|known| known.flags = flags);
    }

    pub(crate) fn flags_asked(&self) -> usize {
        self.with(|known| known.flags_asked)
    }

    pub(crate) fn orders_asked(&self) -> usize {
        self.with(|known| known.orders_asked)
    }

    /// Whether commerce refuses to be told anything.
    pub(crate) fn set_commerce_is_down(&self, down: bool) {
        self.with(|known| known.commerce_is_down = down);
    }

    /// What commerce was told: order, status, channel.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.with(|known| known.heard.clone())
    }
}

async fn flags(State(told): State<Told>) -> Result<Json<Value>, ApiError> {
    let flags = told.with(|known| {
        known.flags_asked += 1;
        known.flags
    });
    let [payment, wechat, alipay] = flags.ok_or_else(|| ApiError::internal("failed", "test"))?;
    Ok(Json(json!({ "paymentEnabled": payment, "wechatPayEnabled": wechat, "alipayPayEnabled": alipay })))
}

/// Shows the order to its customer, and to whoever is not a customer.
async fn order(
    State(told): State<Told>,
    PathParameter(id): PathParameter<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    told.with(|known| known.orders_asked += 1);
    assert!(headers.contains_key("x-request-id"), "the request id goes along");
    let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let (user, claims) = TokenKey::new(Secret::new(SECRET)).verify(&token, None, 0).unwrap();
    let status = match id.as_str() {
        ORDER => "SUBMITTED",
        PAID_ORDER => "PAID",
        _ => return Err(ApiError::not_found("order not found")),
    };
    if claims.role == "CUSTOMER" && user.to_string() != CUSTOMER {
        return Err(ApiError::not_found("order not found"));
    }
    let sku = json!({ "id": ORDER, "spuId": ORDER, "name": "x", "isActive": true });
    let items = json!([
        { "sku": sku, "qty": 2, "unitPriceFen": 12_000 },
        { "sku": sku, "qty": 1, "unitPriceFen": 1 },
    ]);
    Ok(Json(json!({
        "id": id, "status": status, "paymentStatus": "UNPAID", "ownerSalesUserId": null, "paymentChannel": null,
        "paidAt": null, "items": items, "createdAt": "2026-11-21T12:00:00Z",
    })))
}

async fn hear(
    State(told): State<Told>,
    PathParameter(id): PathParameter<String>,
    headers: HeaderMap,
    Json(body): Json<BTreeMap<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    if told.with(|known| known.commerce_is_down) {
        return Err(ApiError::internal("failed", "test"));
    }
    assert_eq!(headers["x-internal-token"], TOKEN);
    assert_eq!(id, ORDER);
    let paid = if body.contains_key("paidAt") { " paid at" } else { "" };
    let line = format!("{} {}{paid}", body["status"].as_str().unwrap(), body["channel"].as_str().unwrap());
    told.with(|known| known.heard.push(line));
    Ok(Json(json!({})))
}

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) contracts: Contracts,
    pub(crate) pool: PgPool,
    pub(crate) told: Told,
    pub(crate) app: App,
    server: TestServer,
    _neighbours: TestServer,
    _database: TestDatabase,
}

impl World {
    /// Nothing when PostgreSQL is not installed. Everything is switched on.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Option<Self> {
        let database = TestDatabase::create("payment", async |database| {
            database.migrate(&MIGRATIONS).await.unwrap();
        })
        .await?;
        let told = Told::default();
        told.set_flags(Some([true; 3]));
        let routes = Router::new()
            .route("/admin/config/feature-flags", get(flags))
            .route("/orders/{id}", get(order))
            .route("/internal/orders/{id}/payment-status", post(hear))
            .with_state(told.clone());
        let neighbours = TestServer::start(dress("neighbours", routes, Health::always_ready(None))).await;
        let base = [
            ("PAYMENT_DB_DSN", database.dsn()),
            ("PAYMENT_JWT_SECRET", SECRET),
            ("PAYMENT_IDENTITY_BASE_URL", neighbours.base()),
            ("PAYMENT_COMMERCE_BASE_URL", neighbours.base()),
            ("PAYMENT_COMMERCE_SYNC_TOKEN", TOKEN),
            ("PAYMENT_FEATURE_FLAGS_TTL", "0s"),
            ("PAYMENT_MOCK_NOTIFY_ANONYMOUS", "true"),
        ];
        let environment = Environment::from_pairs(base.into_iter().chain(more.iter().copied()));
        let app = App::new(Settings::read(&environment).unwrap());
        let server = TestServer::start(router(app.clone(), None).unwrap()).await;
        let contracts =
            Contracts::in_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/openapi"));
        Some(Self {
            client: server.client(),
            contracts,
            pool: database.pool(),
            told,
            app,
            server,
            _neighbours: neighbours,
            _database: database,
        })
    }

    pub(crate) fn customer(&self) -> Client {
        self.client.signed_in(&token("CUSTOMER", CUSTOMER))
    }

    /// POSTs and checks the answer against the contract.
    pub(crate) async fn post(&self, client: &Client, path: &str, body: Value) -> Reply {
        let reply = client.post(path, body).await;
        self.contracts.check("POST", path, &reply);
        reply
    }

    /// Opens a session as the customer.
    pub(crate) async fn create(&self, channel: &str) -> Reply {
        let path = format!("/payments/{channel}/create");
        let body = json!({ "orderId": ORDER, "wechatLoginCode": "code", "alipayAuthCode": "code" });
        self.post(&self.customer(), &path, body).await
    }

    /// How the payments stand: channel and status.
    pub(crate) async fn payments(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT channel || ' ' || status FROM payments ORDER BY created_at")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// What the ledger says.
    pub(crate) async fn ledger(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT concat_ws(' ', l.source, l.entry, l.amount_fen) FROM payment_ledger l ORDER BY l.id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.pool.close().await;
        self.server.stop().await;
    }
}

pub(crate) fn token(role: &str, user: &str) -> String {
    let claims = Claims { sub: user.into(), role: role.into(), exp: i64::MAX, ..Claims::default() };
    TokenKey::new(Secret::new(SECRET)).sign(&claims)
}

/// Status, code and message in one line.
pub(crate) fn refusal(reply: &Reply) -> String {
    let (status, code, message) = reply.error();
    format!("{status} {code}: {message}")
}
