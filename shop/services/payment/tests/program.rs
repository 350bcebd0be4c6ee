//! The program `payment`: its commands, its exit codes, its end.

use shop_kit::testing::{Client, TestDatabase, finish, start};

const PAYMENT: &str = env!("CARGO_BIN_EXE_payment");

#[tokio::test]
async fn from_an_empty_database_to_the_end() {
    let Some(database) = TestDatabase::create("empty", async |_| ()).await else { return };
    let environment = [
        ("PAYMENT_DB_DSN", database.dsn()),
        ("PAYMENT_HTTP_ADDR", "127.0.0.1:0"),
        ("SERVICE_VERSION", "v42"),
    ];
    let early = finish(PAYMENT, &["seed"], &environment).await;
    assert_eq!(early.code, Some(1));
    let said = "payment seed: seeding failed and nothing was changed; has `payment migrate` been run?: ";
    assert!(early.stderr.starts_with(said), "{}", early.stderr);

    for command in ["migrate", "migrate", "seed", "seed"] {
        let done = finish(PAYMENT, &[command], &environment).await;
        assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
    }
    let reset = [&environment[..], &[("PAYMENT_SEED_RESET", "true")]].concat();
    assert_eq!(finish(PAYMENT, &["seed"], &reset).await.code, Some(0));

    let running = start(PAYMENT, &["serve"], &environment).await;
    let client = Client::of(running.base());
    assert_eq!(client.get("/health").await.header("x-service-version"), "v42");
    assert_eq!(client.get("/ready").await.text, "OK");
    // Neither the idle connection nor the worker that tells commerce holds the exit.
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test]
async fn what_stops_the_start() {
    let check = async |environment: &[(&str, &str)], expect: &str| {
        let done = finish(PAYMENT, &["serve"], environment).await;
        assert_eq!((done.code, done.stderr.trim_end()), (Some(1), expect), "{environment:?}");
    };
    check(
        &[("PAYMENT_PROVIDER_MODE", "real")],
        "payment serve: PAYMENT_PROVIDER_MODE is `real`; nothing was started. Set it to mock or live, or leave it out",
    )
    .await;
    check(
        &[("PAYMENT_ALIPAY_APP_ID", "2021"), ("PAYMENT_ALIPAY_PRIVATE_KEY", "hunter2")],
        "payment serve: Alipay is configured in part; nothing was started. Set PAYMENT_ALIPAY_PUBLIC_KEY too, or none \
         of them",
    )
    .await;
    let nowhere =
        finish(PAYMENT, &["migrate"], &[("PAYMENT_DB_DSN", "postgres://u:hunter2@127.0.0.1:1/x")]).await;
    assert!(nowhere.code == Some(1) && !nowhere.stderr.contains("hunter2"), "{nowhere:?}");
}
