//! How many statements an answer takes: the same for one thing as for many.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::world::{ADMIN, CS, CUSTOMER, Person, SALES, World, order_of, sku};

#[tokio::test]
async fn more_things_take_no_more_statements() {
    let Some(world) = World::start().await else { return };
    let count = async |person: Person, path: &str| {
        // The first request opens connections and asks identity; the second is the one that counts.
        let client = world.of(person);
        let _warm = client.get(path).await;
        let before = world.database.statements().len();
        let reply = client.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        world.database.statements().len() - before
    };
    let paths = [
        (CUSTOMER, "/cart"),
        (CUSTOMER, "/wishlist"),
        (CUSTOMER, "/addresses"),
        (CUSTOMER, "/orders"),
        (ADMIN, "/orders?pageSize=100"),
        (CUSTOMER, "/orders/stats"),
        (CUSTOMER, "/product-requests"),
        (CUSTOMER, "/after-sales/tickets"),
        (CUSTOMER, "/inquiries/price"),
        (CUSTOMER, "/catalog/products?pageSize=100"),
        (CUSTOMER, "/catalog/categories"),
        (CUSTOMER, "/catalog/products/22222222-2222-2222-2222-222222222222"),
    ];
    let fill = async |endings: &[&str]| {
        for ending in endings {
            let sku = sku(ending);
            for (path, body) in [
                ("/wishlist", json!({ "skuId": sku })),
                ("/orders", order_of(&sku, 2)),
                ("/cart/items", json!({ "skuId": sku, "qty": 1 })),
                ("/addresses", json!({ "receiverName": "a", "receiverPhone": "1", "detail": "d" })),
                ("/product-requests", json!({ "name": "n" })),
                ("/after-sales/tickets", json!({ "subject": "s", "description": "d" })),
                ("/inquiries/price", json!({ "message": "m", "skuId": sku })),
            ] {
                let reply = world.by(CUSTOMER, Method::POST, path, body).await;
                assert!(reply.status < 300, "{path}: {reply:?}");
            }
        }
    };
    fill(&["01"]).await;
    let mut few = Vec::new();
    for (person, path) in paths {
        few.push((path, count(person, path).await));
    }
    fill(&["02", "03", "04", "05", "06", "07", "08", "09", "0a", "0b", "0c"]).await;
    sqlx::query(
        "INSERT INTO catalog_skus (product_id, name) SELECT '22222222-2222-2222-2222-222222222222', 's' || n
         FROM generate_series(1, 50) AS n",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let mut many = Vec::new();
    for (person, path) in paths {
        many.push((path, count(person, path).await));
    }
    assert_eq!(few, many);
    for (path, statements) in many {
        assert!((1..=3).contains(&statements), "{path} takes {statements}");
    }
    let order = async |lines: usize| {
        let before = world.database.statements().len();
        let items: Vec<Value> =
            (0..lines).map(|n| json!({ "skuId": sku(&format!("{:02x}", n + 1)), "qty": 1 })).collect();
        let body = json!({ "address": {}, "items": items });
        assert_eq!(world.by(CUSTOMER, Method::POST, "/orders", body).await.status, 201);
        world.database.statements().len() - before
    };
    let (one, twenty) = (order(1).await, order(20).await);
    assert_eq!(one, twenty);
    assert!(one <= 8, "an order takes {one} statements, BEGIN and COMMIT included");
    world.stop().await;
}

/// More of everything than a list may look at.
const FILL: [&str; 6] = [
    "INSERT INTO catalog_products (name, category_id, status, created_at)
     SELECT 'p' || n, '66666666-6666-6666-6666-666666666666', (ARRAY['ACTIVE', 'DRAFT', 'INACTIVE'])[n % 3 + 1],
         now() - n * interval '1 second'
     FROM generate_series(1, 10000) AS n",
    "INSERT INTO orders (customer_id, owner_sales_user_id, status, address, created_at)
     SELECT 'dddddddd-dddd-dddd-dddd-dddddddddddd', 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb',
         (ARRAY['SUBMITTED', 'PAID'])[n % 2 + 1], jsonb_build_object('receiverName', '', 'receiverPhone', '', 'detail', ''),
         now() - n * interval '1 second'
     FROM generate_series(1, 10000) AS n",
    "INSERT INTO orders (customer_id, owner_sales_user_id, status, address, created_at)
     SELECT 'dddddddd-dddd-dddd-dddd-dddddddddddd', 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb', 'SHIPPED',
         jsonb_build_object('receiverName', '', 'receiverPhone', '', 'detail', ''), now() - n * interval '1 day'
     FROM generate_series(1, 5000) AS n",
    "INSERT INTO order_items (order_id, position, sku_id, qty, unit_price_fen)
     SELECT id, 1, '33333333-3333-3333-3333-333333333301', 1, 1 FROM orders",
    "INSERT INTO after_sales_tickets (created_by_user_id, owner_sales_user_id, subject, description, created_at)
     SELECT 'dddddddd-dddd-dddd-dddd-dddddddddddd', 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb', 's', 'd',
         now() - n * interval '1 second'
     FROM generate_series(1, 15000) AS n",
    "INSERT INTO price_inquiries
         (created_by_user_id, owner_sales_user_id, assigned_sales_user_id, status, message, created_at)
     SELECT 'dddddddd-dddd-dddd-dddd-dddddddddddd',
         CASE WHEN n > 14000 AND n % 2 = 0 THEN 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb'::uuid END,
         CASE WHEN n > 14000 AND n % 3 = 0 THEN 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb'::uuid END,
         CASE WHEN n > 12000 THEN 'CLOSED' ELSE 'OPEN' END, 'm' || n, now() - n * interval '1 second'
     FROM generate_series(1, 15000) AS n",
];

/// Without this an index alone says nothing about rows, and PostgreSQL goes other ways.
async fn vacuum(pool: &PgPool) {
    const VISIBLE: &str = "SELECT bool_and(relallvisible = relpages) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    for _ in 0..1_000 {
        sqlx::query("VACUUM ANALYZE").execute(pool).await.unwrap();
        // Whoever looks at the same moment, as an autovacuum does, keeps rows from being known to be visible to all.
        if sqlx::query_scalar::<_, bool>(VISIBLE).fetch_one(pool).await.unwrap() {
            return;
        }
    }
    panic!("somebody looks all the time");
}

