use http::Method;
use serde_json::{Value, json};

use crate::world::{ADMIN, CUSTOMER, OTHER_CUSTOMER, SALES, World, refusal, sku};

const NOWHERE: &str = "99999999-9999-9999-9999-999999999999";

#[tokio::test]
async fn a_cart_fills_and_empties() {
    let Some(world) = World::start().await else { return };
    let call = async |method: Method, path: &str, body: Value| world.by(CUSTOMER, method, path, body).await;
    let add = async |sku: &str, qty: i64| {
        call(Method::POST, "/cart/items", json!({ "skuId": sku, "qty": qty })).await
    };
    assert_eq!(call(Method::GET, "/cart", Value::Null).await.json(), json!({ "items": [] }));
    assert_eq!(add(&sku("01"), 3).await.status, 200);
    assert_eq!(add(&sku("02"), 1).await.status, 200);
    let cart = add(&sku("01"), 4).await.json();
    let lines: Vec<_> =
        cart["items"].as_array().unwrap().iter().map(|i| (&i["sku"]["skuCode"], &i["qty"])).collect();
    assert_eq!(lines, [(&json!("MET-PIPE-001"), &json!(7)), (&json!("MET-PIPE-002"), &json!(1))]);
    assert_eq!(cart["items"][0]["sku"]["priceTiers"][1]["unitPriceFen"], 12000);
    assert!(cart["updatedAt"].is_string());

    let line = format!("/cart/items/{}", cart["items"][0]["id"].as_str().unwrap());
    let changed = call(Method::PATCH, &line, json!({ "qty": 2 })).await.json();
    assert_eq!(changed["items"][0]["qty"], 2);
    let huge = add(&sku("02"), i64::MAX).await.json();
    assert_eq!(huge["items"][1]["qty"], i32::MAX, "a quantity ends where the database's does");

    let other = world.by(OTHER_CUSTOMER, Method::PATCH, &line, json!({ "qty": 9 })).await;
    assert_eq!(refusal(&other), "404 not_found: cart item not found");
    assert_eq!(world.by(OTHER_CUSTOMER, Method::DELETE, &line, Value::Null).await.status, 204);
    assert_eq!(
        call(Method::GET, "/cart", Value::Null).await.json()["items"][0]["qty"],
        2,
        "nobody else's cart"
    );
    for _ in 0..2 {
        assert_eq!(call(Method::DELETE, &line, Value::Null).await.status, 204);
    }

    let refused = async |method: Method, path: &str, body: Value, expect: &str| {
        assert_eq!(refusal(&call(method, path, body.clone()).await), expect, "{path} {body}");
    };
    let post = async |body: Value, expect: &str| refused(Method::POST, "/cart/items", body, expect).await;
    post(json!({ "skuId": sku("01"), "qty": 0 }), "400 invalid_request: qty must be >= 1").await;
    post(json!({ "skuId": sku("01") }), "400 invalid_request: qty must be >= 1").await;
    post(json!({ "qty": 1 }), "400 invalid_request: skuId is required").await;
    post(json!({ "skuId": "7", "qty": 1 }), "400 invalid_request: invalid request body").await;
    post(json!({ "skuId": NOWHERE, "qty": 1 }), "404 not_found: sku not found").await;
    let expect = "400 invalid_request: qty must be >= 1";
    refused(Method::PATCH, &format!("/cart/items/{NOWHERE}"), json!({ "qty": 0 }), expect).await;
    let expect = "404 not_found: cart item not found";
    refused(Method::PATCH, &format!("/cart/items/{NOWHERE}"), json!({ "qty": 1 }), expect).await;
    let expect = "400 invalid_request: Invalid format for parameter itemId: not a UUID";
    refused(Method::DELETE, "/cart/items/7", Value::Null, expect).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cart_has_an_end() {
    let Some(world) = World::start().await else { return };
    sqlx::query(
        "WITH more AS (
             INSERT INTO catalog_skus (product_id, name) SELECT '22222222-2222-2222-2222-222222222222', 's' || n
             FROM generate_series(1, 1000) AS n RETURNING id
         ) INSERT INTO cart_items (owner_user_id, sku_id, qty) SELECT $1, id, 1 FROM more",
    )
    .bind(CUSTOMER.id)
    .execute(&world.pool)
    .await
    .unwrap();
    let body = json!({ "skuId": sku("01"), "qty": 1 });
    let refused = world.by(CUSTOMER, Method::POST, "/cart/items", body).await;
    assert_eq!(refusal(&refused), "400 invalid_request: cart supports at most 1000 items");
    world.stop().await;
}

