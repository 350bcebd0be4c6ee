//! One commerce service with its own, seeded database, a directory for files, a worker when asked for, and a
//! stand-in for identity that grants what identity's reference data grants.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Path as PathOf;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use commerce::app::{App, router};
use commerce::settings::Settings;
use commerce::{MIGRATIONS, jobs, seed};
use http::Method;
use serde_json::{Value, json};
use shop_kit::Shutdown;
use shop_kit::client::HttpClient;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::settings::{Environment, Secret};
use shop_kit::testing::{Client, Contracts, Reply, TestDatabase, TestServer};
use shop_kit::token::{Claims, TokenKey};
use sqlx::PgPool;
use uuid::Uuid;

const SECRET: &str = "for tests";
/// What payment shows.
pub(crate) const SYNC_TOKEN: &str = "between us";

/// A user of the tests: role, id, and the sales user of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) role: &'static str,
    pub(crate) id: Uuid,
    pub(crate) owner: Option<Uuid>,
}

const fn id(digit: u128) -> Uuid {
    Uuid::from_u128(digit * 0x1111_1111_1111_1111_1111_1111_1111_1111)
}

const fn person(role: &'static str, digit: u128) -> Person {
    Person { role, id: id(digit), owner: None }
}

/// Belongs to [`SALES`].
pub(crate) const CUSTOMER: Person = Person { role: "CUSTOMER", id: id(0xd), owner: Some(id(0xb)) };
/// Belongs to [`OTHER_SALES`].
pub(crate) const OTHER_CUSTOMER: Person = Person { role: "CUSTOMER", id: id(0x4), owner: Some(id(0x3)) };
pub(crate) const SALES: Person = person("SALES", 0xb);
pub(crate) const OTHER_SALES: Person = person("SALES", 0x3);
pub(crate) const PROCUREMENT: Person = person("PROCUREMENT", 0x5);
pub(crate) const CS: Person = person("CS", 0x9);
pub(crate) const MANAGER: Person = person("MANAGER", 0xf);
pub(crate) const ADMIN: Person = person("ADMIN", 0xa);
pub(crate) const BOSS: Person = person("BOSS", 0xe);

/// What each role may do, as identity's reference data has it. ADMIN and BOSS may do everything.
const GRANTS: [(&str, &str, &[&str]); 6] = [
    (
        "CUSTOMER",
        "SELF",
        &[
            "wishlist:manage",
            "cart:manage",
            "import:cart",
            "order:create",
            "order:read",
            "tracking:read",
            "product_request:create",
            "product_request:read",
            "after_sales:create",
            "after_sales:read",
            "inquiry:create",
            "inquiry:read",
        ],
    ),
    (
        "SALES",
        "OWNED",
        &["order:read", "tracking:read", "inquiry:manage", "product_request:read", "after_sales:manage"],
    ),
    ("PROCUREMENT", "ALL", &["order:read", "tracking:read", "import:shipment", "shipment:manage"]),
    (
        "CS",
        "ALL",
        &[
            "after_sales:manage",
            "inquiry:manage",
            "order:read",
            "tracking:read",
            "product_request:read",
            "import:shipment",
            "shipment:manage",
        ],
    ),
    (
        "MANAGER",
        "ALL",
        &["order:read", "inquiry:manage", "product_request:read", "after_sales:manage", "order:manage"],
    ),
    ("NOBODY", "ALL", &[]),
];

/// For whom a role has a permission.
fn granted(role: &str, permission: &str) -> Option<&'static str> {
    if ["ADMIN", "BOSS"].contains(&role) {
        return Some("ALL");
    }
    let (_, scope, permissions) = GRANTS.iter().find(|(known, ..)| *known == role)?;
    permissions.contains(&permission).then_some(*scope)
}

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) contracts: Contracts,
    pub(crate) pool: PgPool,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) identity: Option<TestServer>,
    pub(crate) app: App,
    pub(crate) media: PathBuf,
    server: TestServer,
    pub(crate) database: TestDatabase,
}

