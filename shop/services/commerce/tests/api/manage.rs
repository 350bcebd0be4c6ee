use serde_json::{Value, json};

use crate::world::{World, refusal};

#[tokio::test]
async fn a_product_from_draft_to_sale() {
    let Some(world) = World::start().await else { return };
    let admin = world.admin();
    let category = admin.post("/catalog/categories", json!({ "name": " 阀门 ", "sort": 9 })).await;
    world.contracts.check("POST", "/catalog/categories", &category);
    assert_eq!((category.status, &category.json()["name"]), (201, &json!("阀门")));

    let body = json!({ "name": "球阀", "categoryId": category.json()["id"], "tags": ["valve"], "description": "DN15" });
    let product = admin.post("/catalog/products", body).await;
    world.contracts.check("POST", "/catalog/products", &product);
    assert_eq!((product.status, &product.json()["product"]["status"]), (201, &json!("DRAFT")));
    assert_eq!(product.json()["skus"], json!([]));
    let id = product.json()["product"]["id"].as_str().unwrap().to_owned();

    // A draft is for those who manage products.
    let path = format!("/catalog/products/{id}");
    assert_eq!(refusal(&world.get(&path).await), "401 unauthorized: missing authorization");
    assert_eq!(admin.get(&path).await.status, 200);
    assert_eq!(world.get("/catalog/products?q=%E7%90%83%E9%98%80").await.json()["total"], 0);
    let drafts = admin.get("/catalog/products?status=DRAFT").await;
    assert_eq!(drafts.json()["items"][0]["tags"], json!(["valve"]));
    assert_eq!(admin.get("/catalog/products?status=ALL").await.json()["total"], 13);

    let sku = json!({
        "skuCode": "VAL-1",
        "name": "球阀 DN15",
        "attributes": { "spec": "DN15", "material": "brass" },
        "priceTiers": [{ "minQty": 10, "unitPriceFen": 900 }, { "minQty": 1, "maxQty": 9, "unitPriceFen": 1000 }],
    });
    let made = admin.post(&format!("{path}/skus"), sku.clone()).await;
    world.contracts.check("POST", &format!("{path}/skus"), &made);
    let mut answer = made.json();
    let sku_id = answer["id"].take();
    let expected = json!({
        "id": null,
        "spuId": id,
        "skuCode": "VAL-1",
        "name": "球阀 DN15",
        "spec": "DN15",
        "attributes": { "material": "brass" },
        "priceTiers": [
            { "minQty": 1, "maxQty": 9, "unitPriceFen": 1000 },
            { "minQty": 10, "maxQty": null, "unitPriceFen": 900 },
        ],
        "isActive": true,
    });
    assert_eq!((made.status, answer), (201, expected));
    assert_eq!(admin.get(&path).await.json()["skus"][0]["id"], sku_id);
    assert_eq!(
        refusal(&admin.post(&format!("{path}/skus"), sku).await),
        "409 conflict: skuCode already exists"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_can_not_be_made() {
    let Some(world) = World::start().await else { return };
    let check = async |path: &str, body: Value, expect: &str| {
        let reply = world.admin().post(path, body.clone()).await;
        world.contracts.check("POST", path, &reply);
        assert_eq!(refusal(&reply), expect, "{path} {body}");
    };
    let category = "11111111-1111-1111-1111-111111111111";
    check("/catalog/categories", json!({ "name": " " }), "400 invalid_request: name is required").await;
    check("/catalog/products", json!({ "categoryId": category }), "400 invalid_request: name is required")
        .await;
    check("/catalog/products", json!({ "name": "x" }), "400 invalid_request: categoryId is required").await;
    let body = json!({ "name": "x", "categoryId": "7" });
    check("/catalog/products", body, "400 invalid_request: invalid request body").await;
    let body = json!({ "name": "x", "categoryId": category, "images": vec!["http://i"; 10] });
    check("/catalog/products", body, "400 invalid_request: images supports at most 9 items").await;
    let body = json!({ "name": "x", "categoryId": category, "status": "SOLD" });
    check("/catalog/products", body, "400 invalid_request: invalid status").await;

    let skus = "/catalog/products/22222222-2222-2222-2222-222222222222/skus";
    check(skus, json!({}), "400 invalid_request: name is required").await;
    let backwards = json!({ "name": "x", "priceTiers": [{ "minQty": 5, "maxQty": 4, "unitPriceFen": 1 }] });
    check(skus, backwards, "400 invalid_request: invalid price tier").await;
    let nowhere = "/catalog/products/22222222-2222-2222-2222-2222222222ff/skus";
    check(nowhere, json!({ "name": "x" }), "404 not_found: product not found").await;
    world.stop().await;
}

#[tokio::test]
async fn a_category_changes_and_goes() {
    let Some(world) = World::start().await else { return };
    let admin = world.admin();
    let made = admin.post("/catalog/categories", json!({ "name": "阀门", "sort": 9 })).await.json();
    let path = format!("/catalog/categories/{}", made["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.json(), made);
    let change = async |body: Value| world.call(&admin, http::Method::PATCH, &path, body).await;
    let parent = json!("11111111-1111-1111-1111-111111111111");
    let moved = change(json!({ "parentId": parent, "name": " 球阀 " })).await.json();
    assert_eq!(moved, json!({ "id": made["id"], "name": "球阀", "parentId": parent, "sort": 9 }));
    assert_eq!(change(json!({ "sort": 3 })).await.json()["parentId"], parent, "absent is not null");
    assert_eq!(change(json!({ "parentId": null })).await.json()["parentId"], Value::Null);
    let refused = async |body: Value, expect: &str| assert_eq!(refusal(&change(body).await), expect);
    refused(json!({}), "400 invalid_request: at least one field must be provided").await;
    refused(json!({ "name": "" }), "400 invalid_request: name is required").await;
    refused(json!({ "parentId": made["id"] }), "400 invalid_request: parentId must be another category")
        .await;
    let delete = async || world.call(&admin, http::Method::DELETE, &path, Value::Null).await;
    assert_eq!(delete().await.status, 204);
    assert_eq!(refusal(&delete().await), "404 not_found: category not found");
    assert_eq!(refusal(&world.get(&path).await), "404 not_found: category not found");
    world.stop().await;
}
