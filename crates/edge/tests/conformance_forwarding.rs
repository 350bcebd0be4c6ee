//! What reaches an instance and what reaches a client, byte for byte, with both ends driven by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::time::Duration;

use raw::{Answer, Message, Recorder, Wire};
use stage::Stage;
use support::{World, table};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// RFC 9110, 7.6.1: fields of one connection, and those that `Connection` names, go no further.
#[tokio::test]
async fn what_is_for_one_hop_stays_there() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) = stage
        .ask(
            "GET /a HTTP/1.1\r\nHost: edge.test\r\nConnection: keep-alive, X-Mine\r\nConnection: x-too\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: chat\r\nX-Mine: 1\r\nX-Too: 2\r\n\
             X-Theirs: 3",
        )
        .await;
    for name in ["keep-alive", "proxy-connection", "upgrade", "x-mine", "x-too"] {
        assert_eq!(head.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(head.one("x-theirs"), Some("3"));
    assert!(!head.list("connection").iter().any(|it| it.starts_with("x-")), "{head:?}");
    instance
        .send(
            "HTTP/1.1 200 OK\r\nConnection: X-Inner, keep-alive\r\nKeep-Alive: timeout=7\r\nX-Inner: 1\r\n\
             Proxy-Connection: x\r\nUpgrade: h2c\r\nX-Outer: 2\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
    let answer = client.response("GET").await;
    for name in ["keep-alive", "proxy-connection", "upgrade", "x-inner"] {
        assert_eq!(answer.head.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(answer.head.one("x-outer"), Some("2"));
    assert!(!answer.head.list("connection").contains(&"x-inner".into()), "{answer:?}");
}

/// RFC 9110, 10.1.4: `trailers` is what an edge can promise itself, and says so for its own connection.
#[tokio::test]
async fn te_is_answered_for_oneself() {
    for (sent, kept) in
        [("trailers", true), ("gzip, trailers", true), ("trailers;q=1", true), ("gzip", false)]
    {
        let stage = Stage::new().await;
        let (_client, _instance, head) =
            stage.ask(&format!("GET /a HTTP/1.1\r\nHost: edge.test\r\nConnection: TE\r\nTE: {sent}")).await;
        assert_eq!(head.one("te"), kept.then_some("trailers"), "{sent}");
        assert_eq!(head.list("connection").contains(&"te".into()), kept, "{sent}: {head:?}");
    }
}

/// What the client named as the host arrives as it was.
#[tokio::test]
async fn the_host_is_kept() {
    for host in ["edge.test", "Shop.Example:8443", "[::1]:80", "127.0.0.1"] {
        let stage = Stage::new().await;
        let (_client, _instance, head) = stage.ask(&format!("GET /a HTTP/1.1\r\nHost: {host}")).await;
        assert_eq!(head.one("host"), Some(host));
    }
}

/// RFC 9112, 3.2.2: what an absolute request target names replaces the `Host` field.
#[tokio::test]
async fn an_absolute_target_names_the_host() {
    let stage = Stage::new().await;
    let (_client, _instance, head) =
        stage.ask("GET http://edge.test:81/a?b HTTP/1.1\r\nHost: edge.test:81").await;
    assert_eq!((head.target(), head.one("host")), ("/a?b", Some("edge.test:81")));
}

/// Paths are passed on as they were written: nothing is decoded, collapsed or resolved. What servers behind the edge
/// would resolve differently is refused.
#[tokio::test]
async fn paths_are_not_touched() {
    let stage = Stage::new().await;
    for path in ["/a//b", "/a/./b", "/%41%2f", "/a;b=c", "/a?b=c&d=%26?/..", "/?", "//a", "/~"] {
        let mut client = stage.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")).await;
        let mut instance = stage.instance().await;
        assert_eq!(instance.head().await.target(), path);
    }
    for path in ["/a/%2e%2e/b", "/a/../b", "/a%00b", "/a/..%2fb", "/a\\b"] {
        let mut client = stage.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(client.response("GET").await.head.status(), 400, "{path}");
    }
}

/// Lines of a field that may not be joined are not, and their order stays.
#[tokio::test]
async fn lines_of_a_field_stay_lines() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) = stage
        .ask("GET /a HTTP/1.1\r\nHost: edge.test\r\nX-A: 1\r\nX-B: x\r\nX-A: 2\r\nX-A: 3, 4\r\nX-E:\r\nX-U: caf\u{e9}")
        .await;
    assert_eq!(head.all("x-a"), ["1", "2", "3, 4"]);
    assert_eq!(head.one("x-e"), Some(""));
    let cookies = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2, c\r\nSet-Cookie: a=3\r\n";
    instance.send(format!("HTTP/1.1 200 Fine\r\n{cookies}Content-Length: 0\r\n\r\n")).await;
    assert_eq!(client.response("GET").await.head.all("set-cookie"), ["a=1; Path=/", "b=2, c", "a=3"]);
}

/// RFC 9110, 6.6.1: an answer without a date gets one; one with a date keeps it.
#[tokio::test]
async fn answers_have_a_date() {
    let stage = Stage::new().await;
    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.1\r\nHost: edge.test").await;
    instance.send(OK).await;
    assert!(client.response("GET").await.head.one("date").is_some_and(|it| it.ends_with(" GMT")));
    client.send("GET /b HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    instance.head().await;
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    instance.send(format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(client.response("GET").await.head.one("date"), Some(date));
}

/// Whatever a client says about where it comes from, the edge says what it saw.
#[tokio::test]
async fn the_address_is_always_said() {
    let stage = Stage::new().await;
    let mut head = "GET /a HTTP/1.1\r\nHost: edge.test\r\n".to_owned();
    // Naming the edge's own fields in `Connection` must not remove them.
    head += "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Host";
    let (_client, _instance, head) = stage.ask(&head).await;
    assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.one("x-forwarded-proto"), Some("http"));
    assert_eq!(head.one("x-forwarded-host"), Some("edge.test"));
    assert_eq!(head.one("host"), Some("edge.test"));
}

/// An answer to HEAD says how long it would be, and the connection goes on.
#[tokio::test]
async fn head_has_no_body() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) = stage.ask("HEAD /a HTTP/1.1\r\nHost: edge.test").await;
    assert_eq!(head.method(), "HEAD");
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n").await;
    let answer = client.response("HEAD").await;
    assert_eq!(answer.head.one("content-length"), Some("5000"));
    client.send("HEAD /b HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    instance.head().await;
    instance.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.response("HEAD").await.head.status(), 200);
    client.send("GET /c HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    instance.head().await;
    instance.send(OK).await;
    assert_eq!(client.response("GET").await.text(), "ok");
}

/// 204 and 304 end with their head, on the same connections.
#[tokio::test]
async fn answers_without_a_body() {
    let stage = Stage::new().await;
    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.1\r\nHost: edge.test").await;
    instance.send("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n").await;
    let answer = client.response("GET").await;
    assert_eq!((answer.head.status(), answer.head.one("x-a")), (204, Some("1")));
    client.send("GET /b HTTP/1.1\r\nHost: edge.test\r\nIf-None-Match: \"x\"\r\n\r\n").await;
    instance.head().await;
    instance.send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n").await;
    let answer = client.response("GET").await;
    assert_eq!((answer.head.status(), answer.head.one("etag")), (304, Some("\"x\"")));
    client.send("DELETE /c HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    assert_eq!(instance.request().await.summary(), "DELETE /c 0");
    instance.send(OK).await;
    assert_eq!(client.response("DELETE").await.text(), "ok");
}

/// Trailers of requests and of answers.
#[tokio::test]
async fn trailers_both_ways() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    client
        .send(
            "POST /a HTTP/1.1\r\nHost: edge.test\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await;
    let mut instance = stage.instance().await;
    let request = instance.request().await;
    assert_eq!(request.body, b"hello");
    assert_eq!(request.trailers.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["7"], "{request:?}");
    instance
        .send(
            "HTTP/1.1 200 OK\r\nTrailer: Grpc-Status\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\
             Grpc-Status: 0\r\n\r\n",
        )
        .await;
    let answer = client.response("POST").await;
    assert_eq!(answer.body, b"ok");
    assert_eq!(answer.trailers.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["0"], "{answer:?}");
}

/// Each piece goes on when it comes, in both directions, whatever its framing.
#[tokio::test]
async fn nothing_is_held_back() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut instance = stage.instance().await;
    instance.head().await;
    for number in 0..10 {
        let piece = format!("piece {number}");
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        instance.until(piece.as_bytes()).await;
    }
    client.send("0\r\n\r\n").await;
    instance.until(b"0\r\n\r\n").await;
    instance.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    for number in 0..10 {
        let piece = format!("data: {number}\n\n");
        instance.send(&piece).await;
        client.until(piece.as_bytes()).await;
    }
    drop(instance);
    // The body ended with the connection of the instance; for the client it ends with a last chunk.
    client.until(b"\r\n0\r\n\r\n").await;
}

/// Pipelined requests are answered in their order, bodies and all.
#[tokio::test]
async fn twenty_pipelined_requests() {
    let world = World::new().await;
    let recorder = Recorder::new().await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    let requests: String = (0..20)
        .map(|number| match number % 3 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: edge.test\r\n\r\n"),
            1 => format!("POST /{number} HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 3\r\n\r\nabc"),
            _ => format!(
                "PUT /{number} HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
            ),
        })
        .collect();
    // Cut in the middle of everything.
    for piece in requests.as_bytes().chunks(7) {
        client.send(piece).await;
    }
    for number in 0..20 {
        let expected = match number % 3 {
            0 => format!("GET /{number} 0"),
            1 => format!("POST /{number} 3"),
            _ => format!("PUT /{number} 1"),
        };
        assert_eq!(client.response("GET").await.text(), expected);
    }
    assert_eq!(recorder.summaries().len(), 20);
}

/// HTTP/1.0 knows no chunks and no connection that stays unasked.
#[tokio::test]
async fn clients_of_the_old_version() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) = stage.ask("GET /a HTTP/1.0\r\nHost: edge.test").await;
    assert!(head.start.ends_with(" HTTP/1.1"), "{head:?}");
    instance.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    let answer = client.response("GET").await;
    assert_eq!(answer.head.all("transfer-encoding"), Vec::<&str>::new());
    assert_eq!(answer.text(), "hello");
    assert!(client.ended);

    let (mut client, mut instance, _) =
        stage.ask_again("GET /b HTTP/1.0\r\nHost: edge.test\r\nConnection: keep-alive", instance).await;
    instance.send(OK).await;
    let answer = client.response("GET").await;
    assert!(answer.head.list("connection").contains(&"keep-alive".into()), "{answer:?}");
    client.send("GET /c HTTP/1.0\r\nHost: edge.test\r\n\r\n").await;
    instance.head().await;
    instance.send(OK).await;
    assert_eq!(client.response("GET").await.text(), "ok");
    assert_eq!(client.rest().await, b"");
}

