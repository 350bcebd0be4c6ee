//! The guards of routes as clients meet them at the edge.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::io::Read;
use std::net::SocketAddr;

use fairway_model::traffic::{BasicAuth, Compression, Cors, Guard, Maintenance, Network, RateKey, RateLimit};
use fairway_route::Table;
use http::{Method, Request, StatusCode};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raw::{Answer, Message, Recorder, Wire};
use support::wire::{full, piece, piecewise};
use support::{World, route, table, within};
use tokio::net::TcpStream;

/// SHA-256 of `ada:secret`; and `ada:secret` as a client sends it.
const ADA: &str = "7a57c89b3477a13317bc0d38118202f9d36e9804547ccf18e753754e041e0aee";
const ADA_SENDS: &str = "Authorization: Basic YWRhOnNlY3JldA==\r\n";

fn guarded(generation: u64, instance: SocketAddr, guard: impl FnOnce(&mut Guard)) -> Table {
    let mut table = table(generation, &[("web-1", instance)]);
    guard(&mut table.routes[0].guard);
    table
}

async fn stage(guard: impl FnOnce(&mut Guard)) -> (World, Recorder, SocketAddr) {
    let (world, web) = (World::new().await, Recorder::new().await);
    let address = world.apply(&guarded(1, web.address(), guard)).await;
    (world, web, address)
}

/// A request on a connection of its own; `fields` are lines with their ends.
async fn ask(address: SocketAddr, method: &str, path: &str, fields: &str) -> Message {
    let mut client = Wire::connect(address).await;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n{fields}\r\n");
    client.send(head).await;
    client.response(method).await
}

async fn get(address: SocketAddr, fields: &str) -> Message {
    ask(address, "GET", "/a", fields).await
}

fn code(answer: &Message) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.head.status(), body["code"].as_str().unwrap_or_default().to_owned())
}

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

/// Loopback is trusted, so the client is whom the proxy in front names.
#[tokio::test]
async fn only_some_networks() {
    let (_world, web, address) = stage(|guard| guard.allow = vec![network("10.0.0.0/8")]).await;
    for (fields, status) in [
        ("", 403),
        ("X-Forwarded-For: 10.1.2.3\r\n", 200),
        ("X-Forwarded-For: 192.0.2.1\r\n", 403),
        // What the client itself wrote before the proxy added its address is not believed.
        ("X-Forwarded-For: 10.1.2.3, 192.0.2.1\r\n", 403),
    ] {
        let answer = get(address, fields).await;
        assert_eq!(answer.head.status(), status, "{fields:?}: {answer:?}");
    }
    assert_eq!(code(&get(address, "").await), (403, "not_allowed".into()));
    assert_eq!(web.summaries().len(), 1);
}

#[tokio::test]
async fn a_name_and_password() {
    let (_world, web, address) = stage(|guard| {
        let users = [("ada".to_owned(), ADA.to_owned())].into();
        guard.basic_auth = Some(BasicAuth { realm: "inner circle".into(), users });
    })
    .await;
    let refused = get(address, "").await;
    assert_eq!(refused.head.status(), 401);
    let asked = refused.head.one("www-authenticate").unwrap();
    assert!(asked.starts_with("Basic realm=\"inner circle\""), "{asked}");
    // `ada:wrong`
    assert_eq!(get(address, "Authorization: Basic YWRhOndyb25n\r\n").await.head.status(), 401);
    assert_eq!(web.summaries().len(), 0);
    assert_eq!(get(address, ADA_SENDS).await.head.status(), 200);
    let [arrived] = &web.log().requests[..] else { panic!("{:?}", web.log()) };
    assert_eq!(arrived.head.all("authorization"), Vec::<&str>::new());
}

#[tokio::test]
async fn a_rate() {
    let limit = |per_ms| {
        move |guard: &mut Guard| {
            guard.rate_limit = Some(RateLimit { requests: 3, per_ms, burst: None, key: RateKey::Address });
        }
    };
    let (world, web, address) = stage(limit(3_600_000)).await;
    for _ in 0..3 {
        assert_eq!(get(address, "").await.head.status(), 200);
    }
    let refused = get(address, "").await;
    assert_eq!(refused.head.status(), 429);
    let after: u64 = refused.head.one("retry-after").unwrap().parse().unwrap();
    assert!((1..=1_200).contains(&after), "{after}");
    // Each client has its own.
    assert_eq!(get(address, "X-Forwarded-For: 192.0.2.1\r\n").await.head.status(), 200);
    // The next table goes on counting as long as the limit is the same.
    let next = Recorder::new().await;
    world.apply(&guarded(2, next.address(), limit(3_600_000))).await;
    assert_eq!(get(address, "").await.head.status(), 429);
    world.apply(&guarded(3, next.address(), limit(3_600_001))).await;
    assert_eq!(get(address, "").await.head.status(), 200);
    assert_eq!((web.summaries().len(), next.summaries().len()), (4, 1));
}

