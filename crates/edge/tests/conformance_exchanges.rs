//! Exchanges of more than a question and an answer: interim answers, `Expect`, what edges say about themselves, and
//! what is too much or too slow.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::time::Duration;

use fairway_model::traffic::Guard;
use raw::{Recorder, Wire};
use stage::Stage;
use support::{World, table};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// RFC 8297: hints arrive before the answer is even begun.
#[tokio::test]
async fn hints_arrive_early() {
    let stage = Stage::new().await;
    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.1\r\nHost: edge.test").await;
    for number in 0..3 {
        instance
            .send(format!("HTTP/1.1 103 Early Hints\r\nLink: </{number}.css>; rel=preload\r\n\r\n"))
            .await;
        let hint = client.head().await;
        assert_eq!(
            (hint.status(), hint.one("link")),
            (103, Some(format!("</{number}.css>; rel=preload").as_str()))
        );
    }
    instance.send(OK).await;
    let answer = client.response("GET").await;
    assert_eq!((answer.head.status(), answer.text().as_str()), (200, "ok"));
}

/// RFC 9110, 10.1.1: the instance decides whether the body is wanted.
#[tokio::test]
async fn continue_comes_from_the_instance() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) =
        stage.ask("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 5\r\nExpect: 100-continue").await;
    assert_eq!(head.list("expect"), ["100-continue"]);
    instance.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 100);
    client.send("hello").await;
    assert_eq!(instance.exactly(5).await, b"hello");
    instance.send(OK).await;
    assert_eq!(client.response("POST").await.text(), "ok");
    // Both connections are good for more.
    client.send("GET /b HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    assert_eq!(instance.request().await.summary(), "GET /b 0");
    instance.send(OK).await;
    assert_eq!(client.response("GET").await.text(), "ok");
}

/// Nobody is asked for a body that is not wanted. The connection may go on only if it is plain what comes next.
#[tokio::test]
async fn a_final_answer_in_place_of_continue() {
    let stage = Stage::new().await;
    let (mut client, mut instance, _) =
        stage.ask("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 5\r\nExpect: 100-continue").await;
    instance.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let answer = client.response("POST").await;
    assert_eq!((answer.head.status(), answer.text().as_str()), (403, "no"));
    if answer.head.list("connection").contains(&"close".into()) {
        assert_eq!(client.rest().await, b"");
        return;
    }
    // The client may send the body nevertheless; it is then that body and not a request.
    client.send("hello").await;
    client.send("GET /b HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let mut next = stage.instance().await;
    assert_eq!(next.request().await.summary(), "GET /b 0");
    next.send(OK).await;
    assert_eq!(client.response("GET").await.text(), "ok");
}

/// A client that does not wait is served as well, also by an instance that has never heard of `Expect`.
#[tokio::test]
async fn a_client_that_does_not_wait() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    client
        .send("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
        .await;
    let mut instance = stage.instance().await;
    assert_eq!(instance.request().await.summary(), "POST /a 5");
    instance.send(OK).await;
    let mut answer = client.response("POST").await;
    if answer.head.status() == 100 {
        answer = client.response("POST").await;
    }
    assert_eq!(answer.text(), "ok");
}

/// Interim answers do not count as the answer: the time for it goes on.
#[tokio::test]
async fn interim_answers_do_not_stop_the_clock() {
    let stage =
        Stage::with(|_| {}, |table| table.services.get_mut("web").unwrap().timeouts.header_ms = 300).await;
    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.1\r\nHost: edge.test").await;
    instance.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 103);
    assert_eq!(client.response("GET").await.head.status(), 504);
}

/// What nobody here has ever heard of is not expected of anybody.
#[tokio::test]
async fn an_unknown_expectation() {
    for expected in ["cake", "100-continue, cake", "y 100-continue"] {
        let world = World::new().await;
        let recorder = Recorder::new().await;
        let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
        let mut client = Wire::connect(address).await;
        client
            .send(format!(
                "POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 5\r\nExpect: {expected}\r\n\r\n"
            ))
            .await;
        assert_eq!(client.response("POST").await.head.status(), 417, "{expected}");
        assert_eq!(recorder.summaries(), Vec::<String>::new());
    }
}

/// A body of which nothing more comes: its client is told, if it can be, and the instance is let go.
#[tokio::test]
async fn a_body_that_stops() {
    let stage =
        Stage::with(|_| {}, |table| table.services.get_mut("web").unwrap().timeouts.idle_ms = 200).await;
    for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let mut client = stage.client().await;
        client.send(format!("POST /a HTTP/1.1\r\nHost: edge.test\r\n{framing}")).await;
        let mut instance = stage.instance().await;
        instance.until(b"hello").await;
        assert_eq!(client.response("POST").await.head.status(), 408);
        assert_eq!(client.rest().await, b"");
        let rest = instance.rest().await;
        assert!(rest.is_empty() || rest == b"\r\n", "{rest:?}");
    }
}

/// A head that does not end is answered, so that people find the reason.
#[tokio::test]
async fn a_head_that_stops() {
    let stage = Stage::with(|settings| settings.head_timeout = Duration::from_millis(200), |_| {}).await;
    for piece in ["G", "GET /a HTTP/1.1\r\n", "GET /a HTTP/1.1\r\nHost: edge.test\r\nX: "] {
        let mut client = stage.client().await;
        client.send(piece).await;
        assert_eq!(client.response("GET").await.head.status(), 408, "{piece}");
        assert_eq!(client.rest().await, b"");
    }
}

/// A head that is too large is 431, a target that is too long 414 or 431.
#[tokio::test]
async fn a_head_that_is_too_large() {
    let stage =
        Stage::with(|settings| (settings.head_bytes, settings.head_fields) = (8 * 1024, 20), |_| {}).await;
    let many: String = (0..21).map(|number| format!("X-{number}: y\r\n")).collect();
    for (head, allowed) in [
        (format!("GET /a HTTP/1.1\r\nHost: edge.test\r\nX: {}\r\n\r\n", "a".repeat(9 * 1024)), [431, 431]),
        (format!("GET /a HTTP/1.1\r\nHost: edge.test\r\n{many}\r\n"), [431, 431]),
        (format!("GET /{} HTTP/1.1\r\nHost: edge.test\r\n\r\n", "a".repeat(9 * 1024)), [414, 431]),
    ] {
        let mut client = stage.client().await;
        client.send(&head).await;
        let status = client.response("GET").await.head.status();
        assert!(allowed.contains(&status), "{status}");
        assert_eq!(client.rest().await, b"");
    }
}

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