/// An instance that speaks HTTP/1.0 or ends its connection does not end the client's.
#[tokio::test]
async fn the_ends_of_connections_are_not_passed_on() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for answer in [
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
        OK,
    ] {
        client.send("GET /a HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
        let mut instance = stage.instance().await;
        instance.head().await;
        instance.send(answer).await;
        instance.finish().await;
        let got = client.response("GET").await;
        assert_eq!(got.text(), "ok", "{answer}");
        assert!(!got.head.list("connection").contains(&"close".into()), "{got:?}");
        // It is over for the edge as well.
        assert_eq!(instance.rest().await, b"");
    }
}

/// `Connection: close` of the client ends the client's connection and no other.
#[tokio::test]
async fn a_client_that_wants_to_close() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) =
        stage.ask("GET /a HTTP/1.1\r\nHost: edge.test\r\nConnection: close").await;
    assert!(!head.list("connection").contains(&"close".into()), "{head:?}");
    instance.send(OK).await;
    let answer = client.response("GET").await;
    assert!(answer.head.list("connection").contains(&"close".into()), "{answer:?}");
    assert_eq!(client.rest().await, b"");
    let (mut client, mut instance, _) = stage.ask_again("GET /b HTTP/1.1\r\nHost: edge.test", instance).await;
    instance.send(OK).await;
    assert_eq!(client.response("GET").await.text(), "ok");
}

