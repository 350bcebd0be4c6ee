use serde_json::{Value, json};
use shop_stories::Story;

const SKU: &str = "33333333-3333-3333-3333-333333333305";
const GET: Value = Value::Null;

/// A customer scans the code, belongs to its salesperson, asks for a price and orders.
#[tokio::test]
async fn the_salesperson() {
    let Some(mut story) = Story::begin().await else { return };
    story.mini("sales", "mock_sales_001").await;
    let code = story.say("sales", "GET /me/sales-qr-code", GET).await;
    let login = json!({ "platform": "weapp", "code": "mock_scanned", "scene": code["scene"] });
    story.log_in("customer", "/auth/mini/login", login).await;
    story.say("customer", "GET /me/sales-qr-code", GET).await;
    story.say("sales", "GET /customers?q=mock", GET).await;
    let customers = story.say("sales", "GET /customers", GET).await;
    assert!(customers["total"].as_u64() >= Some(2), "the seed's and the one that scanned: {customers}");

    let question = json!({ "skuId": SKU, "message": "500 根多少钱？" });
    let inquiry = story.say("customer", "POST /inquiries/price", question).await;
    let inquiry = inquiry["id"].as_str().unwrap_or_default().to_owned();
    let respond = json!({ "status": "RESPONDED", "responseNote": "138 元" });
    story.say("sales", &format!("PATCH /inquiries/price/{inquiry}"), respond).await;
    let message = json!({ "content": "可以送货吗？" });
    story.say("customer", &format!("POST /inquiries/price/{inquiry}/messages"), message).await;
    story.say("sales", &format!("GET /inquiries/price/{inquiry}/messages"), GET).await;

    let address = json!({ "receiverName": "李", "receiverPhone": "13900000000", "detail": "杭州市 2 号" });
    let wish = json!({ "address": address, "items": [{ "skuId": SKU, "qty": 50 }] });
    let order = story.say("customer", "POST /orders", wish.clone()).await;
    let order = order["id"].as_str().unwrap_or_default().to_owned();
    story.say("sales", &format!("GET /orders/{order}"), GET).await;

    // What belongs to nobody belongs to nobody else either.
    story.mini("stranger", "mock_stranger").await;
    let foreign = story.say("stranger", "POST /orders", wish).await;
    let foreign = foreign["id"].as_str().unwrap_or_default().to_owned();
    story.say("sales", &format!("GET /orders/{foreign}"), GET).await;
    story.say("stranger", &format!("GET /inquiries/price/{inquiry}"), GET).await;
    story.say("sales", "GET /staff", GET).await;
    story.say("sales", "POST /wishlist", json!({ "skuId": SKU })).await;

    // Two roles: one has to be chosen.
    story.mini("multi", "mock_multi_001").await;
    let chosen = json!({ "platform": "weapp", "code": "mock_multi_001", "role": "SALES" });
    story.log_in("multi", "/auth/mini/login", chosen).await;
    story.say("multi", "POST /auth/switch-role", json!({ "role": "CUSTOMER" })).await;
    insta::assert_snapshot!(story.end().await);
}