impl World {
    /// Nothing when PostgreSQL is not installed. That identity's answers look like those of the stand-in is checked
    /// by identity's own tests.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Option<Self> {
        let database = TestDatabase::create("commerce", async |database| {
            database.migrate(&MIGRATIONS).await.unwrap();
            seed::run(&database.pool(), "http://media.test/m", false).await.unwrap();
        })
        .await?;
        let asked = Arc::new(AtomicUsize::new(0));
        let identity = TestServer::start(stand_in(Arc::clone(&asked))).await;
        let media = std::env::temp_dir().join(format!("commerce-test-{}", Uuid::new_v4().simple()));
        let base = [
            ("COMMERCE_DB_DSN", database.dsn()),
            ("COMMERCE_JWT_SECRET", SECRET),
            ("COMMERCE_IDENTITY_BASE_URL", identity.base()),
            ("COMMERCE_INTERNAL_SYNC_TOKEN", SYNC_TOKEN),
            ("MEDIA_LOCAL_OUTPUT_DIR", media.to_str().unwrap()),
            ("MEDIA_PUBLIC_BASE_URL", "http://media.test/assets/media/"),
            // Nothing but being woken makes the worker look, unless a test says otherwise.
            ("COMMERCE_JOBS_EVERY", "1h"),
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
            asked,
            identity: Some(identity),
            app,
            media,
            server,
            database,
        })
    }

    /// GET without a token; the answer is what the contract says.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(&self.client, Method::GET, path, Value::Null).await
    }

    /// The client of a person.
    pub(crate) fn of(&self, person: Person) -> Client {
        self.client.signed_in(&token(person))
    }

    pub(crate) fn admin(&self) -> Client {
        self.of(ADMIN)
    }

    /// Any request; the answer is what the contract says.
    pub(crate) async fn call(&self, client: &Client, method: Method, path: &str, body: Value) -> Reply {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let reply = client.send(method.clone(), path, bytes).await;
        self.contracts.check(method.as_str(), path, &reply);
        reply
    }

    /// What a request of a person brings.
    pub(crate) async fn by(&self, person: Person, method: Method, path: &str, body: Value) -> Reply {
        self.call(&self.of(person), method, path, body).await
    }

    /// A form with files, sent by a person.
    pub(crate) async fn upload(&self, person: Person, path: &str, fields: &[(&str, &[u8])]) -> Reply {
        let mut body = Vec::new();
        for (name, content) in fields {
            body.extend_from_slice(
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n")
                    .as_bytes(),
            );
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--x--\r\n");
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {}", token(person)).parse().unwrap());
        headers.insert("content-type", "multipart/form-data; boundary=x".parse().unwrap());
        let url = format!("{}{path}", self.server.base());
        let answer = HttpClient::new()
            .call(Method::POST, &url, &headers, body.into(), Duration::from_secs(60))
            .await
            .unwrap();
        let reply = Reply {
            status: answer.status.as_u16(),
            headers: answer.headers,
            text: String::from_utf8_lossy(&answer.body).into_owned(),
        };
        self.contracts.check("POST", path, &reply);
        reply
    }

    /// An order of a person, of one SKU, without the cart; the id.
    pub(crate) async fn order(&self, person: Person, sku: &str, qty: i64) -> String {
        let reply = self.by(person, Method::POST, "/orders", order_of(sku, qty)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// What payment tells about an order.
    pub(crate) async fn report(&self, order: &str, status: &str) -> Reply {
        let body = json!({ "paymentId": Uuid::from_u128(1), "channel": "WECHAT", "status": status });
        let client = self.client.with("x-internal-token", SYNC_TOKEN);
        self.call(&client, Method::POST, &format!("/internal/orders/{order}/payment-status"), body).await
    }

    /// Runs a worker until the job has ended, and says how.
    pub(crate) async fn finish(&self, job: &str) -> Value {
        let shutdown = Shutdown::new();
        let worker = tokio::spawn(jobs::work(self.app.clone(), shutdown.clone()));
        let deadline = Instant::now() + Duration::from_secs(60);
        let ended = loop {
            let reply = self.by(ADMIN, Method::GET, &format!("/admin/import-jobs/{job}"), Value::Null).await;
            let status = reply.json()["status"].clone();
            if status == "SUCCEEDED" || status == "FAILED" {
                break reply.json();
            }
            assert!(Instant::now() < deadline, "the job has not ended: {reply:?}");
            tokio::task::yield_now().await;
        };
        shutdown.request();
        worker.await.unwrap();
        ended
    }

    pub(crate) async fn stop(self) {
        self.pool.close().await;
        self.server.stop().await;
        let _never_made = std::fs::remove_dir_all(&self.media);
    }
}

/// Identity as far as commerce asks it.
fn stand_in(asked: Arc<AtomicUsize>) -> Router {
    let role = |headers: &HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
        TokenKey::new(Secret::new(SECRET)).verify(&token, None, 0).unwrap().1.role
    };
    let decide = async move |headers: HeaderMap, Json(question): Json<Value>| -> Response {
        asked.fetch_add(1, Ordering::Relaxed);
        let permission = question["permission"].as_str().unwrap();
        assert!(permission.contains(':'), "{question}");
        match role(&headers).as_str() {
            "GONE" => StatusCode::UNAUTHORIZED.into_response(),
            role => match granted(role, permission) {
                Some(scope) => Json(json!({ "allowed": true, "effectiveScope": scope })).into_response(),
                None => Json(json!({ "allowed": false })).into_response(),
            },
        }
    };
    let member = |id: Uuid, role: &str| {
        let long_ago = "2026-01-01T00:00:00Z";
        let staff = json!({
            "id": id, "phone": null, "roles": [role], "status": "active", "disabledAt": null, "disabledReason": null,
            "createdAt": long_ago, "updatedAt": long_ago,
        });
        Json(staff).into_response()
    };
    let staff = async move |PathOf(id): PathOf<Uuid>| -> Response {
        if id == SALES.id || id == OTHER_SALES.id {
            member(id, "SALES")
        } else if id == CS.id {
            member(id, "CS")
        } else {
            StatusCode::NOT_FOUND.into_response()
        }
    };
    let routes = Router::new().route("/rbac/authorize", post(decide)).route("/staff/{id}", get(staff));
    dress("identity", routes, Health::always_ready(None))
}

pub(crate) fn token(person: Person) -> String {
    let claims = Claims {
        sub: person.id.to_string(),
        role: person.role.into(),
        exp: i64::MAX,
        owner_sales_user_id: person.owner.map(|id| id.to_string()),
        ..Claims::default()
    };
    TokenKey::new(Secret::new(SECRET)).sign(&claims)
}

/// The id of an example SKU by its last two digits.
pub(crate) fn sku(ending: &str) -> String {
    format!("33333333-3333-3333-3333-3333333333{ending}")
}

/// An order of one SKU.
pub(crate) fn order_of(sku: &str, qty: i64) -> Value {
    json!({
        "address": { "receiverName": "王芳", "receiverPhone": "13800000000", "detail": "一号楼" },
        "items": [{ "skuId": sku, "qty": qty }],
    })
}

/// A spreadsheet.
pub(crate) fn sheet(rows: &[&[&str]]) -> Vec<u8> {
    commerce::sheets::write("Sheet1", rows.iter().map(|row| row.iter())).unwrap()
}

/// Status, code and message in one line.
pub(crate) fn refusal(reply: &Reply) -> String {
    let (status, code, message) = reply.error();
    format!("{status} {code}: {message}")
}
