use serde_json::{Value, json};
use shop_stories::Story;

const SKU: &str = "33333333-3333-3333-3333-33333333330d";
const GET: Value = Value::Null;

/// Look, log in, choose, order, pay, receive.
#[tokio::test]
async fn the_customer() {
    let Some(mut story) = Story::begin().await else { return };
    story.say("visitor", "GET /bff/bootstrap", GET).await;
    story.say("visitor", "GET /catalog/categories", GET).await;
    story.say("visitor", "GET /catalog/products?q=LED&pageSize=1", GET).await;
    story.say("visitor", "GET /cart", GET).await;

    story.mini("customer", "mock_customer_001").await;
    story.say("customer", "GET /bff/bootstrap", GET).await;
    story.say("customer", "GET /catalog/products/22222222-2222-2222-2222-222222222228", GET).await;
    story.say("customer", "POST /wishlist", json!({ "skuId": SKU })).await;
    story.say("customer", "POST /cart/items", json!({ "skuId": SKU, "qty": 9 })).await;
    story.say("customer", "POST /cart/items", json!({ "skuId": SKU, "qty": 0 })).await;
    let cart = story.say("customer", "POST /cart/items", json!({ "skuId": SKU, "qty": 1 })).await;
    let address = json!({ "receiverName": "王", "receiverPhone": "13800000000", "detail": "上海市 1 号" });
    story.say("customer", "POST /addresses", address.clone()).await;
    let item = json!({ "cartItemId": cart["items"][0]["id"], "skuId": SKU, "qty": 10 });
    let wish = json!({ "address": address, "items": [item] });
    let key = [("idempotency-key", "one wish")];
    let order = story.say_with("customer", "POST /orders", &key, wish.clone()).await;
    story.say_with("customer", "POST /orders", &key, wish).await;
    story.say("customer", "GET /cart", GET).await;
    let id = order["id"].as_str().unwrap_or_default().to_owned();

    let pay = json!({ "orderId": id });
    story.say("customer", "POST /payments/wechat/create", pay.clone()).await;
    story.web("admin", "admin").await;
    let on = json!({ "paymentEnabled": true, "wechatPayEnabled": true });
    story.say("admin", "PATCH /admin/config/feature-flags", on).await;
    story.say("customer", "POST /payments/alipay/create", pay.clone()).await;
    let session = story.say("customer", "POST /payments/wechat/create", pay.clone()).await;
    let order_path = format!("GET /orders/{id}");
    story.wait("customer", &order_path, |order| order["paymentStatus"] == "PAY_PENDING").await;
    let again = story.say("customer", "POST /payments/wechat/create", pay.clone()).await;
    assert_eq!(again, session, "asked again the session is the same");
    story.say("wechat", "POST /payments/wechat/notify", json!({ "paymentId": session["paymentId"] })).await;
    story.wait("customer", &order_path, |order| order["paymentStatus"] == "PAID").await;
    story.say("customer", "POST /payments/wechat/create", pay).await;

    story.mini("stranger", "mock_stranger").await;
    story.say("stranger", &order_path, GET).await;
    story.say("stranger", "POST /payments/wechat/create", json!({ "orderId": id })).await;

    let sales = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";
    let assign = json!({ "ownerSalesUserId": sales, "note": "paid", "confirmOfflinePayment": false });
    let key = [("idempotency-key", "assign")];
    story.say_with("admin", &format!("PATCH /admin/orders/{id}/fulfillment"), &key, assign).await;
    let ship = json!({ "waybillNo": "SF1", "carrier": "SF" });
    story.say("admin", &format!("POST /admin/orders/{id}/ship"), ship).await;
    story.say("customer", &format!("GET /orders/{id}/tracking"), GET).await;
    story.say("customer", &format!("POST /orders/{id}/confirm-receipt"), GET).await;
    story.say("customer", &format!("POST /orders/{id}/confirm-receipt"), GET).await;
    story.say("customer", "GET /orders/stats", GET).await;
    insta::assert_snapshot!(story.end().await);
}
