use serde_json::{Value, json};
use shop_stories::Story;

const SKU: &str = "33333333-3333-3333-3333-333333333311";
const GET: Value = Value::Null;

/// Every order is seen, waybills are recorded, and nothing else is allowed.
#[tokio::test]
async fn procurement() {
    let Some(mut story) = Story::begin().await else { return };
    story.mini("customer", "mock_customer_001").await;
    let address = json!({ "receiverName": "王", "receiverPhone": "13800000000", "detail": "上海市 1 号" });
    let wish = json!({ "address": address, "items": [{ "skuId": SKU, "qty": 1 }] });
    let order = story.say("customer", "POST /orders", wish).await;
    let order = order["id"].as_str().unwrap_or_default().to_owned();

    story.mini("procurement", "mock_procurement_001").await;
    story.say("procurement", "GET /me/permissions", GET).await;
    story.say("procurement", "GET /orders?status=SUBMITTED", GET).await;
    story.say("procurement", "GET /orders?status=SHIPPED", GET).await;
    let tracking = format!("POST /orders/{order}/tracking");
    let shipments =
        json!({ "shipments": [{ "waybillNo": "YT1", "carrier": "YTO" }, { "waybillNo": "YT2" }] });
    story.say("procurement", &tracking, shipments).await;
    story.say("procurement", &tracking, json!({ "shipments": [{ "waybillNo": " " }] })).await;
    story.say("customer", &format!("GET /orders/{order}/tracking"), GET).await;
    story.say("customer", &tracking, json!({ "shipments": [{ "waybillNo": "X" }] })).await;
    story.upload("procurement", "/shipments/import-jobs", "excelFile", "waybills.xlsx", b"no workbook").await;
    story.upload("customer", "/shipments/import-jobs", "excelFile", "waybills.xlsx", b"no workbook").await;

    story.say("procurement", "POST /catalog/categories", json!({ "name": "x" })).await;
    story.say("procurement", "GET /customers", GET).await;
    story.say("procurement", "GET /product-requests", GET).await;
    story.say("procurement", "PATCH /admin/config/feature-flags", json!({ "paymentEnabled": true })).await;
    insta::assert_snapshot!(story.end().await);
}