#[tokio::test]
async fn a_closed_route() {
    let (world, web, address) = stage(|guard| {
        guard.maintenance = Some(Maintenance {
            message: "back at noon".into(),
            retry_after_s: 77,
            except: vec![network("192.0.2.0/24")],
        });
    })
    .await;
    let refused = get(address, "").await;
    assert_eq!((refused.head.status(), refused.head.one("retry-after")), (503, Some("77")));
    assert!(refused.text().contains("back at noon"), "{}", refused.text());
    assert_eq!(get(address, "X-Forwarded-For: 192.0.2.9\r\n").await.head.status(), 200);
    assert_eq!(web.summaries().len(), 1);
    // The next table opens it.
    world.apply(&guarded(2, web.address(), |_| {})).await;
    assert_eq!(get(address, "").await.head.status(), 200);
}

#[tokio::test]
async fn other_origins() {
    let (_world, web, address) = stage(|guard| {
        guard.cors = Some(Cors {
            origins: vec!["https://admin.example.com".into()],
            methods: vec!["PUT".into()],
            credentials: true,
            max_age_s: 60,
            ..Cors::default()
        });
    })
    .await;
    let asks = "Access-Control-Request-Method: PUT\r\n";
    let preflight =
        ask(address, "OPTIONS", "/a", &format!("Origin: https://admin.example.com\r\n{asks}")).await;
    assert!((200..300).contains(&preflight.head.status()), "{preflight:?}");
    let allowed = |answer: &Message| answer.head.one("access-control-allow-origin").map(str::to_owned);
    assert_eq!(allowed(&preflight).as_deref(), Some("https://admin.example.com"));
    assert_eq!(preflight.head.one("access-control-allow-methods"), Some("PUT"));
    assert_eq!(preflight.head.one("access-control-max-age"), Some("60"));
    let foreign = ask(address, "OPTIONS", "/a", &format!("Origin: https://evil.test\r\n{asks}")).await;
    assert_eq!(allowed(&foreign), None);
    assert_eq!(web.summaries().len(), 0);
    let answer = get(address, "Origin: https://admin.example.com\r\n").await;
    assert_eq!(allowed(&answer).as_deref(), Some("https://admin.example.com"));
    assert_eq!(answer.head.one("access-control-allow-credentials"), Some("true"));
    assert_eq!(allowed(&get(address, "Origin: https://evil.test\r\n").await), None);
}

#[tokio::test]
async fn compressed_answers() {
    let text = serde_json::json!((0..20_000).collect::<Vec<u32>>()).to_string();
    let sent = text.clone();
    let web = Recorder::answering(move |request: &Message| {
        let kind = match request.head.target() {
            "/events" => "text/event-stream",
            "/image" => "image/png",
            _ => "application/json",
        };
        let cookie = if request.head.target() == "/login" { "Set-Cookie: a=b\r\n" } else { "" };
        let body = if request.head.target() == "/small" { "{}" } else { &sent };
        Answer::bytes(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{cookie}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    })
    .await;
    let world = World::new().await;
    let compress = |guard: &mut Guard| guard.compression = Some(Compression::default());
    let address = world.apply(&guarded(1, web.address(), compress)).await;
    let accept = "Accept-Encoding: gzip\r\n";
    let answer = ask(address, "GET", "/numbers", accept).await;
    assert_eq!(answer.head.one("content-encoding"), Some("gzip"));
    assert_eq!(answer.head.one("content-length"), None);
    assert_eq!(answer.head.list("transfer-encoding"), ["chunked"]);
    assert!(answer.head.list("vary").contains(&"accept-encoding".to_owned()), "{:?}", answer.head);
    assert!(answer.body.len() < text.len(), "{}", answer.body.len());
    let mut read = String::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut read).unwrap();
    assert!(read == text, "what was unpacked is not what was sent");
    for (path, fields) in [
        ("/numbers", String::new()),
        ("/numbers", format!("{accept}Cookie: session=1\r\n")),
        ("/login", accept.into()),
        ("/events", accept.into()),
        ("/image", accept.into()),
    ] {
        let answer = ask(address, "GET", path, &fields).await;
        assert_eq!(answer.head.one("content-encoding"), None, "{path} {fields}");
        assert!(answer.text() == text, "{path} {fields}");
    }
    assert_eq!(ask(address, "GET", "/small", accept).await.text(), "{}");
}

#[tokio::test]
async fn headers_for_browsers() {
    let (_world, _web, address) = stage(|guard| guard.security_headers = true).await;
    let answer = get(address, "").await;
    let headers = ["x-content-type-options", "x-frame-options", "referrer-policy"];
    assert_eq!(
        headers.map(|name| answer.head.one(name)),
        [Some("nosniff"), Some("DENY"), Some("strict-origin-when-cross-origin")]
    );
}