#[tokio::test]
async fn a_wishlist_remembers() {
    let Some(world) = World::start().await else { return };
    let call = async |method: Method, path: &str, body: Value| world.by(CUSTOMER, method, path, body).await;
    for ending in ["01", "03", "01"] {
        let body = json!({ "skuId": sku(ending) });
        assert_eq!(call(Method::POST, "/wishlist", body).await.status, 204);
    }
    let codes = async || {
        let list = call(Method::GET, "/wishlist", Value::Null).await.json();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|i| i["sku"]["skuCode"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes().await, ["MET-ANG-001", "MET-PIPE-001"], "newest first");
    assert_eq!(world.by(ADMIN, Method::GET, "/wishlist", Value::Null).await.json(), json!({ "items": [] }));
    for _ in 0..2 {
        let path = format!("/wishlist/{}", sku("03"));
        assert_eq!(call(Method::DELETE, &path, Value::Null).await.status, 204);
    }
    assert_eq!(codes().await, ["MET-PIPE-001"]);

    sqlx::query("UPDATE catalog_skus SET is_active = false WHERE sku_code = 'MET-ANG-002'")
        .execute(&world.pool)
        .await
        .unwrap();
    let refused = async |body: Value, expect: &str| {
        assert_eq!(refusal(&call(Method::POST, "/wishlist", body.clone()).await), expect, "{body}");
    };
    refused(json!({}), "400 invalid_request: skuId is required").await;
    refused(json!({ "skuId": NOWHERE }), "400 invalid_request: invalid skuId").await;
    refused(json!({ "skuId": sku("04") }), "400 invalid_request: sku is inactive").await;
    let sales = world.by(SALES, Method::GET, "/wishlist", Value::Null).await;
    assert_eq!(refusal(&sales), "403 forbidden: permission denied");
    world.stop().await;
}

#[tokio::test]
async fn one_address_is_the_default() {
    let Some(world) = World::start().await else { return };
    let call = async |method: Method, path: &str, body: Value| world.by(CUSTOMER, method, path, body).await;
    let add = async |name: &str, default: Value| {
        let body = json!({ "receiverName": name, "receiverPhone": "1", "detail": "d", "isDefault": default });
        let reply = call(Method::POST, "/addresses", body).await;
        assert_eq!(reply.status, 201);
        format!("/addresses/{}", reply.json()["id"].as_str().unwrap())
    };
    let list = async || {
        let list = call(Method::GET, "/addresses", Value::Null).await.json();
        let items = list["items"].as_array().unwrap().clone();
        let one = |a: &Value| {
            format!(
                "{}{}",
                a["receiverName"].as_str().unwrap(),
                if a["isDefault"] == true { "*" } else { "" }
            )
        };
        items.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    let a = add("a", json!(false)).await;
    let b = add("b", json!(true)).await;
    let c = add("c", Value::Null).await;
    assert_eq!(list().await, "b* c a", "the default, then the newest");
    assert_eq!(call(Method::PATCH, &b, json!({ "isDefault": false })).await.json()["isDefault"], true);
    assert_eq!(
        call(Method::PATCH, &a, json!({ "isDefault": true, "detail": " e " })).await.json()["detail"],
        "e"
    );
    assert_eq!(list().await, "a* c b");
    assert_eq!(call(Method::DELETE, &a, Value::Null).await.status, 204);
    assert_eq!(list().await, "c* b", "the newest takes its place");

    let refused = async |method: Method, path: &str, body: Value, expect: &str| {
        assert_eq!(refusal(&call(method, path, body).await), expect, "{path}");
    };
    let expect = "404 not_found: address not found";
    refused(Method::DELETE, &a, Value::Null, expect).await;
    refused(Method::PATCH, &a, json!({ "isDefault": true }), expect).await;
    assert_eq!(list().await, "c* b", "a change of nothing changes nothing");
    let blank = json!({ "receiverName": "" });
    refused(Method::PATCH, &c, blank, "400 invalid_request: receiverName is required").await;
    let body = json!({ "receiverName": "x", "receiverPhone": "1" });
    refused(Method::POST, "/addresses", body, "400 invalid_request: detail is required").await;
    let foreign = world.by(OTHER_CUSTOMER, Method::DELETE, &c, Value::Null).await;
    assert_eq!(refusal(&foreign), expect);
    world.stop().await;
}
