use serde_json::json;

use crate::world::{World, refusal};

#[tokio::test]
async fn categories_in_order() {
    let Some(world) = World::start().await else { return };
    let items = world.get("/catalog/categories").await.json()["items"].clone();
    let first = json!({
        "id": "11111111-1111-1111-1111-111111111111", "name": "紧固件", "parentId": null, "sort": 1,
    });
    assert_eq!(items[0], first);
    let names: Vec<_> = items.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let expected = ["紧固件", "电气", "安全防护", "工具", "仪器仪表", "劳保清洁", "办公文具", "包装耗材"];
    assert_eq!(names, expected);
    world.stop().await;
}

#[tokio::test]
async fn product_lists() {
    let Some(world) = World::start().await else { return };
    let first = world.get("/catalog/products?pageSize=1").await;
    let expected = json!({
        "items": [{
            "id": "22222222-2222-2222-2222-222222222222",
            "name": "Q235 焊接钢管",
            "coverImageUrl": "http://media.test/m/catalog/v3/22222222-2222-2222-2222-222222222222.svg",
            "categoryId": "11111111-1111-1111-1111-111111111111",
            "status": "ACTIVE",
        }],
        "page": 1,
        "pageSize": 1,
        "total": 12,
    });
    assert_eq!(first.json(), expected);

    let check = async |query: &str, expect: &str| {
        let list = world.get(&format!("/catalog/products{query}")).await.json();
        let endings: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|p| &p["id"].as_str().unwrap()[34..]).collect();
        let got = format!("{} | {} {} {}", endings.join(" "), list["page"], list["pageSize"], list["total"]);
        assert_eq!(got, expect, "{query}");
    };
    check("", "22 23 24 25 26 27 28 29 2a 2b 2c 2d | 1 20 12").await;
    check("?page=2&pageSize=5", "27 28 29 2a 2b | 2 5 12").await;
    check("?page=9&pageSize=5", " | 9 5 12").await;
    check("?pageSize=0", "22 23 24 25 26 27 28 29 2a 2b 2c 2d | 1 20 12").await;
    check("?pageSize=101", "22 23 24 25 26 27 28 29 2a 2b 2c 2d | 1 100 12").await;
    check("?q=led", "28 | 1 20 1").await;
    check("?q=%20%E5%AE%89%E5%85%A8%20", "2b 2c | 1 20 2").await;
    check("?q=nothing", " | 1 20 0").await;
    check("?categoryId=66666666-6666-6666-6666-666666666666", "2a 2b 2c 2d | 1 20 4").await;
    check("?categoryId=66666666-6666-6666-6666-666666666666&q=N95", "2d | 1 20 1").await;

    let refused = async |query: &str, expect: &str| {
        assert_eq!(refusal(&world.get(&format!("/catalog/products{query}")).await), expect, "{query}");
    };
    refused("?page=x", "400 invalid_request: Invalid format for parameter page: not an integer").await;
    refused("?categoryId=7", "400 invalid_request: Invalid format for parameter categoryId: not a UUID")
        .await;
    refused("?status=SOLD", "400 invalid_request: Invalid format for parameter status: `SOLD`").await;
    world.stop().await;
}

#[tokio::test]
async fn one_product_with_its_skus() {
    let Some(world) = World::start().await else { return };
    let tiers = |base: i64| {
        json!([
            { "minQty": 1, "maxQty": 9, "unitPriceFen": base },
            { "minQty": 10, "maxQty": 49, "unitPriceFen": base - 800 },
            { "minQty": 50, "maxQty": null, "unitPriceFen": base - 1600 },
        ])
    };
    let product = "22222222-2222-2222-2222-22222222222d";
    let sku = |ending: &str, code: &str, spec: &str, unit: &str, base: i64| {
        json!({
            "id": format!("33333333-3333-3333-3333-3333333333{ending}"),
            "spuId": product,
            "skuCode": code,
            "name": "N95 防护口罩",
            "spec": spec,
            "priceTiers": tiers(base),
            "unit": unit,
            "isActive": true,
        })
    };
    let expected = json!({
        "product": {
            "id": product,
            "name": "N95 防护口罩",
            "images": [format!("http://media.test/m/catalog/v3/{product}.svg")],
            "categoryId": "66666666-6666-6666-6666-666666666666",
            "status": "ACTIVE",
        },
        "skus": [
            sku("17", "SAF-MSK-001", "20 只/盒", "盒", 6400),
            sku("18", "SAF-MSK-002", "200 只/箱", "箱", 56000),
        ],
    });
    assert_eq!(world.get(&format!("/catalog/products/{product}")).await.json(), expected);

    let refused = async |id: &str, expect: &str| {
        assert_eq!(refusal(&world.get(&format!("/catalog/products/{id}")).await), expect, "{id}");
    };
    refused("22222222-2222-2222-2222-2222222222ff", "404 not_found: product not found").await;
    refused("22", "400 invalid_request: Invalid format for parameter spuId: not a UUID").await;
    world.stop().await;
}