/// What an instance answers before it has read the request is the answer, even if it then hangs up.
#[tokio::test]
async fn an_early_answer() {
    for hangs_up in [false, true] {
        let stage = Stage::new().await;
        let (mut client, mut instance, _) =
            stage.ask("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 100000000").await;
        client.send(vec![7; 64 * 1024]).await;
        instance.exactly(1024).await;
        instance.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch").await;
        if hangs_up {
            instance.finish().await;
        }
        let answer = client.response("POST").await;
        assert_eq!((answer.head.status(), answer.text().as_str()), (413, "much"));
    }
}

/// `OPTIONS *` is about the server behind.
#[tokio::test]
async fn options_of_everything() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) = stage.ask("OPTIONS * HTTP/1.1\r\nHost: edge.test").await;
    assert_eq!(head.start, "OPTIONS * HTTP/1.1");
    instance.send("HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n").await;
    assert_eq!(client.response("OPTIONS").await.head.one("allow"), Some("GET"));
}

/// A request that may not be sent twice is not, and its client learns it.
#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let world = World::new().await;
    let recorder = Recorder::answering(|request: &Message| match request.head.method() {
        "POST" => Answer::last(""),
        _ => Answer::summary(request),
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    client.send("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.response("POST").await.head.status(), 502);
    assert_eq!(recorder.summaries(), ["POST /a 3"]);
}

/// An instance that takes a request and says nothing.
#[tokio::test]
async fn an_instance_that_does_not_answer() {
    let stage =
        Stage::with(|_| {}, |table| table.services.get_mut("web").unwrap().timeouts.header_ms = 100).await;
    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.1\r\nHost: edge.test").await;
    assert_eq!(client.response("GET").await.head.status(), 504);
    // Nor does anybody wait for it any longer.
    assert_eq!(instance.rest().await, b"");
}

/// Bytes of an upgraded connection, in every possible piece.
#[tokio::test]
async fn websocket_frames_in_pieces() {
    let stage = Stage::new().await;
    let (mut client, mut instance, head) = stage
        .ask(
            "GET /ws HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        .await;
    assert!(head.list("connection").contains(&"upgrade".into()), "{head:?}");
    assert_eq!(head.one("upgrade"), Some("websocket"));
    assert_eq!(head.one("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    // The instance is quick: its first frame comes with its answer.
    instance
        .send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05hello",
        )
        .await;
    let answer = client.head().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.one("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.exactly(7).await, b"\x81\x05hello");
    // A message of three fragments with a ping between them, masked, and a frame with a length of 16 bits.
    let mut frames: Vec<u8> = Vec::new();
    let mut frame = |first: u8, payload: &[u8]| {
        frames.push(first);
        match u8::try_from(payload.len()) {
            Ok(short @ 0..=125) => frames.push(0x80 | short),
            _ => {
                frames.push(0x80 | 126);
                frames.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frames.extend_from_slice(&[1, 2, 3, 4]);
        frames.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
    };
    frame(0x01, b"hel");
    frame(0x89, b"ping");
    frame(0x00, b"lo ");
    frame(0x80, b"there");
    frame(0x82, &[7; 300]);
    for size in [1, 2, 3, 5, 64] {
        for piece in frames.chunks(size) {
            client.send(piece).await;
        }
        assert_eq!(instance.exactly(frames.len()).await, frames);
    }
    for piece in b"\x01\x03hel\x8a\x04ping\x00\x03lo \x80\x05there".chunks(2) {
        instance.send(piece).await;
    }
    assert_eq!(client.exactly(23).await, b"\x01\x03hel\x8a\x04ping\x00\x03lo \x80\x05there");
    // A close is passed on and answered by the other side.
    client.send(b"\x88\x82\x00\x00\x00\x00\x03\xe8").await;
    instance.exactly(8).await;
    instance.send(b"\x88\x02\x03\xe8").await;
    instance.finish().await;
    assert_eq!(client.rest().await, b"\x88\x02\x03\xe8");
}

/// A refused upgrade leaves an HTTP connection on which every request finds its own way. A proxy that took the
/// connection for a tunnel would pass on what no route allows.
#[tokio::test]
async fn a_refused_upgrade_is_no_tunnel() {
    let stage = Stage::with(|_| {}, |table| table.routes[0].path = "/ws".into()).await;
    for answer in
        ["HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n", OK]
    {
        let mut client = stage.client().await;
        let upgrade = "GET /ws HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client
            .send(format!("{upgrade}GET /private HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"))
            .await;
        let mut instance = stage.instance().await;
        instance.head().await;
        instance.send(answer).await;
        instance.finish().await;
        assert!([200, 426].contains(&client.response("GET").await.head.status()));
        // Not allowed, and the instance never hears of it. Or the connection ends, which is safe as well.
        if let Ok(answer) = client.try_response("GET").await {
            assert_eq!(answer.head.status(), 404);
        }
        assert_eq!(instance.rest().await, b"");
    }
}

/// How much a sender can get rid of while nobody takes it: what the buffers of the system hold, and no more.
async fn sendable(wire: &mut Wire, piece: &[u8]) -> usize {
    let mut sent = 0;
    while sent < 256 * 1024 * 1024 {
        match tokio::time::timeout(Duration::from_millis(500), wire.try_send(piece)).await {
            Ok(done) => done.unwrap(),
            Err(_) => return sent,
        }
        sent += piece.len();
    }
    sent
}

/// A side that does not read holds back the other one; the edge keeps next to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_is_waited_for() {
    let stage = Stage::new().await;
    let (mut client, mut instance, _) =
        stage.ask("POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 1000000000").await;
    let sent = sendable(&mut client, &[7; 256 * 1024]).await;
    assert!(sent < 48 * 1024 * 1024, "the edge took {sent} bytes that nobody read");
    drop(client);
    instance.rest().await;

    let (mut client, mut instance, _) = stage.ask("GET /a HTTP/1.1\r\nHost: edge.test").await;
    instance.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    let sent = sendable(&mut instance, &[7; 256 * 1024]).await;
    assert!(sent < 48 * 1024 * 1024, "the edge took {sent} bytes that nobody read");
    client.head().await;
    client.exactly(sent).await;
}
