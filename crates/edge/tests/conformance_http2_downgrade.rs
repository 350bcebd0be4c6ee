//! From HTTP/2 to HTTP/1.1: what is written behind the edge has one meaning there.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/h2raw.rs"]
mod h2raw;
#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::net::SocketAddr;

use h2raw::{
    Answer, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, Http2, block, fields, headers,
};
use raw::{Message, Recorder};
use stage::Stage;
use support::{World, table};

async fn recording() -> (World, Recorder, SocketAddr) {
    let world = World::new().await;
    let recorder = Recorder::new().await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    (world, recorder, address)
}

/// What HTTP/1.1 behind the edge is told about a request of HTTP/2.
#[tokio::test]
async fn what_becomes_of_a_request() {
    let stage = Stage::new().await;
    let mut client = Http2::connect(stage.address).await;
    let more = [
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("te", "trailers"),
        ("x-a", "1"),
        ("x-a", "2"),
        ("user-agent", "me"),
    ];
    client.send(headers(1, END_STREAM, &fields("GET", "/a?b=%2f", &more))).await;
    let mut instance = stage.instance().await;
    let request = instance.request().await;
    assert_eq!(request.head.start, "GET /a?b=%2f HTTP/1.1");
    assert_eq!(request.head.one("host"), Some("edge.test"));
    // RFC 9113, 8.2.3: one line again.
    assert_eq!(request.head.one("cookie"), Some("a=1; b=2"));
    assert_eq!(request.head.all("x-a"), ["1", "2"]);
    assert_eq!(request.head.one("te"), Some("trailers"));
    assert_eq!(request.head.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.head.one("x-forwarded-proto"), Some("http"));
    let mut answer =
        "HTTP/1.1 200 OK\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\n".to_owned();
    answer += "Transfer-Encoding: chunked\r\nUpgrade: h2c\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    instance.send(answer).await;
    assert_eq!(client.answer(1).await, Answer::Status(200));
    let mut body = Vec::new();
    loop {
        let frame = client.next().await.unwrap();
        if frame.stream == 1 && frame.kind == DATA {
            body.extend_from_slice(&frame.payload);
        }
        if frame.stream == 1 && frame.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(body, b"ok");
}

/// What would be another request once it is written as HTTP/1.1 is refused, and the connection of everybody else's
/// streams goes on or ends; nothing of it arrives.
#[tokio::test]
async fn nothing_is_injected() {
    let (_world, recorder, address) = recording().await;
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: edge.test\r\n\r\n";
    let ended = format!("x\r\n\r\n{hidden}");
    let plain = |more: &[(&'static str, &'static str)]| {
        fields("POST", "/in", more)
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    let with = |name: &str, value: &str| {
        let mut all = plain(&[]);
        all.push((name.to_owned(), value.to_owned()));
        all
    };
    let instead = |name: &str, value: &str| {
        plain(&[])
            .into_iter()
            .map(|it| if it.0 == name { (it.0, value.to_owned()) } else { it })
            .collect::<Vec<_>>()
    };
    let without = |name: &str| plain(&[]).into_iter().filter(|it| it.0 != name).collect::<Vec<_>>();
    let twice = |name: &str| {
        let mut all = plain(&[]);
        all.insert(1, plain(&[]).into_iter().find(|it| it.0 == name).unwrap());
        all
    };
    let mut late = plain(&[]);
    late.insert(0, ("x-a".to_owned(), "1".to_owned()));
    let cases: Vec<(&str, Vec<(String, String)>)> = vec![
        ("CRLF in a value", with("x-a", "1\r\nx-b: 2")),
        ("LF in a value", with("x-a", "1\nx-b: 2")),
        ("CR in a value", with("x-a", "1\rx-b: 2")),
        ("NUL in a value", with("x-a", "1\x002")),
        ("a request in a value", with("x-a", &ended)),
        ("CRLF in a name", with("x-a: 1\r\nx-b", "2")),
        ("colon in a name", with("x:a", "1")),
        ("space in a name", with("x a", "1")),
        ("upper case name", with("X-A", "1")),
        ("no name", with("", "1")),
        ("only a colon", with(":", "1")),
        ("NUL in a name", with("x\0a", "1")),
        ("byte above 127 in a name", with("x\u{e9}", "1")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("transfer-encoding of identity", with("transfer-encoding", "identity")),
        ("connection", with("connection", "keep-alive")),
        ("connection names a field", with("connection", "x-forwarded-for")),
        ("keep-alive", with("keep-alive", "timeout=5")),
        ("proxy-connection", with("proxy-connection", "close")),
        ("upgrade", with("upgrade", "websocket")),
        ("te of chunked", with("te", "chunked")),
        ("te of trailers and more", with("te", "trailers, chunked")),
        (
            "content-length twice",
            [with("content-length", "0"), vec![("content-length".to_owned(), "44".to_owned())]].concat(),
        ),
        ("content-length is no number", with("content-length", "+0")),
        ("content-length too large", with("content-length", "18446744073709551616")),
        ("content-length empty", with("content-length", "")),
        ("content-length is more than comes", with("content-length", "44")),
        (
            "CRLF in the method",
            instead(":method", &format!("GET /a HTTP/1.1\r\nHost: edge.test\r\n\r\n{hidden}")),
        ),
        ("space in the method", instead(":method", "GET /smuggled HTTP/1.1")),
        ("no method's text", instead(":method", "")),
        ("CRLF in the path", instead(":path", "/a HTTP/1.1\r\nHost: edge.test\r\n\r\nGET /smuggled")),
        ("space in the path", instead(":path", "/smuggled HTTP/1.1")),
        ("tab in the path", instead(":path", "/a\tb")),
        ("NUL in the path", instead(":path", "/a\0b")),
        ("empty path", instead(":path", "")),
        ("path is a word", instead(":path", "smuggled")),
        ("path is absolute", instead(":path", "http://evil.test/smuggled")),
        ("CRLF in the authority", instead(":authority", "edge.test\r\nx-b: 2")),
        ("space in the authority", instead(":authority", "edge.test evil.test")),
        ("user in the authority", instead(":authority", "user@edge.test")),
        ("path in the authority", instead(":authority", "edge.test/smuggled")),
        ("CRLF in the scheme", instead(":scheme", "http\r\nx-b: 2")),
        ("a path in the scheme", instead(":scheme", "http://edge.test/smuggled?")),
        ("another host", with("host", "evil.test")),
        ("two methods", twice(":method")),
        ("two paths", twice(":path")),
        ("two authorities", twice(":authority")),
        ("two schemes", twice(":scheme")),
        ("no method", without(":method")),
        ("no path", without(":path")),
        ("no scheme", without(":scheme")),
        ("unknown pseudo-header", with(":x", "1")),
        ("pseudo-header of answers", with(":status", "200")),
        ("pseudo-header after another field", late),
    ];
    let mut accepted = Vec::new();
    for (name, case) in &cases {
        let mut client = Http2::connect(address).await;
        // As bytes: some of these are no text.
        let bytes: Vec<(Vec<u8>, Vec<u8>)> =
            case.iter().map(|(name, value)| (latin(name), latin(value))).collect();
        client.send(Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, block(&bytes))).await;
        let answer = client.answer(1).await;
        let refused = match answer {
            Answer::Status(status) => (400..500).contains(&status) || status == 501,
            Answer::Reset(_) | Answer::Gone(_) => true,
        };
        if !refused {
            accepted.push(format!("{name}: {answer:?}"));
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
    let log = recorder.log();
    assert_eq!(log.requests.iter().map(Message::summary).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(log.violations, Vec::<String>::new());
}

/// A WebSocket's request (RFC 8441) is held to the same rules as any other before it becomes one of HTTP/1.1.
#[tokio::test]
async fn a_connect_is_a_request_like_others() {
    let (_world, recorder, address) = recording().await;
    let connect = |more: &[(&str, &str)], authority: &str| {
        let mut all: Vec<(String, String)> = vec![
            (":method".into(), "CONNECT".into()),
            (":protocol".into(), "websocket".into()),
            (":scheme".into(), "http".into()),
            (":authority".into(), authority.into()),
            (":path".into(), "/ws".into()),
            ("sec-websocket-version".into(), "13".into()),
        ];
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    };
    let names: Vec<String> = (0..130).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let cases = [
        ("another host", connect(&[("host", "evil.test")], "edge.test"), 400),
        ("a user in the authority", connect(&[], "user@edge.test"), 400),
        ("too many fields", connect(&many, "edge.test"), 431),
        (
            "another protocol",
            {
                let mut all = connect(&[], "edge.test");
                all[1].1 = "connect-udp".into();
                all
            },
            405,
        ),
    ];
    for (name, case, status) in cases {
        let mut client = Http2::connect(address).await;
        client.send(Frame::new(HEADERS, END_HEADERS, 1, block(&case))).await;
        assert_eq!(client.answer(1).await, Answer::Status(status), "{name}");
    }
    assert_eq!(recorder.summaries(), Vec::<String>::new());
    // Cookies that came in pieces are one line for the instance.
    let stage = Stage::new().await;
    let mut client = Http2::connect(stage.address).await;
    let good = connect(&[("cookie", "a=1"), ("cookie", "b=2")], "edge.test");
    client.send(Frame::new(HEADERS, END_HEADERS, 1, block(&good))).await;
    let mut instance = stage.instance().await;
    let arrived = instance.head().await;
    assert_eq!(arrived.start, "GET /ws HTTP/1.1");
    assert_eq!(arrived.all("cookie"), ["a=1; b=2"]);
}

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|it| u8::try_from(u32::from(it)).unwrap()).collect()
}

/// Trailers may not change what came before them.
#[tokio::test]
async fn trailers_are_only_trailers() {
    let (_world, recorder, address) = recording().await;
    let bad: [&[(&str, &str)]; 5] = [
        &[("transfer-encoding", "chunked")],
        &[("connection", "close")],
        &[("x-a", "1\r\n\r\nGET /smuggled HTTP/1.1")],
        &[("X-A", "1")],
        &[("x a", "1")],
    ];
    for trailers in bad {
        let mut client = Http2::connect(address).await;
        client.send(headers(1, 0, &fields("POST", "/in", &[]))).await;
        client.send(Frame::new(DATA, 0, 1, "hello")).await;
        client.send(Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, block(trailers))).await;
        let answer = client.answer(1).await;
        assert!(!matches!(answer, Answer::Status(200..=299)), "{trailers:?}: {answer:?}");
    }
    // These may also be left out.
    for trailers in [[("content-length", "3")], [("host", "evil.test")], [(":path", "/smuggled")]] {
        let mut client = Http2::connect(address).await;
        client.send(headers(1, 0, &fields("POST", "/in", &[]))).await;
        client.send(Frame::new(DATA, 0, 1, "hello")).await;
        client.send(Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, block(&trailers))).await;
        client.answer(1).await;
    }
    let log = recorder.log();
    assert!(log.requests.iter().all(|it| it.summary() == "POST /in 5"), "{log:?}");
    assert_eq!(log.violations, Vec::<String>::new());
}

/// Header blocks that are small on the wire and large in memory, and those that are simply large.
#[tokio::test]
async fn large_header_blocks() {
    let (_world, recorder, address) = recording().await;
    // A field of 4,000 bytes enters the table and is then named by one byte, 16,000 times: 64 MB.
    let mut bomb = block(&fields("GET", "/bomb", &[]));
    bomb.extend([0x40, 1, b'x']);
    bomb.extend(h2raw::integer(0, 7, 4_000));
    bomb.extend(vec![b'a'; 4_000]);
    bomb.resize(bomb.len() + 12_000, 0xbe);
    let mut client = Http2::connect(address).await;
    client.send(Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)).await;
    let answer = client.answer(1).await;
    assert!(matches!(answer, Answer::Status(431) | Answer::Reset(_) | Answer::Gone(_)), "{answer:?}");
    let mut client = Http2::connect(address).await;
    let many: Vec<(String, String)> =
        (0..1_000).map(|number| (format!("x-{number}"), "y".to_owned())).collect();
    let all = [block(&fields("GET", "/many", &[])), block(&many)].concat();
    client.send(Frame::new(HEADERS, END_STREAM, 1, &all[..all.len() / 2])).await;
    client.send(Frame::new(CONTINUATION, END_HEADERS, 1, &all[all.len() / 2..])).await;
    let answer = client.answer(1).await;
    assert!(matches!(answer, Answer::Status(431) | Answer::Reset(_) | Answer::Gone(_)), "{answer:?}");
    assert_eq!(recorder.summaries(), Vec::<String>::new());
}
