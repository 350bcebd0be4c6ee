//! More about exchanges: what edges say about themselves and their clients, and what they do not serve.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use fairway_model::traffic::Guard;
use raw::{Recorder, Wire};
use stage::Stage;
use support::{World, table};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// RFC 9110, 15.2: a client of HTTP/1.0 must not be sent one.
#[tokio::test]
async fn an_old_client_gets_no_hints() {
    let stage = Stage::new().await;
    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.0\r\nHost: edge.test").await;
    instance.send(format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{OK}")).await;
    let answer = client.response("GET").await;
    assert_eq!((answer.head.status(), answer.text().as_str()), (200, "ok"));
}

/// RFC 9110, 7.6.3: who a message came through, in both directions, after those before.
#[tokio::test]
async fn via() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) =
        stage.ask("GET /a HTTP/1.1\r\nHost: edge.test\r\nVia: 1.0 first, 2 second (x, y)").await;
    let via = head.all("via").join(", ");
    assert!(via.starts_with("1.0 first, 2 second (x, y), 1.1 "), "{via}");
    instance.send("HTTP/1.1 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n").await;
    let via = client.response("GET").await.head.all("via").join(", ");
    assert!(via.starts_with("1.1 inner, 1.1 "), "{via}");
    let (_client, _instance, head) = stage.ask_again("GET /b HTTP/1.0\r\nHost: edge.test", instance).await;
    assert!(head.all("via").join(", ").starts_with("1.0 "), "{head:?}");
}

/// What a client claims about itself is believed only from those whom the environment trusts.
#[tokio::test]
async fn claims_of_clients() {
    let claims = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                  Forwarded: for=203.0.113.7;proto=https;host=evil.test\r\nX-Real-IP: 203.0.113.7";
    let stage = Stage::with(|_| {}, |table| table.options.trusted = Vec::new()).await;
    let (_client, _instance, head) =
        stage.ask(&format!("GET /a HTTP/1.1\r\nHost: edge.test\r\n{claims}")).await;
    let arrived = format!("{:?}", head.fields.iter().filter(|it| it.0 != "x-real-ip").collect::<Vec<_>>());
    assert!(!arrived.contains("203.0.113.7") && !arrived.contains("evil.test"), "{arrived}");
    assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.one("x-forwarded-proto"), Some("http"));
    assert_eq!(head.one("x-forwarded-host"), Some("edge.test"));

    let stage = Stage::new().await;
    let (_client, _instance, head) =
        stage.ask(&format!("GET /a HTTP/1.1\r\nHost: edge.test\r\n{claims}")).await;
    assert_eq!(head.one("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(head.one("x-forwarded-proto"), Some("https"));
    assert_eq!(head.one("x-forwarded-host"), Some("evil.test"));
    let forwarded = head.all("forwarded").join(", ");
    assert!(forwarded.is_empty() || forwarded.starts_with("for=203.0.113.7;"), "{forwarded}");
}

/// RFC 9110, 9.3.8: an answer to TRACE would repeat cookies and whatever the edge has added.
#[tokio::test]
async fn trace_is_not_served() {
    let world = World::new().await;
    let recorder = Recorder::new().await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    client.send("TRACE /a HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    assert_eq!(client.response("TRACE").await.head.status(), 405);
    assert_eq!(recorder.summaries(), Vec::<String>::new());
}

/// RFC 9110, 9.3.6: this is no forward proxy; and what follows is no request of HTTP.
#[tokio::test]
async fn connect_is_not_served() {
    let world = World::new().await;
    let recorder = Recorder::new().await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    client.send("CONNECT edge.test:80 HTTP/1.1\r\nHost: edge.test:80\r\n\r\n").await;
    assert_eq!(client.response("GET").await.head.status(), 405);
    assert_eq!(client.rest().await, b"");
    assert_eq!(recorder.summaries(), Vec::<String>::new());
}

/// A body that is larger than its route takes.
#[tokio::test]
async fn a_body_that_is_too_large() {
    let world = World::new().await;
    let recorder = Recorder::new().await;
    let mut table = table(1, &[("web-1", recorder.address())]);
    table.routes[0].guard = Guard { body_bytes: Some(10), ..Guard::default() };
    let address = world.apply(&table).await;
    // Announced: nobody needs to send it.
    let mut client = Wire::connect(address).await;
    client.send("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 11\r\n\r\n").await;
    assert_eq!(client.response("POST").await.head.status(), 413);
    // Found out: what has arrived by then never becomes a complete request.
    let mut client = Wire::connect(address).await;
    client.send("POST /a HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send("6\r\nhello!\r\n6\r\nhello!\r\n0\r\n\r\n").await;
    assert_eq!(client.response("POST").await.head.status(), 413);
    assert_eq!(recorder.summaries(), Vec::<String>::new());
    // At the limit.
    let mut client = Wire::connect(address).await;
    client.send("POST /a HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n").await;
    assert_eq!(client.response("POST").await.text(), "POST /a 10");
}