/// Whether the length is said beforehand or found out.
#[tokio::test]
async fn bodies_that_are_too_large() {
    let (world, web, address) = stage(|guard| guard.body_bytes = Some(10)).await;
    let post = async |fields: &str, body: &str| {
        let mut client = Wire::connect(address).await;
        client.send(format!("POST /a HTTP/1.1\r\nHost: edge.test\r\n{fields}\r\n{body}")).await;
        client.response("POST").await
    };
    assert_eq!(post("Content-Length: 10\r\n", "0123456789").await.text(), "POST /a 10");
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(post(chunked, "a\r\n0123456789\r\n0\r\n\r\n").await.text(), "POST /a 10");
    let too_large = (413, "body_too_large".to_owned());
    assert_eq!(code(&post("Content-Length: 11\r\n", "0123456789a").await), too_large);
    assert_eq!(code(&post(chunked, "b\r\n0123456789a\r\n0\r\n\r\n").await), too_large);
    assert_eq!(code(&post(chunked, "8\r\n01234567\r\n3\r\n89a\r\n0\r\n\r\n").await), too_large);
    assert_eq!(web.summaries(), ["POST /a 10", "POST /a 10"]);
    world.until("web-1", |it| it.in_flight == 0).await;
}

#[tokio::test]
async fn bodies_that_are_too_large_on_http2() {
    let (world, web, address) = stage(|guard| guard.body_bytes = Some(10)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        within(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    let connection = tokio::spawn(connection);
    let post = |body| Request::builder().method(Method::POST).uri("http://edge.test/a").body(body).unwrap();
    let response = within(sender.send_request(post(full("0123456789")))).await.unwrap();
    assert_eq!(support::wire::text(response).await, (StatusCode::OK, "POST /a 10".into()));
    let response = within(sender.send_request(post(full("0123456789a")))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Without a length, in two pieces.
    let (pieces, body) = piecewise();
    pieces.send(piece("01234567")).unwrap();
    pieces.send(piece("89a")).unwrap();
    let (status, words) = support::wire::text(within(sender.send_request(post(body))).await.unwrap()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{words}");
    assert!(words.contains("body_too_large"), "{words}");
    // The connection serves on.
    let response = within(sender.send_request(post(full("0")))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(web.summaries(), ["POST /a 10", "POST /a 1"]);
    world.until("web-1", |it| it.in_flight == 0).await;
    connection.abort();
}

/// What the edge reads as the one route and a service as the other walks around no guard.
#[tokio::test]
async fn paths_that_lead_elsewhere() {
    let (world, web) = (World::new().await, Recorder::new().await);
    let build = |generation, closed: bool| {
        let mut table = table(generation, &[("web-1", web.address())]);
        let mut admin = route(None, "/admin", "web");
        if closed {
            admin.guard.allow = vec![network("10.0.0.0/8")];
        }
        table.routes = vec![route(None, "/public", "web"), admin];
        table
    };
    let address = world.apply(&build(1, true)).await;
    for path in ["/public/../admin", "/public/..%2fadmin", "/public/%2e%2e/admin", "/public/..%5cadmin"] {
        assert_eq!(ask(address, "GET", path, "").await.head.status(), 400, "{path}");
    }
    for path in ["/%61dmin", "//admin", "/./admin"] {
        let status = ask(address, "GET", path, "").await.head.status();
        assert!(matches!(status, 400 | 403 | 404), "{path}: {status}");
    }
    assert_eq!(ask(address, "GET", "/admin", "").await.head.status(), 403);
    assert_eq!(web.summaries(), Vec::<String>::new());
    // What is only unusual arrives as it was sent.
    assert_eq!(ask(address, "GET", "/public/a%2Fb", "").await.text(), "GET /public/a%2Fb 0");
    // The guard goes with the table that had it.
    world.apply(&build(2, false)).await;
    assert_eq!(ask(address, "GET", "/admin", "").await.text(), "GET /admin 0");
}

/// Requests of a connection that is open obey the guard of the table that serves.
#[tokio::test]
async fn a_guard_comes_and_goes_under_a_connection() {
    let (world, web, address) = stage(|_| {}).await;
    let mut client = Wire::connect(address).await;
    let mut status = async || {
        client.send("GET /a HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
        client.response("GET").await.head.status()
    };
    assert_eq!(status().await, 200);
    world.apply(&guarded(2, web.address(), |guard| guard.allow = vec![network("10.0.0.0/8")])).await;
    assert_eq!(status().await, 403);
    world.apply(&guarded(3, web.address(), |_| {})).await;
    assert_eq!(status().await, 200);
}