#[tokio::test]
async fn seeding_twice_changes_nothing() {
    let Some(world) = World::start().await else { return };
    sqlx::query("UPDATE catalog_products SET name = 'renamed' WHERE name LIKE 'LED%'")
        .execute(&world.pool)
        .await
        .unwrap();
    commerce::seed::run(&world.pool, "http://elsewhere", false).await.unwrap();
    let list = world.get("/catalog/products?q=renamed").await.json();
    assert_eq!(list["total"], 1);
    assert!(list["items"][0]["coverImageUrl"].as_str().unwrap().starts_with("http://media.test/"));

    commerce::seed::run(&world.pool, "http://elsewhere", true).await.unwrap();
    let list = world.get("/catalog/products").await.json();
    assert_eq!(
        (&list["total"], list["items"].as_array().unwrap().len()),
        (&json!(12), 12),
        "a reset starts again"
    );
    assert!(list["items"][0]["coverImageUrl"].as_str().unwrap().starts_with("http://elsewhere/"));
    world.stop().await;
}

#[tokio::test]
async fn a_search_means_what_it_says() {
    let Some(world) = World::start().await else { return };
    let category = json!("11111111-1111-1111-1111-111111111111");
    for name in ["100% 棉手套", "a_b 接头", r"back\slash", "axb 接头"] {
        let body = json!({ "name": name, "categoryId": category, "status": "ACTIVE" });
        assert_eq!(world.admin().post("/catalog/products", body).await.status, 201);
    }
    let check = async |q: &str, expect: &[&str]| {
        let list = world.get(&format!("/catalog/products?q={q}")).await.json();
        let names: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!((names.as_slice(), &list["total"]), (expect, &json!(expect.len())), "{q}");
    };
    check("%25", &["100% 棉手套"]).await;
    check("0%25", &["100% 棉手套"]).await;
    check("_", &["a_b 接头"]).await;
    check("A_B", &["a_b 接头"]).await;
    check("%5C", &[r"back\slash"]).await;
    check("%E6%A3%89", &["100% 棉手套"]).await;
    check("%E6%8E%A5%E5%A4%B4", &["axb 接头", "a_b 接头"]).await;
    check("n95%20%E9%98%B2%E6%8A%A4%E5%8F%A3%E7%BD%A9", &["N95 防护口罩"]).await;
    check("n95%E9%98%B2", &[]).await;
    let refused = world.get("/catalog/products?q=a%00b").await;
    assert_eq!(
        refusal(&refused),
        "400 invalid_request: Invalid format for parameter q: a text can't hold the character U+0000"
    );
    world.stop().await;
}

#[tokio::test]
async fn totals_follow_what_is_there() {
    let Some(world) = World::start().await else { return };
    let total = async |query: &str| {
        world.admin().get(&format!("/catalog/products{query}")).await.json()["total"].as_i64().unwrap()
    };
    let statement = async |sql: &'static str| {
        sqlx::query(sql).execute(&world.pool).await.unwrap();
    };
    statement(
        "INSERT INTO catalog_products (name, category_id, status)
         SELECT 'p' || n, '66666666-6666-6666-6666-666666666666',
             (ARRAY['ACTIVE', 'DRAFT', 'INACTIVE'])[n % 3 + 1]
         FROM generate_series(1, 300) AS n",
    )
    .await;
    assert_eq!((total("").await, total("?status=DRAFT").await, total("?status=ALL").await), (112, 100, 312));
    assert_eq!(total("?categoryId=66666666-6666-6666-6666-666666666666").await, 104);
    statement("UPDATE catalog_products SET status = 'ACTIVE' WHERE status = 'DRAFT'").await;
    assert_eq!((total("").await, total("?status=DRAFT").await), (212, 0));
    statement("DELETE FROM catalog_products WHERE name LIKE 'p%'").await;
    assert_eq!((total("").await, total("?status=ALL").await), (12, 12));
    world.stop().await;
}

#[tokio::test]
async fn what_the_home_page_shows() {
    let Some(world) = World::start().await else { return };
    sqlx::query("UPDATE display_categories SET enabled = false WHERE id = 'cat-tools'")
        .execute(&world.pool)
        .await
        .unwrap();
    let items = world.get("/catalog/display-categories").await.json()["items"].clone();
    let first = json!({
        "id": "cat-fasteners", "name": "紧固件", "iconKey": "setting", "sort": 1, "enabled": true,
    });
    assert_eq!((&items[0], items.as_array().unwrap().len()), (&first, 7));
    world.stop().await;
}
