use http::Method;
use serde_json::{Value, json};

use crate::world::{
    ADMIN, CS, CUSTOMER, OTHER_CUSTOMER, OTHER_SALES, PROCUREMENT, Person, SALES, World, refusal, sheet, sku,
};

const NOWHERE: &str = "99999999-9999-9999-9999-999999999999";

async fn tracking(world: &World, person: Person, order: &str) -> String {
    let reply = world.by(person, Method::GET, &format!("/orders/{order}/tracking"), Value::Null).await;
    if reply.status != 200 {
        return refusal(&reply);
    }
    let info = reply.json();
    assert_eq!(info["orderId"], order);
    let one = |s: &Value| format!("{} {} {}", s["waybillNo"].as_str().unwrap(), s["carrier"], s["shippedAt"]);
    info["shipments"].as_array().unwrap().iter().map(one).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn shipments_one_by_one() {
    let Some(world) = World::start().await else { return };
    let order = world.order(CUSTOMER, &sku("01"), 1).await;
    let record = async |order: &str, shipments: Value| {
        let body = json!({ "shipments": shipments });
        world.by(PROCUREMENT, Method::POST, &format!("/orders/{order}/tracking"), body).await
    };
    let at = "2026-03-01T08:00:00+08:00";
    let posted = json!([{ "waybillNo": "B" }, { "waybillNo": "A", "carrier": "SF", "shippedAt": at }]);
    assert_eq!(record(&order, posted).await.json()["shipments"].as_array().unwrap().len(), 2);
    assert_eq!(tracking(&world, CUSTOMER, &order).await, r#"B null null; A "SF" "2026-03-01T00:00:00Z""#);
    // What is posted overwrites, also with nothing, and is all that is answered.
    let answer = record(&order, json!([{ "waybillNo": "A" }])).await.json();
    assert_eq!(answer["shipments"], json!([{ "carrier": null, "shippedAt": null, "waybillNo": "A" }]));
    assert_eq!(tracking(&world, SALES, &order).await, "B null null; A null null");

    let bad = json!([{ "waybillNo": "C" }, { "carrier": "SF" }]);
    assert_eq!(refusal(&record(&order, bad).await), "400 invalid_request: waybillNo is required");
    assert_eq!(tracking(&world, ADMIN, &order).await, "B null null; A null null", "all or nothing");
    let never = json!([{ "waybillNo": "C", "shippedAt": "9999-12-31T23:59:59-12:00" }]);
    assert_eq!(refusal(&record(&order, never).await), "400 invalid_request: invalid shippedAt");
    assert_eq!(refusal(&record(NOWHERE, json!([])).await), "404 not_found: order not found");
    for person in [OTHER_CUSTOMER, OTHER_SALES] {
        assert_eq!(tracking(&world, person, &order).await, "404 not_found: order not found");
    }
    assert_eq!(tracking(&world, CS, NOWHERE).await, "");
    world.stop().await;
}

#[tokio::test]
async fn shipments_from_a_sheet() {
    let Some(world) = World::start().await else { return };
    let (first, second) =
        (world.order(CUSTOMER, &sku("01"), 1).await, world.order(OTHER_CUSTOMER, &sku("01"), 1).await);
    let header: &[&str] = &["Order ID", "Waybill No", "Carrier", "Shipped At"];
    let file = sheet(&[
        header,
        &[&first, "W1", "SF", "2026-03-01"],
        &[&first, "W2", "", ""],
        &[&second, "W1", "", "soon"],
        &[NOWHERE, "W3", "", ""],
        &[&first, "W1", "YTO", ""],
    ]);
    for path in ["/shipments/import-jobs", "/admin/shipments/import-jobs"] {
        let reply = world.upload(CS, path, &[("excelFile", &file)]).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let job = reply.json();
        assert_eq!(
            (&job["type"], &job["status"], &job["progress"]),
            (&json!("SHIPMENT_IMPORT"), &json!("SUCCEEDED"), &json!(100))
        );
        let path = format!("/admin/import-jobs/{}", job["id"].as_str().unwrap());
        assert_eq!(world.by(ADMIN, Method::GET, &path, Value::Null).await.json(), job);
    }
    // Of two rows about one waybill the later counts; importing again changes nothing.
    assert_eq!(tracking(&world, CUSTOMER, &first).await, r#"W2 null null; W1 "YTO" null"#);
    assert_eq!(tracking(&world, OTHER_CUSTOMER, &second).await, "");

    let file = sheet(&[header, &["7", "", "", "soon"], &[NOWHERE, "W", "", ""]]);
    let reply = world.upload(ADMIN, "/shipments/import-jobs", &[("excelFile", &file)]).await;
    assert_eq!(refusal(&reply), "400 invalid_request: no valid rows");
    let error =
        |row: i32, field: &str, message: &str| json!({ "rowNo": row, "field": field, "message": message });
    let expected = json!({
        "template": "shipment_import",
        "reason": "no_valid_rows",
        "rowErrors": [
            error(2, "orderId", "orderId must be a UUID"),
            error(2, "waybillNo", "waybillNo is required"),
            error(2, "shippedAt", "shippedAt must be RFC3339 or YYYY-MM-DD"),
            error(3, "orderId", "order not found"),
        ],
    });
    assert_eq!(reply.json()["details"], expected);
    let reply = world.upload(CUSTOMER, "/shipments/import-jobs", &[("excelFile", &file)]).await;
    assert_eq!(refusal(&reply), "403 forbidden: permission denied");
    world.stop().await;
}
