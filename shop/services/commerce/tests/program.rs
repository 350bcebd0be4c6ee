//! The program `commerce`: its commands and its end.

use shop_kit::testing::{Client, TestDatabase, finish, start};

const COMMERCE: &str = env!("CARGO_BIN_EXE_commerce");

#[tokio::test]
async fn from_an_empty_database_to_the_end() {
    let Some(database) = TestDatabase::create("empty", async |_| ()).await else { return };
    let environment = [("COMMERCE_DB_DSN", database.dsn()), ("COMMERCE_HTTP_ADDR", "127.0.0.1:0")];
    for command in ["migrate", "migrate", "seed", "seed"] {
        let done = finish(COMMERCE, &[command], &environment).await;
        assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
    }
    let running = start(COMMERCE, &["serve"], &environment).await;
    let client = Client::of(running.base());
    assert_eq!(client.get("/ready").await.text, "OK");
    assert_eq!(client.get("/catalog/products").await.json()["total"], 12);
    assert_eq!(running.terminate().await, Some(0));
}
