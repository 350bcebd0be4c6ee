use http::Method;
use serde_json::{Value, json};

use crate::world::{CUSTOMER, OTHER_CUSTOMER, World, refusal, sheet, sku};

const PATH: &str = "/cart/import-jobs";

async fn lines(world: &World) -> Vec<String> {
    let cart = world.by(CUSTOMER, Method::GET, "/cart", Value::Null).await.json();
    let mut lines: Vec<_> = cart["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| format!("{} {}", i["sku"]["skuCode"].as_str().unwrap(), i["qty"]))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn what_is_clear_goes_in_and_the_rest_waits() {
    let Some(world) = World::start().await else { return };
    let id = sku("01");
    let file = sheet(&[
        &["sku_id", "SKU Code", "Name", "Spec", "Qty"],
        &[&id, "", "", "", "2"],
        &["", "MET-PIPE-001", "", "", "3"],
        &["", "", "N95 防护口罩", "200 只/箱", "1"],
        &["", "", "N95 防护口罩", "", "4"],
        &["", "MET-ANG-001", "", "", "many"],
        &["", "NO-SUCH", "", "x", ""],
    ]);
    let reply = world.upload(CUSTOMER, PATH, &[("file", &file)]).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let job = reply.json();
    assert_eq!(
        (&job["type"], &job["status"], &job["progress"]),
        (&json!("CART_IMPORT"), &json!("SUCCEEDED"), &json!(100))
    );
    let result = &job["result"];
    let added: Vec<_> =
        result["autoAddedItems"].as_array().unwrap().iter().map(|i| (&i["rowNo"], &i["qty"])).collect();
    assert_eq!(added, [(&json!(2), &json!(2)), (&json!(3), &json!(3)), (&json!(4), &json!(1))]);
    assert_eq!((&result["autoAddedCount"], &result["pendingCount"]), (&json!(3), &json!(3)));
    let pending = |row: usize| {
        let item = &result["pendingItems"][row];
        let codes: Vec<_> = item["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["sku"]["skuCode"].as_str().unwrap())
            .collect();
        format!(
            "{} {} {} {} {}",
            item["rowNo"],
            item["matchType"],
            item["rawName"],
            item["rawSpec"],
            codes.join(",")
        )
    };
    assert_eq!(pending(0), r#"5 "AMBIGUOUS" "N95 防护口罩" null SAF-MSK-001,SAF-MSK-002"#);
    assert_eq!(pending(1), r#"6 "AMBIGUOUS" "MET-ANG-001" null MET-ANG-001"#);
    assert_eq!(pending(2), r#"7 "NOT_FOUND" "NO-SUCH" "x" "#);
    assert_eq!(lines(&world).await, ["MET-PIPE-001 5", "SAF-MSK-002 1"]);

    let path = format!("{PATH}/{}", job["id"].as_str().unwrap());
    assert_eq!(world.by(CUSTOMER, Method::GET, &path, Value::Null).await.json(), job);
    let foreign = world.by(OTHER_CUSTOMER, Method::GET, &path, Value::Null).await;
    assert_eq!(refusal(&foreign), "404 not_found: import job not found");

    let confirm = async |selections: Value| {
        let body = json!({ "selections": selections });
        world.by(CUSTOMER, Method::POST, &format!("{path}/confirm"), body).await
    };
    // All or nothing: the second choice is wrong, so the first is not made either.
    let good = json!({ "rowNo": 5, "skuId": sku("17") });
    let refused = async |second: Value, expect: &str| {
        assert_eq!(refusal(&confirm(json!([good, second])).await), expect);
        assert_eq!(lines(&world).await, ["MET-PIPE-001 5", "SAF-MSK-002 1"]);
    };
    refused(json!({ "rowNo": 6, "skuId": sku("03"), "qty": 0 }), "400 invalid_request: qty must be >= 1")
        .await;
    let nowhere = "99999999-9999-9999-9999-999999999999";
    refused(json!({ "rowNo": 6, "skuId": nowhere }), "404 not_found: sku not found").await;

    let reply =
        confirm(json!([good, { "rowNo": 6, "skuId": sku("03") }, { "rowNo": 99, "skuId": sku("05") }])).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    // The quantity of row 5 is the one it says; row 6 says none.
    let expected = ["MET-ANG-001 1", "MET-PIPE-001 5", "SAF-MSK-001 4", "SAF-MSK-002 1"];
    assert_eq!(lines(&world).await, expected);
    let after = world.by(CUSTOMER, Method::GET, &path, Value::Null).await.json()["result"].clone();
    assert_eq!((&after["autoAddedCount"], &after["pendingCount"]), (&json!(5), &json!(1)));
    let foreign = json!({ "selections": [good] });
    let foreign = world.by(OTHER_CUSTOMER, Method::POST, &format!("{path}/confirm"), foreign).await;
    assert_eq!(refusal(&foreign), "404 not_found: import job not found");
    world.stop().await;
}

#[tokio::test]
async fn sheets_that_can_not_be_used() {
    let Some(world) = World::start().await else { return };
    let check = async |fields: &[(&str, &[u8])], expect: &str, details: Value| {
        let reply = world.upload(CUSTOMER, PATH, fields).await;
        assert_eq!((refusal(&reply), &reply.json()["details"]), (expect.to_owned(), &details));
    };
    check(&[("excelFile", b"x")], "400 invalid_request: missing file", Value::Null).await;
    let invalid = json!({ "template": "cart_import", "reason": "invalid_excel" });
    check(&[("file", b"Qty,Name\n1,a")], "400 invalid_request: invalid excel file", invalid).await;
    let empty = json!({ "template": "cart_import", "reason": "no_data_rows" });
    let file = sheet(&[&["Qty", "Name"]]);
    check(&[("file", &file)], "400 invalid_request: no data rows", empty).await;
    let headers = json!({
        "template": "cart_import",
        "missingHeaders": ["Qty"],
        "missingHeaderGroups": [["SKU ID", "SKU Code", "Name"]],
        "expectedHeaders": ["SKU ID", "SKU Code", "Name", "Spec", "Qty"],
    });
    let file = sheet(&[&["Menge"], &["1"]]);
    check(&[("file", &file)], "400 invalid_request: missing required headers", headers).await;
    let row: &[&str] = &["1", "a"];
    let many: Vec<_> = std::iter::once(&["Qty", "Name"][..]).chain(std::iter::repeat_n(row, 5001)).collect();
    let details = json!({ "template": "cart_import", "reason": "too_many_rows" });
    let expect = "400 invalid_request: too many data rows; at most 5000 are read";
    check(&[("file", &sheet(&many))], expect, details).await;

    let reply = world.upload(CUSTOMER, PATH, &[("file", &vec![0; 33 << 20])]).await;
    assert_eq!(refusal(&reply), "413 payload_too_large: the upload is too large; nothing was changed");
    let none = world.by(CUSTOMER, Method::POST, PATH, json!({})).await;
    assert_eq!(refusal(&none), "400 invalid_request: invalid request body");
    assert_eq!(lines(&world).await, Vec::<String>::new());
    world.stop().await;
}

#[tokio::test]
async fn the_old_format() {
    let Some(world) = World::start().await else { return };
    let reply = world.upload(CUSTOMER, PATH, &[("file", include_bytes!("../files/cart.xls"))]).await;
    let result = reply.json()["result"].clone();
    // "Q235 焊接钢管" are two SKUs, 2.5 is no quantity, and neither is a date.
    assert_eq!((&result["autoAddedCount"], &result["pendingCount"]), (&json!(0), &json!(3)), "{reply:?}");
    world.stop().await;
}
