//! What the edge makes of instances that answer wrongly: clients get a sound answer or a plain end, and nobody gets
//! what was meant for somebody else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/evil.rs"]
mod evil;
#[path = "support/raw.rs"]
mod raw;
mod support;

use evil::{Client, POISON, check, check_status};
use raw::{Answer, Message, Recorder, Wire};
use support::{World, table};

#[tokio::test]
async fn sound_answers() {
    check("length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", false, Client::Gets("fine")).await;
    check(
        "chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
        false,
        Client::Gets("fine"),
    )
    .await;
    check("to the end", "HTTP/1.1 200 OK\r\n\r\nfine", true, Client::Gets("fine")).await;
    check("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nfine", true, Client::Gets("fine")).await;
    check(
        "HTTP/1.0 with a length",
        "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine",
        true,
        Client::Gets("fine"),
    )
    .await;
    check("no reason", "HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nfine", false, Client::Gets("fine")).await;
    check(
        "no reason and no space",
        "HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nfine",
        false,
        Client::Either("fine"),
    )
    .await;
    check(
        "extension",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nfine\r\n0\r\n\r\n",
        false,
        Client::Gets("fine"),
    )
    .await;
    check(
        "interim answers",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
        false,
        Client::Gets("fine"),
    )
    .await;
}

#[tokio::test]
async fn lengths_that_contradict() {
    let two = |a: &str, b: &str| format!("HTTP/1.1 200 OK\r\n{a}\r\n{b}\r\n\r\nfine{POISON}");
    check("two lengths", two("Content-Length: 4", "Content-Length: 69"), true, Client::BadGateway).await;
    check(
        "two lengths, longer first",
        two("Content-Length: 69", "Content-Length: 4"),
        true,
        Client::BadGateway,
    )
    .await;
    check("list of lengths", two("X: y", "Content-Length: 4, 69"), true, Client::BadGateway).await;
    check("same length twice", two("Content-Length: 4", "Content-Length: 4"), true, Client::Either("fine"))
        .await;
    for bad in ["+4", "-4", "0x4", "4x", "4 4", "\"4\"", "", "4,", "18446744073709551620"] {
        check(bad, two("X: y", &format!("Content-Length: {bad}")), true, Client::BadGateway).await;
    }
    // RFC 9112, 6.3: ought to be handled as an error.
    let body = format!("4\r\nfine\r\n0\r\n\r\n{POISON}");
    let both = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    check("length and chunks", both, true, Client::Either("fine")).await;
}

/// Passed on without the coding it would be something else, and where it ends nobody knows.
#[tokio::test]
async fn codings_of_answers() {
    for bad in ["xchunked", "chunked, chunked", "identity", "chunked, gzip", "\"chunked\"", "\x0bchunked"] {
        let bytes =
            format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: {bad}\r\n\r\nfine{POISON}");
        check(bad, bytes, true, Client::BadGateway).await;
    }
}

#[tokio::test]
async fn heads_that_are_none() {
    let with = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 4\r\n\r\nfine");
    for bad in ["X : y", " X: y", "X", ": y", "X Y: z", "X: a\0b", "X: a\rb", "X\u{1}: y"] {
        check(bad, with(bad), true, Client::BadGateway).await;
    }
    for bad in [
        "",
        "\r\n\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
    ] {
        check(bad, bad, true, Client::BadGateway).await;
    }
}

#[tokio::test]
async fn bodies_that_break() {
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    for bad in [
        "4\r\nfineX\r\n0\r\n\r\n",
        "Z\r\nfine\r\n0\r\n\r\n",
        "4\nfine\n0\n\n",
        "-4\r\nfine\r\n0\r\n\r\n",
        "10000000000000004\r\nfine\r\n0\r\n\r\n",
        "4\r\nfine\r\n0\r\nX\r\n\r\n",
        "4\r\nfine\r\n",
        "4\r\nfi",
        "",
        "4\r\nfine\r\n0\r\n",
    ] {
        check(bad, chunked(bad), true, Client::BreaksOff).await;
    }
    check("too short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine", true, Client::BreaksOff).await;
}

