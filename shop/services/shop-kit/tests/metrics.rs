//! The numbers: what is counted, and that they outlive a stuck service.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "numbers that can't be read end the test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use shop_kit::ApiError;
use shop_kit::contract::Unbuilt;
use shop_kit::health::Health;
use shop_kit::layers::dress;
use shop_kit::metrics::{self, RouteName};
use shop_kit::testing::TestServer;

fn read(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The runtime of this test has one thread, and that thread waits for the reading thread: a service that does
/// nothing any more.
#[tokio::test(flavor = "current_thread")]
async fn a_stuck_service_still_has_numbers() {
    let routes = Router::new()
        .route("/orders/{id}", get(async || "an order"))
        .route("/passed-on/{*rest}", get(async || Extension(RouteName("identity".into()))))
        .route("/fails", get(async || ApiError::conflict("no")));
    let unbuilt = Unbuilt::of("tester", &[]).unwrap();
    let server = TestServer::start(dress("tester", unbuilt.attach(routes), Health::always_ready(None))).await;
    let client = server.client();
    for path in ["/orders/1", "/orders/2", "/fails", "/nowhere/1", "/nowhere/2", "/passed-on/a/b"] {
        client.get(path).await;
    }
    let address = metrics::serve("127.0.0.1:0".parse().unwrap()).unwrap();
    let text = std::thread::spawn(move || read(address)).join().unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-type: text/plain; version=0.0.4"), "{text}");
    for line in [
        r#"http_requests_total{method="GET",route="/orders/{id}",status="2xx"} 2"#,
        r#"http_requests_total{method="GET",route="/fails",status="4xx"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="4xx"} 2"#,
        r#"http_request_duration_seconds_count{method="GET",route="/orders/{id}",status="2xx"} 2"#,
        r#"http_requests_total{method="GET",route="identity",status="2xx"} 1"#,
        "http_requests_in_flight 0",
        r#"db_pool_connections{state="idle"} 0"#,
    ] {
        assert!(text.lines().any(|l| l == line), "no {line} in {text}");
    }
    let memory = text.lines().find_map(|l| l.strip_prefix("process_resident_memory_bytes ")).unwrap();
    assert!(memory.parse::<u64>().unwrap() > 1 << 20, "{memory}");
    server.stop().await;
}

#[test]
fn a_taken_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = metrics::serve(address).unwrap_err().to_string();
    assert!(error.starts_with(&format!("can't listen on {address}; nothing was started")), "{error}");
}
