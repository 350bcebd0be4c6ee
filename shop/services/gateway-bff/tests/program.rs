//! The program `gateway-bff`: its command and its end.

use shop_kit::testing::{Client, finish, start};

const GATEWAY: &str = env!("CARGO_BIN_EXE_gateway-bff");

#[tokio::test]
async fn from_start_to_end() {
    let running = start(GATEWAY, &[], &[("GATEWAY_HTTP_ADDR", "127.0.0.1:0")]).await;
    assert_eq!(Client::of(running.base()).get("/health").await.text, "OK");
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test]
async fn it_goes_on_when_nobody_reads_its_log() {
    let mut running = start(GATEWAY, &[], &[("GATEWAY_HTTP_ADDR", "127.0.0.1:0")]).await;
    running.hang_up().await;
    let client = Client::of(running.base());
    for _ in 0..3 {
        assert_eq!(
            client.get("/nowhere").await.status,
            404,
            "answered, although its log line can't be written"
        );
    }
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test]
async fn there_is_nothing_to_migrate() {
    let done = finish(GATEWAY, &["migrate"], &[]).await;
    let expected =
        "gateway-bff has no command `migrate`; nothing was done. usage: gateway-bff serve|settings";
    assert_eq!((done.code, done.stderr.trim_end()), (Some(3), expected));
}
