use serde_json::{Value, json};
use shop_stories::Story;

const GET: Value = Value::Null;
const CUSTOMER: &str = "dddddddd-dddd-dddd-dddd-dddddddddddd";

/// Staff, rights, products, exports, and the log of it all.
#[tokio::test]
async fn the_administrator() {
    let Some(mut story) = Story::begin().await else { return };
    let wrong = json!({ "username": "admin", "password": "guess" });
    story.say("admin", "POST /auth/password/login", wrong).await;
    story.web("admin", "admin").await;
    story.say("admin", "GET /admin/config/feature-flags", GET).await;
    story.say("admin", "PATCH /admin/config/feature-flags", json!({ "paymentEnabled": true })).await;

    let hire = json!({ "displayName": "New Sales", "roles": ["SALES"] });
    let staff = story.say("admin", "POST /staff", hire).await;
    let staff = staff["id"].as_str().unwrap_or_default().to_owned();
    let binding =
        story.say("admin", &format!("POST /staff/{staff}/bindings"), json!({ "platform": "weapp" })).await;
    let login = json!({ "platform": "weapp", "code": "mock_new_sales", "bindingToken": binding["token"] });
    story.log_in("new sales", "/auth/mini/login", login.clone()).await;
    story
        .say("thief", "POST /auth/mini/login", {
            let mut stolen = login;
            stolen["code"] = "mock_thief".into();
            stolen
        })
        .await;
    let transfer = format!("POST /admin/customers/{CUSTOMER}/transfer");
    story.say("admin", &transfer, json!({ "toSalesUserId": staff, "reason": "leave" })).await;
    story.say("new sales", "GET /customers", GET).await;

    story.say("admin", "GET /rbac/roles", GET).await;
    story.say("new sales", "GET /rbac/roles", GET).await;
    let disable = json!({ "status": "disabled", "disabledReason": "left" });
    story.say("admin", &format!("PATCH /staff/{staff}"), disable).await;
    story.mini("new sales", "mock_new_sales").await;

    let category = story.say("admin", "POST /catalog/categories", json!({ "name": "管件" })).await;
    let product = json!({ "name": "弯头", "categoryId": category["id"], "status": "ACTIVE" });
    let product = story.say("admin", "POST /catalog/products", product).await;
    let sku = json!({
        "name": "弯头 DN40", "skuCode": "PIP-ELB-001",
        "priceTiers": [{ "minQty": 1, "maxQty": 9, "unitPriceFen": 900 }, { "minQty": 10, "unitPriceFen": 800 }],
    });
    let path = format!("/catalog/products/{}", product["product"]["id"].as_str().unwrap_or_default());
    story.say("admin", &format!("POST {path}/skus"), sku).await;
    story.say("visitor", &format!("GET {path}"), GET).await;

    let job = story.say("admin", "POST /admin/product-requests/export-jobs", json!({})).await;
    let job = format!("GET /admin/import-jobs/{}", job["id"].as_str().unwrap_or_default());
    story.wait("admin", &job, |job| job["status"] == "SUCCEEDED").await;
    story.upload("admin", "/admin/products/import-jobs", "excelFile", "products.xlsx", b"no workbook").await;
    story.say("admin", "GET /audit-logs?action=customer.transfer", GET).await;
    story.say("visitor", "GET /audit-logs", GET).await;
    story.say("visitor", "POST /internal/orders/1/payment-status", json!({})).await;
    story.say("visitor", "GET /ready", GET).await;
    insta::assert_snapshot!(story.end().await);
}