/// What comes after the end of an answer is nobody's answer, and nothing that an instance says unasked is one.
#[tokio::test]
async fn bytes_after_the_end() {
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n";
    for close in [false, true] {
        check("an answer after it", format!("{fine}{POISON}"), close, Client::Gets("fine")).await;
        check("an answer after chunks", format!("{chunks}{POISON}"), close, Client::Gets("fine")).await;
        check("two answers after it", format!("{fine}{POISON}{POISON}"), close, Client::Gets("fine")).await;
        check("bytes after it", format!("{fine}more"), close, Client::Gets("fine")).await;
        check("a line after it", format!("{fine}\r\n"), close, Client::Gets("fine")).await;
        let none = format!("HTTP/1.1 204 No Content\r\nContent-Length: 65\r\n\r\n{POISON}");
        check_status("204 with a body", none, close, &[204, 502]).await;
        let unchanged = format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 65\r\n\r\n{POISON}");
        check_status("304 with a body", unchanged, close, &[304, 502]).await;
        let none = format!(
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n{POISON}"
        );
        check_status("204 with chunks", none, close, &[204, 502]).await;
    }
}

/// The answer to a HEAD has no body, whatever the instance sends.
#[tokio::test]
async fn a_body_for_a_head() {
    let world = World::new().await;
    let recorder = Recorder::answering(|request: &Message| match request.head.method() {
        "HEAD" => Answer::bytes(POISON),
        _ => Answer::summary(request),
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    client.send("HEAD /evil HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let answer = client.response("HEAD").await;
    assert_eq!(answer.head.status(), 200);
    assert_eq!(answer.head.one("content-length"), Some("8"));
    client.send("GET /next HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    assert_eq!(client.response("GET").await.text(), "GET /next 0");
}

#[tokio::test]
async fn too_much() {
    let many: String = (0..20_000).map(|number| format!("X-{number}: y\r\n")).collect();
    check(
        "many fields",
        format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 4\r\n\r\nfine"),
        true,
        Client::BadGateway,
    )
    .await;
    let long = "a".repeat(2_000_000);
    check(
        "a long field",
        format!("HTTP/1.1 200 OK\r\nX: {long}\r\nContent-Length: 4\r\n\r\nfine"),
        true,
        Client::BadGateway,
    )
    .await;
    check(
        "a long reason",
        format!("HTTP/1.1 200 {long}\r\nContent-Length: 4\r\n\r\nfine"),
        true,
        Client::BadGateway,
    )
    .await;
    let extension =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;{long}\r\nfine\r\n0\r\n\r\n");
    check("a long extension", extension, true, Client::BreaksOff).await;
}

/// Interim answers without end are an instance that does not answer.
#[tokio::test]
async fn interim_answers_without_end() {
    let flood = "HTTP/1.1 102 Processing\r\nX: y\r\n\r\n".repeat(20_000);
    check("flood", flood, true, Client::BadGateway).await;
}

/// 101 that nobody asked for must not turn the connection into a tunnel.
#[tokio::test]
async fn an_upgrade_unasked() {
    let bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n{POISON}"
    );
    check("unasked", bytes, false, Client::BadGateway).await;
}

/// An instance that speaks first says nothing that is an answer to anybody.
#[tokio::test]
async fn an_answer_before_the_request() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = world.apply(&table(1, &[("web-1", listener.local_addr().unwrap())])).await;
    let instance = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.push(tokio::spawn(async move {
                let mut wire = Wire::new(stream);
                // Answers, and then goes on talking on the idle connection.
                let request = wire.request().await;
                let _ = wire.try_send(Answer::summary(&request).bytes).await;
                let _ = wire.try_send(POISON).await;
                while !wire.ended {
                    wire.fill().await;
                }
            }));
        }
    });
    for number in 0..20 {
        let mut client = Wire::connect(address).await;
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: edge.test\r\n\r\n")).await;
        assert_eq!(client.response("GET").await.text(), format!("GET /{number} 0"));
    }
    instance.abort();
}
