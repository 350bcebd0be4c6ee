use http::Method;
use serde_json::{Value, json};

use crate::world::{
    ADMIN, BOSS, CS, CUSTOMER, MANAGER, OTHER_CUSTOMER, OTHER_SALES, SALES, World, order_of, refusal, sku,
};

const NOWHERE: &str = "99999999-9999-9999-9999-999999999999";

async fn cart_line(world: &World, sku: &str, qty: i64) -> String {
    let body = json!({ "skuId": sku, "qty": qty });
    let cart = world.by(CUSTOMER, Method::POST, "/cart/items", body).await.json();
    let line = cart["items"].as_array().unwrap().iter().find(|i| i["sku"]["id"] == sku).unwrap().clone();
    line["id"].as_str().unwrap().to_owned()
}

async fn cart(world: &World) -> Vec<(String, i64)> {
    let cart = world.by(CUSTOMER, Method::GET, "/cart", Value::Null).await.json();
    let line = |i: &Value| (i["sku"]["skuCode"].as_str().unwrap().to_owned(), i["qty"].as_i64().unwrap());
    cart["items"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn an_order_is_what_was_asked_for() {
    let Some(world) = World::start().await else { return };
    let body = json!({
        "address": { "receiverName": "王芳", "receiverPhone": "138", "detail": "一号楼", "city": "上海", "floor": 3 },
        "remark": " 周一送 ",
        "items": [{ "skuId": sku("01"), "qty": 6 }, { "skuId": sku("02"), "qty": 1 }, { "skuId": sku("01"), "qty": 4 }],
    });
    let reply = world.by(CUSTOMER, Method::POST, "/orders", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let order = reply.json();
    let lines: Vec<_> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| format!("{} {} {}", i["sku"]["skuCode"].as_str().unwrap(), i["qty"], i["unitPriceFen"]))
        .collect();
    // Ten of the first SKU altogether, so both of its lines have the price for ten.
    assert_eq!(lines, ["MET-PIPE-001 6 12000", "MET-PIPE-002 1 16200", "MET-PIPE-001 4 12000"]);
    let mut rest = order.clone();
    for key in ["id", "items", "createdAt", "updatedAt"] {
        rest.as_object_mut().unwrap().remove(key);
    }
    let expected = json!({
        "status": "SUBMITTED",
        "paymentStatus": "UNPAID",
        "ownerSalesUserId": SALES.id,
        "paymentChannel": null,
        "paidAt": null,
        "address": { "receiverName": "王芳", "receiverPhone": "138", "city": "上海", "detail": "一号楼" },
        "remark": "周一送",
    });
    assert_eq!(rest, expected);
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(world.by(CUSTOMER, Method::GET, &path, Value::Null).await.json(), order);
    // Prices are frozen.
    sqlx::query("UPDATE catalog_price_tiers SET unit_price_fen = 1").execute(&world.pool).await.unwrap();
    let later = world.by(CUSTOMER, Method::GET, &path, Value::Null).await.json();
    assert_eq!(later["items"][0]["unitPriceFen"], 12000);
    world.stop().await;
}

#[tokio::test]
async fn what_can_not_be_ordered() {
    let Some(world) = World::start().await else { return };
    sqlx::query("UPDATE catalog_skus SET is_active = false WHERE sku_code = 'MET-ANG-002'")
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::query(
        "DELETE FROM catalog_price_tiers t USING catalog_skus s
         WHERE s.id = t.sku_id AND s.sku_code = 'MET-CHN-001' AND t.min_qty > 1",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let line = cart_line(&world, &sku("01"), 2).await;
    let check = async |items: Value, expect: &str| {
        let body = json!({ "address": {}, "items": items });
        let reply = world.by(CUSTOMER, Method::POST, "/orders", body).await;
        assert_eq!(refusal(&reply), format!("400 invalid_request: {expect}"), "{items}");
    };
    check(json!([]), "items is required").await;
    check(json!([{ "skuId": sku("01"), "qty": 0 }]), "qty must be >= 1").await;
    check(json!([{ "skuId": "7", "qty": 1 }]), "invalid request body").await;
    check(json!([{ "qty": 1 }]), "invalid skuId").await;
    check(json!([{ "skuId": NOWHERE, "qty": 1 }]), "invalid skuId").await;
    check(json!([{ "skuId": sku("04"), "qty": 1 }]), "sku is inactive").await;
    check(json!([{ "skuId": sku("05"), "qty": 10 }]), "price tier not found").await;
    let of_cart = |sku: String, qty: i64| json!({ "cartItemId": line, "skuId": sku, "qty": qty });
    check(json!([of_cart(sku("01"), 1), of_cart(sku("01"), 1)]), "duplicate cartItemId").await;
    check(json!([of_cart(sku("02"), 1)]), "cart item sku does not match").await;
    check(json!([of_cart(sku("01"), 3)]), "qty exceeds cart item quantity").await;
    check(json!([{ "cartItemId": NOWHERE, "skuId": sku("01"), "qty": 1 }]), "invalid cartItemId").await;
    assert_eq!(cart(&world).await, [("MET-PIPE-001".to_owned(), 2)], "nothing left the cart");
    let total = world.by(ADMIN, Method::GET, "/orders", Value::Null).await.json()["total"].clone();
    assert_eq!(total, 0);
    world.stop().await;
}

#[tokio::test]
async fn ordering_empties_the_cart() {
    let Some(world) = World::start().await else { return };
    let pipes = cart_line(&world, &sku("01"), 5).await;
    let angles = cart_line(&world, &sku("03"), 2).await;
    cart_line(&world, &sku("05"), 9).await;
    let body = json!({ "address": {}, "items": [
        { "cartItemId": pipes, "skuId": sku("01"), "qty": 3 },
        { "cartItemId": angles, "skuId": sku("03"), "qty": 2 },
        { "skuId": sku("05"), "qty": 1 },
    ] });
    assert_eq!(world.by(CUSTOMER, Method::POST, "/orders", body).await.status, 201);
    assert_eq!(cart(&world).await, [("MET-PIPE-001".to_owned(), 2)]);
    world.stop().await;
}

#[tokio::test]
async fn a_key_makes_one_order() {
    let Some(world) = World::start().await else { return };
    let line = cart_line(&world, &sku("01"), 20).await;
    let body = json!({ "address": {}, "items": [{ "cartItemId": line, "skuId": sku("01"), "qty": 20 }] });
    let with_key = |person, key: &str| world.of(person).with("idempotency-key", key);
    // Ten times at once: one order, and nine answers that say which.
    let client = with_key(CUSTOMER, "k1");
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (client, body) = (client.clone(), body.clone());
            tokio::spawn(async move { client.post("/orders", body).await })
        })
        .collect();
    let (mut made, mut told) = (Vec::new(), Vec::new());
    for task in tasks {
        let reply = task.await.unwrap();
        world.contracts.check("POST", "/orders", &reply);
        if reply.status == 201 {
            made.push(reply.json()["id"].clone());
        } else {
            assert_eq!(refusal(&reply), "409 conflict: duplicate idempotency key");
            told.push(reply.json()["details"]["orderId"].clone());
        }
    }
    assert_eq!((made.len(), told.len()), (1, 9));
    assert!(told.iter().all(|id| *id == made[0]), "{told:?}");

    let again = with_key(CUSTOMER, "k1").post("/orders", order_of(&sku("02"), 1)).await;
    assert_eq!(again.json()["details"]["orderId"], made[0], "the key counts, not what is ordered");
    assert_eq!(with_key(OTHER_CUSTOMER, "k1").post("/orders", order_of(&sku("02"), 1)).await.status, 201);
    assert_eq!(with_key(CUSTOMER, "k2").post("/orders", order_of(&sku("02"), 1)).await.status, 201);
    for _ in 0..2 {
        let blank = with_key(CUSTOMER, " ").post("/orders", order_of(&sku("02"), 1)).await;
        assert_eq!(blank.status, 201, "a blank key is none");
    }
    let long = with_key(CUSTOMER, &"k".repeat(256)).post("/orders", order_of(&sku("02"), 1)).await;
    assert_eq!(
        refusal(&long),
        "400 invalid_request: Idempotency-Key must be at most 255 printable ASCII characters"
    );
    world.stop().await;
}

#[tokio::test]
async fn everybody_sees_their_own_orders() {
    let Some(world) = World::start().await else { return };
    let first = world.order(CUSTOMER, &sku("01"), 1).await;
    let second = world.order(CUSTOMER, &sku("02"), 1).await;
    let other = world.order(OTHER_CUSTOMER, &sku("03"), 1).await;
    world.report(&second, "PAID").await;
    let name = |id: &Value| {
        let id = id.as_str().unwrap();
        [(&first, "1"), (&second, "2"), (&other, "3")].iter().find(|(o, _)| o.as_str() == id).unwrap().1
    };
    let check = async |person, query: &str, expect: &str| {
        let list = world.by(person, Method::GET, &format!("/orders{query}"), Value::Null).await.json();
        let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|o| name(&o["id"])).collect();
        assert_eq!(format!("{} of {}", ids.join(""), list["total"]), expect, "{person:?} {query}");
    };
    check(CUSTOMER, "", "21 of 2").await;
    check(
        CUSTOMER,
        &format!("?customerId={}&ownerSalesUserId={}", OTHER_CUSTOMER.id, OTHER_SALES.id),
        "21 of 2",
    )
    .await;
    check(OTHER_CUSTOMER, "", "3 of 1").await;
    check(SALES, "", "21 of 2").await;
    check(SALES, &format!("?ownerSalesUserId={}", OTHER_SALES.id), "21 of 2").await;
    check(SALES, &format!("?customerId={}", OTHER_CUSTOMER.id), " of 0").await;
    check(OTHER_SALES, "", "3 of 1").await;
    check(CS, "", "321 of 3").await;
    check(ADMIN, "?pageSize=2", "32 of 3").await;
    check(ADMIN, "?pageSize=2&page=2", "1 of 3").await;
    check(ADMIN, "?page=999999999999", " of 3").await;
    check(ADMIN, "?status=PAID", "2 of 1").await;
    check(ADMIN, "?status=SOLD", " of 0").await;
    check(ADMIN, &format!("?customerId={}&status=SUBMITTED", CUSTOMER.id), "1 of 1").await;
    check(ADMIN, &format!("?ownerSalesUserId={}", SALES.id), "21 of 2").await;

    let stats = async |person| {
        let list = world.by(person, Method::GET, "/orders/stats", Value::Null).await.json();
        let stat = |s: &Value| format!("{} {}", s["status"].as_str().unwrap(), s["count"]);
        list["items"].as_array().unwrap().iter().map(stat).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(stats(CUSTOMER).await, "PAID 1, SUBMITTED 1");
    assert_eq!(stats(OTHER_SALES).await, "SUBMITTED 1");
    assert_eq!(stats(ADMIN).await, "PAID 1, SUBMITTED 2");
    let path = format!("/orders/{other}");
    for person in [CUSTOMER, SALES] {
        let reply = world.by(person, Method::GET, &path, Value::Null).await;
        assert_eq!(refusal(&reply), "404 not_found: order not found");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_life_of_an_order() {
    let Some(world) = World::start().await else { return };
    let id = world.order(CUSTOMER, &sku("01"), 1).await;
    let status = async || {
        let order = world.by(ADMIN, Method::GET, &format!("/orders/{id}"), Value::Null).await.json();
        format!("{} {}", order["status"].as_str().unwrap(), order["paymentStatus"].as_str().unwrap())
    };
    let receive = async |person| {
        world.by(person, Method::POST, &format!("/orders/{id}/confirm-receipt"), Value::Null).await
    };
    let ship = async |person| {
        let body = json!({ "waybillNo": "SF1", "carrier": "顺丰" });
        world.by(person, Method::POST, &format!("/admin/orders/{id}/ship"), body).await
    };
    let not_ready = "409 invalid_order_state: only a confirmed and paid order can be shipped";
    assert_eq!(refusal(&ship(CS).await), not_ready);
    assert_eq!(world.report(&id, "PAY_PENDING").await.json()["latestPaymentId"].as_str().unwrap().len(), 36);
    assert_eq!(status().await, "PAY_PENDING PAY_PENDING");
    world.report(&id, "CANCELLED").await;
    assert_eq!(status().await, "PAY_FAILED CANCELLED");
    let paid = world.report(&id, "PAID").await.json();
    assert_eq!((&paid["paymentChannel"], paid["paidAt"].is_string()), (&json!("WECHAT"), true));
    world.report(&id, "PAY_FAILED").await;
    assert_eq!(status().await, "PAID PAID", "what is paid stays paid");
    assert_eq!(refusal(&ship(CS).await), not_ready);

    let take = async |key: &str, owner: Value, offline: bool| {
        let client = world.of(MANAGER).with("idempotency-key", key);
        let body = json!({ "ownerSalesUserId": owner, "note": "加急", "confirmOfflinePayment": offline });
        world.call(&client, Method::PATCH, &format!("/admin/orders/{id}/fulfillment"), body).await
    };
    let refused = async |key: &str, owner: Value, offline: bool, expect: &str| {
        assert_eq!(refusal(&take(key, owner, offline).await), expect);
    };
    refused("a", json!(SALES.id), true, "409 invalid_order_state: the order is paid already").await;
    let nobody = "409 invalid_sales_assignee: ownerSalesUserId is not an active sales user";
    refused("a", json!(CS.id), false, nobody).await;
    refused("a", json!(NOWHERE), false, nobody).await;
    refused("", json!(SALES.id), false, "400 invalid_request: Idempotency-Key is required").await;
    refused("a", Value::Null, false, "400 invalid_request: ownerSalesUserId is required").await;
    let taken = take("a", json!(OTHER_SALES.id), false).await;
    assert_eq!(taken.json()["ownerSalesUserId"], json!(OTHER_SALES.id), "{taken:?}");
    assert_eq!(status().await, "CONFIRMED PAID");
    let again = take("a", json!(SALES.id), false).await.json();
    assert_eq!(again["ownerSalesUserId"], json!(OTHER_SALES.id), "a repeated key changes nothing");
    assert_eq!(take("b", json!(SALES.id), false).await.status, 200);
    let events = world.by(BOSS, Method::GET, &format!("/admin/orders/{id}/events"), Value::Null).await.json();
    let event = |e: &Value| {
        format!(
            "{} {}-{}",
            e["action"].as_str().unwrap(),
            e["previousStatus"].as_str().unwrap(),
            e["newStatus"].as_str().unwrap()
        )
    };
    let events: Vec<_> = events["items"].as_array().unwrap().iter().map(event).collect();
    assert_eq!(events, ["REASSIGN CONFIRMED-CONFIRMED", "ASSIGN PAID-CONFIRMED"]);

    assert_eq!(
        refusal(&receive(CUSTOMER).await),
        "409 invalid_order_state: only a shipped order can be received"
    );
    assert_eq!(ship(CS).await.json()["status"], "SHIPPED");
    let tracking =
        world.by(CUSTOMER, Method::GET, &format!("/orders/{id}/tracking"), Value::Null).await.json();
    assert_eq!(
        (&tracking["shipments"][0]["waybillNo"], &tracking["shipments"][0]["carrier"]),
        (&json!("SF1"), &json!("顺丰"))
    );
    assert_eq!(refusal(&receive(OTHER_CUSTOMER).await), "404 not_found: order not found");
    assert_eq!(refusal(&receive(SALES).await), "403 forbidden: permission denied");
    assert_eq!(receive(CUSTOMER).await.json()["status"], "DELIVERED");
    let late = world.by(CS, Method::POST, &format!("/admin/orders/{id}/confirm-delivery"), Value::Null).await;
    assert_eq!(refusal(&late), "409 invalid_order_state: only a shipped order can be received");
    world.stop().await;
}

#[tokio::test]
async fn money_that_comes_another_way() {
    let Some(world) = World::start().await else { return };
    let id = world.order(CUSTOMER, &sku("01"), 1).await;
    let client = world.admin().with("idempotency-key", "once");
    let path = format!("/admin/orders/{id}/fulfillment");
    let body = json!({ "ownerSalesUserId": SALES.id, "note": "现金", "confirmOfflinePayment": true });
    let order = world.call(&client, Method::PATCH, &path, body.clone()).await.json();
    assert_eq!(
        (&order["status"], &order["paymentStatus"], &order["paymentChannel"]),
        (&json!("CONFIRMED"), &json!("PAID"), &json!("OFFLINE"))
    );
    let unknown = format!("/admin/orders/{NOWHERE}/fulfillment");
    assert_eq!(
        refusal(&world.call(&client, Method::PATCH, &unknown, body).await),
        "404 not_found: order not found"
    );
    let unknown = format!("/admin/orders/{NOWHERE}/events");
    assert_eq!(
        refusal(&world.by(ADMIN, Method::GET, &unknown, Value::Null).await),
        "404 not_found: order not found"
    );
    world.stop().await;
}

#[tokio::test]
async fn only_payment_tells_about_payments() {
    let Some(world) = World::start().await else { return };
    let id = world.order(CUSTOMER, &sku("01"), 1).await;
    let path = format!("/internal/orders/{id}/payment-status");
    let body = json!({ "paymentId": NOWHERE, "status": "PAID" });
    for client in [
        world.admin(),
        world.client.with("x-internal-token", "wrong"),
        world.client.with("x-internal-token", ""),
    ] {
        let reply = world.call(&client, Method::POST, &path, body.clone()).await;
        assert_eq!(refusal(&reply), "401 unauthorized: invalid internal sync token");
    }
    assert_eq!(refusal(&world.report(&id, "UNPAID").await), "400 invalid_request: invalid status");
    assert_eq!(refusal(&world.report(&id, "SOLD").await), "400 invalid_request: invalid status");
    assert_eq!(refusal(&world.report(NOWHERE, "PAID").await), "404 not_found: order not found");
    world.stop().await;

    let Some(world) = World::start_with(&[("COMMERCE_INTERNAL_SYNC_TOKEN", "")]).await else { return };
    let id = world.order(CUSTOMER, &sku("01"), 1).await;
    let reply = world
        .client
        .with("x-internal-token", "")
        .post(&format!("/internal/orders/{id}/payment-status"), body)
        .await;
    assert_eq!(refusal(&reply), "401 unauthorized: invalid internal sync token", "no token, nobody");
    world.stop().await;
}
