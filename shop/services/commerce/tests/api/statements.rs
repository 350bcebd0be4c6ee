//! How many statements an answer takes: the same for one thing as for many.

use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};

use crate::world::{ADMIN, CUSTOMER, Person, World, order_of, sku};

/// The log of the test's PostgreSQL, which says every statement of this database from now on.
async fn log(world: &World) -> PathBuf {
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&world.pool).await.unwrap();
    let speak = format!("ALTER DATABASE {name} SET log_statement = 'all'");
    sqlx::query(sqlx::AssertSqlSafe(speak)).execute(&world.pool).await.unwrap();
    let directory: String =
        sqlx::query_scalar("SHOW unix_socket_directories").fetch_one(&world.pool).await.unwrap();
    PathBuf::from(directory).join("log")
}

/// Connections that were open before do not say their statements: what is open is closed.
async fn fresh_connections(world: &World) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&world.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn more_things_take_no_more_statements() {
    let Some(world) = World::start().await else { return };
    let log = log(&world).await;
    fresh_connections(&world).await;
    let count = async |person: Person, path: &str| {
        // The first request finds closed connections and asks identity; the second is the one that counts.
        let client = world.of(person);
        let _warm = client.get(path).await;
        let before = statements(&log);
        let reply = client.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        statements(&log) - before
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
        let before = statements(&log);
        let items: Vec<Value> =
            (0..lines).map(|n| json!({ "skuId": sku(&format!("{:02x}", n + 1)), "qty": 1 })).collect();
        let body = json!({ "address": {}, "items": items });
        assert_eq!(world.by(CUSTOMER, Method::POST, "/orders", body).await.status, 201);
        statements(&log) - before
    };
    let (one, twenty) = (order(1).await, order(20).await);
    assert_eq!(one, twenty);
    assert!(one <= 8, "an order takes {one} statements, BEGIN and COMMIT included");
    world.stop().await;
}

/// Statements in the log so far. PostgreSQL writes the line before it runs the statement, so what was answered is
/// there.
fn statements(log: &std::path::Path) -> usize {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().filter(|line| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ")).count()
}
