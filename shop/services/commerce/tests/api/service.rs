use http::Method;
use serde_json::{Value, json};

use crate::world::{
    ADMIN, CS, CUSTOMER, MANAGER, OTHER_CUSTOMER, OTHER_SALES, Person, SALES, World, refusal, sku,
};

const NOWHERE: &str = "99999999-9999-9999-9999-999999999999";

async fn made(world: &World, person: Person, path: &str, body: Value) -> Value {
    let reply = world.by(person, Method::POST, path, body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

/// A text of every item of a list, and the total.
async fn list(world: &World, person: Person, path: &str, field: &str) -> String {
    let reply = world.by(person, Method::GET, path, Value::Null).await;
    if reply.status != 200 {
        return refusal(&reply);
    }
    let list = reply.json();
    let texts: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|i| i[field].as_str().unwrap()).collect();
    format!("{} of {}", texts.join(","), list["total"])
}

#[tokio::test]
async fn products_that_are_missed() {
    let Some(world) = World::start().await else { return };
    let path = "/product-requests";
    let body = json!({
        "name": " 钛合金螺栓 ", "categoryId": "11111111-1111-1111-1111-111111111111", "qty": "200 个", "color": "",
        "referenceImageUrls": ["http://a/b.png"],
    });
    let mut request = made(&world, CUSTOMER, path, body).await;
    for key in ["id", "createdAt"] {
        assert!(request.as_object_mut().unwrap().remove(key).unwrap().is_string());
    }
    let expected = json!({
        "createdByUserId": CUSTOMER.id, "name": "钛合金螺栓", "categoryId": "11111111-1111-1111-1111-111111111111",
        "qty": "200 个", "referenceImageUrls": ["http://a/b.png"],
    });
    assert_eq!(request, expected);
    made(&world, OTHER_CUSTOMER, path, json!({ "name": "50% 酒精" })).await;
    let check = async |person, query: &str, expect: &str| {
        assert_eq!(
            list(&world, person, &format!("{path}{query}"), "name").await,
            expect,
            "{person:?} {query}"
        );
    };
    check(CUSTOMER, "", "钛合金螺栓 of 1").await;
    check(SALES, "", "钛合金螺栓 of 1").await;
    check(OTHER_SALES, "", "50% 酒精 of 1").await;
    check(CS, "", "50% 酒精,钛合金螺栓 of 2").await;
    check(CS, "?q=%25", "50% 酒精 of 1").await;
    check(CS, "?pageSize=1&page=2", "钛合金螺栓 of 2").await;
    check(CS, "?createdAfter=2999-01-01T00:00:00Z", " of 0").await;
    check(CS, "?createdBefore=2999-01-01T00:00:00%2B08:00", "50% 酒精,钛合金螺栓 of 2").await;
    let unreadable = "400 invalid_request: Invalid format for parameter createdAfter: not an RFC 3339 time";
    check(CS, "?createdAfter=yesterday", unreadable).await;
    let refused = async |body: Value, expect: &str| {
        assert_eq!(refusal(&world.by(CUSTOMER, Method::POST, path, body).await), expect);
    };
    refused(json!({ "name": " " }), "400 invalid_request: name is required").await;
    refused(json!({ "name": "x", "categoryId": NOWHERE }), "400 invalid_request: categoryId does not exist")
        .await;
    refused(json!({ "name": "x", "note": "a\0b" }), "400 invalid_request: invalid request body").await;
    refused(json!({ "name": "x".repeat(201) }), "400 invalid_request: name must be at most 200 characters")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn tickets_find_their_sales_user() {
    let Some(world) = World::start().await else { return };
    let path = "/after-sales/tickets";
    let order = world.order(OTHER_CUSTOMER, &sku("01"), 1).await;
    let open = async |person, subject: &str, order: Value| {
        made(&world, person, path, json!({ "subject": subject, "description": "d", "orderId": order })).await
    };
    let ticket = open(CUSTOMER, "of the customer", Value::Null).await;
    assert_eq!(
        (&ticket["status"], &ticket["orderId"], &ticket["assignedStaffUserId"]),
        (&json!("OPEN"), &Value::Null, &Value::Null)
    );
    open(ADMIN, "about the order", json!(order)).await;
    open(ADMIN, "of nobody", Value::Null).await;
    let check = async |person, query: &str, expect: &str| {
        assert_eq!(list(&world, person, &format!("{path}{query}"), "subject").await, expect, "{person:?}");
    };
    check(CUSTOMER, "", "of the customer of 1").await;
    check(SALES, "", "of the customer of 1").await;
    check(OTHER_SALES, "", "about the order of 1").await;
    check(OTHER_CUSTOMER, "", " of 0").await;
    check(CS, "", "of nobody,about the order,of the customer of 3").await;
    check(MANAGER, &format!("?orderId={order}"), "about the order of 1").await;
    let foreign = json!({ "subject": "s", "description": "d", "orderId": order });
    let foreign = world.by(CUSTOMER, Method::POST, path, foreign).await;
    assert_eq!(refusal(&foreign), "404 not_found: order not found");

    let one = format!("{path}/{}", ticket["id"].as_str().unwrap());
    let change = async |person, body: Value| world.by(person, Method::PATCH, &one, body).await;
    let changed = change(SALES, json!({ "status": "RESOLVED", "assignedStaffUserId": CS.id })).await.json();
    assert_eq!((&changed["status"], &changed["assignedStaffUserId"]), (&json!("RESOLVED"), &json!(CS.id)));
    assert_eq!(
        change(CS, json!({ "assignedStaffUserId": null })).await.json()["assignedStaffUserId"],
        Value::Null
    );
    check(CS, "?status=RESOLVED", "of the customer of 1").await;
    let refused =
        async |person, body: Value, expect: &str| assert_eq!(refusal(&change(person, body).await), expect);
    refused(CS, json!({}), "400 invalid_request: no fields to update").await;
    refused(CS, json!({ "status": "LOST" }), "400 invalid_request: invalid status").await;
    refused(OTHER_SALES, json!({ "status": "OPEN" }), "404 not_found: after-sales ticket not found").await;
    refused(CUSTOMER, json!({ "status": "OPEN" }), "403 forbidden: permission denied").await;
    let missing = world.by(CUSTOMER, Method::POST, path, json!({ "subject": "s" })).await;
    assert_eq!(refusal(&missing), "400 invalid_request: description is required");

    conversation(&world, &one, "ticketId", "after-sales ticket not found").await;
    world.stop().await;
}

/// Says something as everybody who may, and reads it; `path` is of something of [`CUSTOMER`].
async fn conversation(world: &World, path: &str, about: &str, unknown: &str) {
    let messages = format!("{path}/messages");
    for (person, sender, text) in
        [(CUSTOMER, "customer", "坏了"), (SALES, "staff", "照片?"), (CS, "staff", "换新")]
    {
        let message = made(world, person, &messages, json!({ "content": text })).await;
        assert_eq!((&message["senderType"], &message["senderUserId"]), (&json!(sender), &json!(person.id)));
        assert!(path.ends_with(message[about].as_str().unwrap()));
    }
    assert_eq!(list(world, CUSTOMER, &messages, "content").await, "坏了,照片?,换新 of 3");
    assert_eq!(list(world, CS, &format!("{messages}?pageSize=2&page=2"), "content").await, "换新 of 3");
    let size = world.by(CS, Method::GET, &messages, Value::Null).await.json()["pageSize"].clone();
    assert_eq!(size, 50);
    let unknown = format!("404 not_found: {unknown}");
    for person in [OTHER_CUSTOMER, OTHER_SALES] {
        assert_eq!(list(world, person, &messages, "content").await, unknown);
        let reply = world.by(person, Method::POST, &messages, json!({ "content": "x" })).await;
        assert_eq!(refusal(&reply), unknown);
        assert_eq!(refusal(&world.by(person, Method::GET, path, Value::Null).await), unknown);
    }
    let nothing = world.by(CUSTOMER, Method::POST, &messages, json!({ "content": " " })).await;
    assert_eq!(refusal(&nothing), "400 invalid_request: content is required");
}

#[tokio::test]
async fn inquiries_find_their_sales_user() {
    let Some(world) = World::start().await else { return };
    let path = "/inquiries/price";
    let seeded = list(&world, CUSTOMER, path, "message").await;
    assert!(seeded.contains("镀锌槽钢 C100") && seeded.ends_with(" of 1"), "{seeded}");
    let inquiry =
        made(&world, CUSTOMER, path, json!({ "message": "一百个多少钱?", "skuId": sku("01") })).await;
    assert_eq!((&inquiry["assignedSalesUserId"], &inquiry["status"]), (&json!(SALES.id), &json!("OPEN")));
    let order = world.order(OTHER_CUSTOMER, &sku("01"), 1).await;
    let other =
        made(&world, OTHER_CUSTOMER, path, json!({ "message": "再来一百个?", "orderId": order })).await;
    let check = async |person, query: &str, expect: &str| {
        assert_eq!(list(&world, person, &format!("{path}{query}"), "message").await, expect, "{person:?}");
    };
    check(OTHER_SALES, "", "再来一百个? of 1").await;
    check(CS, "?pageSize=2", "再来一百个?,一百个多少钱? of 3").await;

    let one = format!("{path}/{}", other["id"].as_str().unwrap());
    let change = async |person, body: Value| world.by(person, Method::PATCH, &one, body).await;
    assert_eq!(
        refusal(&change(SALES, json!({ "status": "CLOSED" })).await),
        "404 not_found: inquiry not found"
    );
    let body = json!({ "status": "RESPONDED", "responseNote": " 九折 ", "assignedSalesUserId": SALES.id });
    let changed = change(CS, body).await.json();
    assert_eq!((&changed["responseNote"], &changed["status"]), (&json!("九折"), &json!("RESPONDED")));
    check(SALES, "?status=RESPONDED", "再来一百个? of 1").await;
    check(OTHER_SALES, "", "再来一百个? of 1").await;
    let cleared = change(SALES, json!({ "responseNote": null, "assignedSalesUserId": null })).await.json();
    assert_eq!((&cleared["responseNote"], &cleared["assignedSalesUserId"]), (&Value::Null, &Value::Null));
    let refused =
        async |person, body: Value, expect: &str| assert_eq!(refusal(&change(person, body).await), expect);
    refused(CS, json!({}), "400 invalid_request: no fields to update").await;
    refused(CS, json!({ "status": "RESOLVED" }), "400 invalid_request: invalid status").await;
    refused(OTHER_CUSTOMER, json!({ "status": "CLOSED" }), "403 forbidden: permission denied").await;
    let refused = async |body: Value, expect: &str| {
        assert_eq!(refusal(&world.by(CUSTOMER, Method::POST, path, body).await), expect);
    };
    refused(json!({}), "400 invalid_request: message is required").await;
    refused(json!({ "message": "m", "skuId": NOWHERE }), "400 invalid_request: invalid skuId").await;
    refused(json!({ "message": "m", "orderId": order }), "404 not_found: order not found").await;
    conversation(
        &world,
        &format!("{path}/{}", inquiry["id"].as_str().unwrap()),
        "inquiryId",
        "inquiry not found",
    )
    .await;
    world.stop().await;
}
