//! The whole shop: gateway, identity and commerce as they are, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a world that can't be set up ends the test")]

use serde_json::{Value, json};
use shop_kit::settings::Environment;
use shop_kit::testing::{Client, TestDatabase, TestServer};

use crate::world::{contracts, gateway, refusal};

struct Shop {
    gateway: TestServer,
    client: Client,
    // Dropped after the gateway, in this order.
    _services: [TestServer; 2],
    _databases: [TestDatabase; 2],
}

impl Shop {
    async fn open() -> Option<Self> {
        let identity_database = TestDatabase::create("identity", async |database| {
            database.migrate(&identity::MIGRATIONS).await.unwrap();
            identity::seed::run(&database.pool(), false).await.unwrap();
        })
        .await?;
        let commerce_database = TestDatabase::create("commerce", async |database| {
            database.migrate(&commerce::MIGRATIONS).await.unwrap();
            commerce::seed::run(&database.pool(), "http://media.test", false).await.unwrap();
        })
        .await?;
        let environment = Environment::from_pairs([("IDENTITY_DB_DSN", identity_database.dsn())]);
        let app = identity::app::App::new(identity::settings::Settings::read(&environment).unwrap());
        let identity = TestServer::start(identity::app::router(app, None).unwrap()).await;
        let environment = Environment::from_pairs([
            ("COMMERCE_DB_DSN", commerce_database.dsn()),
            ("COMMERCE_IDENTITY_BASE_URL", identity.base()),
        ]);
        let app = commerce::app::App::new(commerce::settings::Settings::read(&environment).unwrap());
        let commerce = TestServer::start(commerce::app::router(app, None).unwrap()).await;
        let gateway = gateway(&[
            ("GATEWAY_IDENTITY_BASE_URL", identity.base()),
            ("GATEWAY_COMMERCE_BASE_URL", commerce.base()),
        ])
        .await;
        Some(Self {
            client: gateway.client(),
            gateway,
            _services: [identity, commerce],
            _databases: [identity_database, commerce_database],
        })
    }

    async fn login(&self, path: &str, body: Value) -> Client {
        let reply = self.client.post(path, body).await;
        contracts().check("POST", path, &reply);
        self.client
            .signed_in(reply.json()["accessToken"].as_str().unwrap_or_else(|| panic!("{}", reply.text)))
    }
}

#[tokio::test]
async fn a_customer_comes_in() {
    let Some(shop) = Shop::open().await else { return };
    assert_eq!(shop.client.get("/ready").await.text, "OK");

    let anonymous = shop.client.get("/bff/bootstrap").await;
    contracts().check("GET", "/bff/bootstrap", &anonymous);
    let expected = concat!(
        r#"{"me":null,"permissions":{"items":[]},"#,
        r#""featureFlags":{"paymentEnabled":false,"wechatPayEnabled":false,"alipayPayEnabled":false}}"#
    );
    assert_eq!((anonymous.status, anonymous.text.as_str()), (200, expected));

    let conflict = json!({ "platform": "weapp", "code": "mock_multi_001" });
    let conflict = shop.client.post("/auth/mini/login", conflict).await;
    assert_eq!(refusal(&conflict), "409 conflict: role selection required");
    assert_eq!(conflict.json()["details"], json!({ "availableRoles": ["CUSTOMER", "SALES"] }));

    let body = json!({ "platform": "weapp", "code": "mock_customer_001" });
    let customer = shop.login("/auth/mini/login", body).await;
    let signed_in = customer.get("/bff/bootstrap").await;
    contracts().check("GET", "/bff/bootstrap", &signed_in);
    let signed_in = signed_in.json();
    assert_eq!(signed_in["me"], customer.get("/me").await.json());
    assert_eq!(signed_in["permissions"], customer.get("/me/permissions").await.json());
    assert_eq!(signed_in["me"]["displayName"], "Customer Dev");
    let forged = shop.client.signed_in("nonsense").get("/bff/bootstrap").await;
    assert_eq!(refusal(&forged), "401 unauthorized: invalid token");

    let products = shop.client.get("/catalog/products?q=LED").await;
    contracts().check("GET", "/catalog/products", &products);
    assert_eq!(products.json()["total"], 1);
    let add = customer.post("/catalog/categories", json!({ "name": "x" })).await;
    assert_eq!(refusal(&add), "403 forbidden: permission denied");
    let body = json!({ "username": "admin", "password": "admin123" });
    let admin = shop.login("/auth/password/login", body).await;
    assert_eq!(admin.post("/catalog/categories", json!({ "name": "x" })).await.status, 201);
    shop.gateway.stop().await;
}

#[tokio::test]
async fn payment_is_closed_until_its_flags_are_on() {
    let Some(shop) = Shop::open().await else { return };
    let admin =
        shop.login("/auth/password/login", json!({ "username": "admin", "password": "admin123" })).await;
    let create = async |channel: &str| {
        let path = format!("/payments/{channel}/create");
        let reply = admin.post(&path, json!({ "orderId": "12121212-1212-1212-1212-121212121212" })).await;
        contracts().check("POST", &path, &reply);
        refusal(&reply)
    };
    let switch_on = async |flag: &str| {
        let reply = admin.patch("/admin/config/feature-flags", json!({ flag: true })).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    };
    assert_eq!(create("wechat").await, "403 feature-disabled: payment is disabled");
    switch_on("paymentEnabled").await;
    assert_eq!(create("wechat").await, "403 feature-disabled: wechat pay is disabled");
    assert_eq!(create("alipay").await, "403 feature-disabled: alipay is disabled");
    switch_on("alipayPayEnabled").await;
    assert_eq!(create("alipay").await, "501 not_implemented: payment service not implemented");
    assert_eq!(create("wechat").await, "403 feature-disabled: wechat pay is disabled");
    // Callbacks of the provider are never held back by a switch.
    let notify = admin.post("/payments/wechat/notify", json!({})).await;
    assert_eq!(refusal(&notify), "501 not_implemented: payment service not implemented");
    shop.gateway.stop().await;
}
