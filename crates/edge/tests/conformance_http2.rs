//! HTTP/2 on plain listeners, by prior knowledge: what it is for, and what it must not let through.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/h2raw.rs"]
mod h2raw;
#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fairway_model::traffic::Upstream as Speaks;
use futures::{SinkExt, StreamExt};
use h2raw::{
    Answer, CONTINUATION, DATA, END_STREAM, Frame, GOAWAY, HEADERS, Http2, PREFACE, RST_STREAM, block,
    fields, headers,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raw::{Recorder, Wire, soon};
use stage::Stage;
use support::wire::{AnyBody, full, none, piece, piecewise};
use support::{World, table, within};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frames;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A well-behaved client; the task ends with the connection.
async fn connect(address: SocketAddr) -> (SendRequest<AnyBody>, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        within(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(method: Method, path: &str, body: AnyBody) -> Request<AnyBody> {
    Request::builder().method(method).uri(format!("http://edge.test{path}")).body(body).unwrap()
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let bytes = within(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn recording() -> (World, Recorder, SocketAddr) {
    let world = World::new().await;
    let recorder = Recorder::new().await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    (world, recorder, address)
}

#[tokio::test]
async fn many_requests_on_one_connection() {
    let (_world, recorder, address) = recording().await;
    let (sender, _connection) = connect(address).await;
    let answers = (0..200).map(|number| {
        let mut sender = sender.clone();
        async move {
            let body = if number % 2 == 0 { none() } else { full(vec![7; number]) };
            let method = if number % 2 == 0 { Method::GET } else { Method::POST };
            let length = if number % 2 == 0 { 0 } else { number };
            let response = within(sender.send_request(request(method.clone(), &format!("/{number}"), body)))
                .await
                .unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            assert_eq!(text(response).await, format!("{method} /{number} {length}"));
        }
    });
    futures::future::join_all(answers).await;
    assert_eq!(recorder.summaries().len(), 200);
    assert_eq!(recorder.log().violations, Vec::<String>::new());
}

/// A slow stream does not hold up another one.
#[tokio::test]
async fn streams_are_independent() {
    let stage = Stage::new().await;
    let (mut sender, _connection) = connect(stage.address).await;
    let slow = tokio::spawn(sender.send_request(request(Method::GET, "/slow", none())));
    let mut first = stage.instance().await;
    assert_eq!(first.request().await.head.target(), "/slow");
    let quick = tokio::spawn(sender.send_request(request(Method::GET, "/quick", none())));
    let mut second = stage.instance().await;
    assert_eq!(second.request().await.head.target(), "/quick");
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquick").await;
    assert_eq!(text(within(quick).await.unwrap().unwrap()).await, "quick");
    first.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").await;
    assert_eq!(text(within(slow).await.unwrap().unwrap()).await, "slow");
}

/// gRPC: a body both ways, and the outcome in trailers.
#[tokio::test]
async fn trailers_of_grpc() {
    let stage = Stage::new().await;
    let (mut sender, _connection) = connect(stage.address).await;
    let (pieces, body) = piecewise();
    let mut call = request(Method::POST, "/shop.Cart/Add", body);
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    let answered = tokio::spawn(sender.send_request(call));
    let mut instance = stage.instance().await;
    let head = instance.head().await;
    assert_eq!((head.one("te"), head.one("content-type")), (Some("trailers"), Some("application/grpc")));
    pieces.send(piece("hello")).unwrap();
    instance.until(b"hello").await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    pieces.send(Ok(hyper::body::Frame::trailers(trailers))).unwrap();
    drop(pieces);
    instance.until(b"0\r\n").await;
    assert!(instance.until(b"\r\n\r\n").await.to_ascii_lowercase().starts_with(b"x-sum: 7"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTrailer: grpc-status\r\nTransfer-Encoding: chunked\r\n\r\n";
    instance.send(format!("{head}5\r\nthere\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n")).await;
    let response = within(answered).await.unwrap().unwrap();
    let collected = within(response.into_body().collect()).await.unwrap();
    let trailers = collected.trailers().unwrap().clone();
    assert_eq!(
        (trailers["grpc-status"].as_bytes(), trailers["grpc-message"].as_bytes()),
        (&b"0"[..], &b"fine"[..])
    );
    assert_eq!(collected.to_bytes(), "there");
}

/// HTTP/2 on both sides: an instance that speaks h2c gets it.
#[tokio::test]
async fn instances_of_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let instance = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let (parts, body) = request.into_parts();
                let version = format!("{:?} {}", parts.version, parts.uri.path());
                let collected = body.collect().await.unwrap();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let sum = collected.trailers().and_then(|it| it.get("x-sum")).cloned();
                trailers.extend(sum.map(|it| (http::HeaderName::from_static("x-sum"), it)));
                let body = Bytes::from(format!("{version} {}", collected.to_bytes().len()));
                let frames = [
                    Ok::<_, std::io::Error>(hyper::body::Frame::data(body)),
                    Ok(hyper::body::Frame::trailers(trailers)),
                ];
                Ok::<_, std::io::Error>(Response::new(http_body_util::StreamBody::new(
                    futures::stream::iter(frames),
                )))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    let world = World::new().await;
    let mut table = table(1, &[("web-1", instance)]);
    table.services.get_mut("web").unwrap().treatment.upstream = Speaks::H2c;
    let address = world.apply(&table).await;
    let (mut sender, _connection) = connect(address).await;
    let (pieces, body) = piecewise();
    pieces.send(piece("hello")).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    pieces.send(Ok(hyper::body::Frame::trailers(trailers))).unwrap();
    drop(pieces);
    let response = within(sender.send_request(request(Method::POST, "/call", body))).await.unwrap();
    let collected = within(response.into_body().collect()).await.unwrap();
    let trailers = collected.trailers().unwrap().clone();
    assert_eq!((trailers["grpc-status"].as_bytes(), trailers["x-sum"].as_bytes()), (&b"0"[..], &b"7"[..]));
    assert_eq!(collected.to_bytes(), "HTTP/2.0 /call 5");
    // And to a client of HTTP/1.1.
    let mut client = Wire::connect(address).await;
    client.send("GET /old HTTP/1.1\r\nHost: edge.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await;
    assert_eq!(client.response("GET").await.text(), "HTTP/2.0 /old 0");
    serving.abort();
}

/// RFC 8441: a WebSocket on a stream, to an instance that knows only HTTP/1.1.
#[tokio::test]
async fn websockets_on_a_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let instance = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let world = World::new().await;
    let address = world.apply(&table(1, &[("web-1", instance)])).await;
    let (mut sender, _connection) = connect(address).await;
    // The settings of the server must have come before a client may ask.
    within(sender.send_request(request(Method::GET, "/plain", none()))).await.unwrap();
    for _ in 0..2 {
        let mut ask = request(Method::CONNECT, "/ws", none());
        ask.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
        ask.extensions_mut().insert(Protocol::from_static("websocket"));
        let response = within(sender.send_request(ask)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        let upgraded = TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        for length in [0, 125, 126, 70_000] {
            let message = Frames::binary(vec![7; length]);
            socket.send(message.clone()).await.unwrap();
            assert_eq!(within(socket.next()).await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = within(socket.next()).await {}
    }
    world.until("web-1", |it| it.in_flight == 0 && it.upgrades == 0).await;
    serving.abort();
}

/// A client that gives no room holds the instance back; another stream goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_kept() {
    let stage = Stage::new().await;
    let mut client = Http2::connect(stage.address).await;
    client.send(headers(1, END_STREAM, &fields("GET", "/large", &[]))).await;
    let mut instance = stage.instance().await;
    instance.request().await;
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    let (piece, mut sent) = (vec![7; 64 * 1024], 0);
    let stalled = loop {
        match tokio::time::timeout(Duration::from_millis(500), instance.try_send(&piece)).await {
            Ok(done) => done.unwrap(),
            Err(_) => break true,
        }
        sent += 64 * 1024;
        if sent > 256 * 1024 * 1024 {
            break false;
        }
    };
    assert!(stalled && sent < 32 * 1024 * 1024, "{sent}");
    assert_eq!(client.answer(1).await, Answer::Status(200));
    let mut received = 0;
    client.send(headers(3, END_STREAM, &fields("GET", "/small", &[]))).await;
    let mut second = stage.instance().await;
    second.request().await;
    second.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    loop {
        let frame = client.next().await.unwrap();
        match (frame.kind, frame.stream) {
            (DATA, 1) => received += frame.payload.len(),
            (HEADERS, 3) => break,
            _ => {}
        }
    }
    // The windows of RFC 9113, 6.9.2, which this client has never widened.
    assert!(received <= 65_535, "{received}");
}

/// When a listener goes, its connections say so (GOAWAY), and what was begun on them is finished.
#[tokio::test]
async fn goaway_loses_nothing() {
    let stage = Stage::new().await;
    let mut client = Http2::connect(stage.address).await;
    client.send(headers(1, END_STREAM, &fields("GET", "/slow", &[]))).await;
    let mut instance = stage.instance().await;
    instance.request().await;
    let edge = stage.world.edge.clone();
    let ending = tokio::spawn(async move { edge.shutdown(Duration::from_secs(10)).await });
    let goaway = loop {
        let frame = client.next().await.expect("a goodbye");
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(goaway.code(), 0);
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer(1).await, Answer::Status(200));
    soon("the end", async { while client.next().await.is_some() {} }).await;
    soon("the edge's end", ending).await.unwrap();
}

/// A request whose client has reset it is given up at the instance, too.
#[tokio::test]
async fn a_reset_goes_on_to_the_instance() {
    let stage = Stage::new().await;
    let mut client = Http2::connect(stage.address).await;
    client.send(headers(1, END_STREAM, &fields("GET", "/slow", &[]))).await;
    let mut instance = stage.instance().await;
    instance.request().await;
    client.send(Frame::new(RST_STREAM, 0, 1, 8u32.to_be_bytes())).await;
    assert_eq!(instance.rest().await, b"");
    stage.world.until("web-1", |it| it.in_flight == 0 && it.clients_gone == 1).await;
    // An answer that breaks off is a reset stream, never a complete answer.
    client.send(headers(3, END_STREAM, &fields("GET", "/broken", &[]))).await;
    let mut instance = stage.instance().await;
    instance.request().await;
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    instance.finish().await;
    let mut answer = client.answer(3).await;
    if answer == Answer::Status(200) {
        answer = client.answer(3).await;
    }
    assert!(matches!(answer, Answer::Reset(_)), "{answer:?}");
}

/// The length that a request says and the length that it has are the same, or it is none.
#[tokio::test]
async fn lengths_are_checked() {
    let (_world, recorder, address) = recording().await;
    for (said, sent) in [("0", "GET /smuggled HTTP/1.1\r\n\r\n"), ("3", "hello"), ("10", "hello")] {
        let mut client = Http2::connect(address).await;
        client.send(headers(1, 0, &fields("POST", "/in", &[("content-length", said)]))).await;
        client.send(Frame::new(DATA, END_STREAM, 1, sent)).await;
        let answer = client.answer(1).await;
        assert!(!matches!(answer, Answer::Status(200..=299)), "{said} {sent}: {answer:?}");
        let mut client = Http2::connect(address).await;
        assert!(client.serves(1).await);
    }
    let log = recorder.log();
    // One that says it has no body may be on its way before what is more than none arrives, and that goes nowhere.
    let sound = |it: &raw::Message| match it.head.target() {
        "/in" => it.body.is_empty(),
        target => target == "/serves",
    };
    assert!(log.requests.iter().all(sound), "{log:?}");
    assert_eq!(log.violations, Vec::<String>::new());
}

/// CVE-2023-44487: streams that are opened and reset without end cost their client the connection, not the service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_reset() {
    let (world, recorder, address) = recording().await;
    let mut client = Http2::connect(address).await;
    let mut gone = false;
    for number in 0..20_000 {
        let stream = number * 2 + 1;
        let mut bytes = headers(stream, END_STREAM, &fields("GET", "/reset", &[])).bytes();
        bytes.extend(Frame::new(RST_STREAM, 0, stream, 8u32.to_be_bytes()).bytes());
        if client.wire.try_send(&bytes).await.is_err() {
            gone = true;
            break;
        }
    }
    gone |= soon("the end of it", async {
        loop {
            match client.next().await {
                Some(frame) if frame.kind == GOAWAY => return frame.code() != 0,
                Some(_) => {}
                None => return true,
            }
        }
    })
    .await;
    assert!(gone);
    // Most of it never reached the instance, and others are served.
    let reached = recorder.log().requests.len();
    assert!(reached < 2_000, "{reached} requests reached the instance");
    let mut other = Http2::connect(address).await;
    assert!(other.serves(1).await);
    world.until("web-1", |it| it.in_flight == 0).await;
}

/// CVE-2024-27316 and its like: header blocks without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continuations_without_end() {
    let (_world, recorder, address) = recording().await;
    for part in [block(&[("x-a", "a".repeat(8_000))]), Vec::new()] {
        let mut client = Http2::connect(address).await;
        client.send(Frame::new(HEADERS, END_STREAM, 1, block(&fields("GET", "/in", &[])))).await;
        let mut frames = 0;
        while frames < 200_000 && client.try_send(Frame::new(CONTINUATION, 0, 1, &part)).await {
            frames += 1;
        }
        let answer = client.answer(1).await;
        assert!(frames < 200_000 || matches!(answer, Answer::Gone(_)), "{frames} frames, {answer:?}");
    }
    assert_eq!(recorder.summaries(), Vec::<String>::new());
    let mut other = Http2::connect(address).await;
    assert!(other.serves(1).await);
}

/// A flood of frames that ask for answers, and of empty ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods() {
    let (_world, _recorder, address) = recording().await;
    let settings = Frame::new(h2raw::SETTINGS, 0, 0, [0, 4, 0, 0, 0xff, 0xff]);
    let ping = Frame::new(h2raw::PING, 0, 0, [7; 8]);
    let empty = Frame::new(DATA, 0, 1, []);
    for frame in [settings, ping, empty] {
        let mut client = Http2::connect(address).await;
        client.send(headers(1, 0, &fields("POST", "/in", &[]))).await;
        // Nothing of what comes back is read.
        let bytes = frame.bytes().repeat(1_000);
        for _ in 0..200 {
            let sent = tokio::time::timeout(Duration::from_millis(300), client.wire.try_send(&bytes)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
        let mut other = Http2::connect(address).await;
        assert!(other.serves(1).await, "{frame:?}");
    }
}

/// The preface is one only when it is whole, and only where a connection begins.
#[tokio::test]
async fn the_preface() {
    let (_world, recorder, address) = recording().await;
    // In single bytes.
    let mut wire = Wire::connect(address).await;
    for byte in PREFACE {
        wire.send([*byte]).await;
    }
    let mut client = Http2 { wire };
    client.send(Frame::new(h2raw::SETTINGS, 0, 0, [])).await;
    assert!(client.serves(1).await);
    for wrong in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/2.0\r\nHost: edge.test\r\n\r\n",
        "PRI * HTTP/1.1\r\nHost: edge.test\r\n\r\n",
    ] {
        let mut wire = Wire::connect(address).await;
        wire.send(wrong).await;
        wire.finish().await;
        let said = wire.rest().await;
        assert!(
            said.is_empty()
                || said.starts_with(b"HTTP/1.1 4")
                || said.starts_with(b"HTTP/1.1 505")
                || said[3] == GOAWAY
                || said[3] == h2raw::SETTINGS,
            "{said:?}"
        );
    }
    assert!(recorder.log().requests.iter().all(|it| it.head.target() == "/serves"));
}
