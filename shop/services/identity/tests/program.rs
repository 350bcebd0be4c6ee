//! The program `identity`: its commands, its exit codes, its end.

use shop_kit::testing::{Client, TestDatabase, finish, start};

const IDENTITY: &str = env!("CARGO_BIN_EXE_identity");

#[tokio::test]
async fn from_an_empty_database_to_the_end() {
    let Some(database) = TestDatabase::create("empty", async |_| ()).await else { return };
    let environment = [
        ("IDENTITY_DB_DSN", database.dsn()),
        ("IDENTITY_HTTP_ADDR", "127.0.0.1:0"),
        ("SERVICE_VERSION", "v42"),
    ];
    let early = finish(IDENTITY, &["seed"], &environment).await;
    assert_eq!(early.code, Some(1));
    let said = "identity seed: seeding failed and was rolled back; has `identity migrate` been run?: ";
    assert!(early.stderr.starts_with(said), "{}", early.stderr);

    for command in ["migrate", "migrate", "seed", "seed"] {
        let done = finish(IDENTITY, &[command], &environment).await;
        assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
    }

    let running = start(IDENTITY, &["serve"], &environment).await;
    let client = Client::of(running.base());
    assert_eq!(client.get("/health").await.header("x-service-version"), "v42");
    assert_eq!(client.get("/ready").await.text, "OK");
    let body = serde_json::json!({ "platform": "weapp", "code": "mock_customer_001" });
    assert_eq!(client.post("/auth/mini/login", body).await.status, 200);
    // The client's connection is kept alive and idle; it does not hold the exit.
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test]
async fn it_says_what_it_can_be_told() {
    let done = finish(IDENTITY, &["settings"], &[("IDENTITY_LOG_LEVEL", "=loud=")]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let begin = "# where to listen; `:8081`, `127.0.0.1:0`\nIDENTITY_HTTP_ADDR=:8081\n";
    assert!(done.stdout.starts_with(begin), "{}", done.stdout);
}

#[tokio::test]
async fn what_stops_the_start() {
    let check = async |arguments: &[&str], environment: &[(&str, &str)], code: i32, expect: &str| {
        let done = finish(IDENTITY, arguments, environment).await;
        assert_eq!(
            (done.code, done.stderr.trim_end()),
            (Some(code), expect),
            "{arguments:?} {environment:?}"
        );
    };
    let usage =
        "identity has no command `sow`; nothing was done. usage: identity serve|migrate|seed|settings";
    check(&["sow"], &[], 3, usage).await;
    let level = "IDENTITY_LOG_LEVEL: `=loud=` is not a log level (error, warn, info, debug, trace); nothing was started";
    check(&["serve"], &[("IDENTITY_LOG_LEVEL", "=loud=")], 3, level).await;
    let address = "identity serve: IDENTITY_HTTP_ADDR is `nine`, which is not an address to listen on; nothing was \
                   started. Set IDENTITY_HTTP_ADDR like `:8081`";
    check(&["serve"], &[("IDENTITY_HTTP_ADDR", "nine")], 1, address).await;
    let nowhere =
        finish(IDENTITY, &["migrate"], &[("IDENTITY_DB_DSN", "postgres://u:hunter2@127.0.0.1:1/x")]).await;
    let said = "identity migrate: no connection to the database named by IDENTITY_DB_DSN; nothing was changed. Is \
                PostgreSQL running there?: ";
    assert!(nowhere.code == Some(1) && nowhere.stderr.starts_with(said), "{nowhere:?}");
    assert!(!nowhere.stderr.contains("hunter2"), "{nowhere:?}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = finish(IDENTITY, &["serve"], &[("IDENTITY_HTTP_ADDR", &address)]).await;
    let said = format!(
        "identity serve: can't listen on {address}; nothing was started. Is something else using that port?: "
    );
    assert!(done.code == Some(1) && done.stderr.starts_with(&said), "{done:?}");
}

#[tokio::test]
async fn numbers_are_served_on_a_port_of_their_own() {
    let environment = [
        ("IDENTITY_DB_DSN", "postgres://x@localhost/x?host=/nonexistent"),
        ("IDENTITY_HTTP_ADDR", "127.0.0.1:0"),
        ("IDENTITY_METRICS_ADDR", "127.0.0.1:0"),
    ];
    let running = start(IDENTITY, &["serve"], &environment).await;
    let public = Client::of(running.base());
    assert_eq!(public.get("/health").await.status, 200);
    assert_eq!(public.get("/metrics").await.status, 404, "not on the public port");
    let numbers = Client::of(running.metrics().unwrap()).get("/metrics").await.text;
    let counted = r#"http_requests_total{method="GET",route="/health",status="2xx"} 1"#;
    assert!(numbers.contains(counted), "{numbers}");
    assert_eq!(running.terminate().await, Some(0));
    let nine = finish(IDENTITY, &["serve"], &[("IDENTITY_METRICS_ADDR", "nine")]).await;
    let said = "identity serve: IDENTITY_METRICS_ADDR is `nine`, which is not an address to listen on; nothing was \
                started. Set IDENTITY_METRICS_ADDR like `:8081`";
    assert_eq!((nine.code, nine.stderr.trim_end()), (Some(1), said));
}