/// What a page costs does not depend on how much there is: no step of a statement handles more rows than the page
/// shows and skips, which is far less than there are. Only a total that is counted looks at 10,000 more.
#[tokio::test]
async fn a_page_looks_at_a_page() {
    let Some(world) = World::start().await else { return };
    for statement in FILL {
        sqlx::query(statement).execute(&world.pool).await.unwrap();
    }
    vacuum(&world.pool).await;
    let check = async |person: Person, path: &str, most: u64| {
        let before = world.database.statements().len();
        let reply = world.of(person).get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(!reply.json()["items"].as_array().unwrap().is_empty(), "{path}: {reply:?}");
        let work = world.database.work(before).await;
        assert!(!work.is_empty(), "{path}");
        for work in work {
            assert!(work.rows <= most, "{path}: {work:?}");
        }
    };
    check(CUSTOMER, "/catalog/products", A_PAGE).await;
    check(CUSTOMER, "/catalog/products?page=100", A_PAGE).await;
    check(CUSTOMER, "/catalog/products?categoryId=66666666-6666-6666-6666-666666666666", A_PAGE).await;
    check(ADMIN, "/catalog/products?status=ALL", A_PAGE).await;
    check(ADMIN, "/catalog/products?status=ALL&q=p99", A_PAGE).await;
    for person in [CUSTOMER, SALES, ADMIN] {
        check(person, "/orders", A_PAGE).await;
        check(person, "/orders?status=PAID&page=100", A_PAGE).await;
        check(person, "/orders?status=SHIPPED", A_PAGE).await;
        check(person, "/inquiries/price?status=CLOSED", 3_000).await;
        check(person, "/after-sales/tickets", 10_000).await;
        check(person, "/after-sales/tickets?status=OPEN&page=3", 10_040).await;
    }
    check(SALES, "/inquiries/price", A_PAGE).await;
    check(SALES, "/inquiries/price?page=26", A_PAGE).await;
    let list = world.of(SALES).get("/inquiries/price?page=26").await.json();
    assert_eq!((&list["total"], &list["items"][0]["message"]), (&json!(668), &json!("m14750")));
    check(CS, "/after-sales/tickets?page=96", 11_900).await;
    let list = world.of(CS).get("/after-sales/tickets?page=96").await.json();
    assert_eq!(list["total"], 11_900, "counted 10,000 past the beginning of the page");
    world.stop().await;
}

/// Rows that a page may cost: those it shows and skips, and what belongs to them.
const A_PAGE: u64 = 2_000;
