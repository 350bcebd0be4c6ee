//! An instance that answers wrongly, and the clients that must not suffer from it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use crate::raw::{Answer, Message, Recorder, Wire, show, soon};
use crate::support::{World, table};

/// What a client may get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Client {
    /// 502, with nothing of the instance's answer.
    BadGateway,
    /// 200 with this body.
    Gets(&'static str),
    /// One of the two.
    Either(&'static str),
    /// An answer that begins and visibly breaks off, or 502.
    BreaksOff,
}

/// Would be somebody else's answer.
pub const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned";

/// Sends GET /evil, which is answered with these bytes, and then a request of another client.
pub async fn check(name: &str, bytes: impl AsRef<[u8]>, close: bool, expect: Client) {
    let world = World::new().await;
    let bytes = bytes.as_ref().to_vec();
    let recorder = Recorder::answering(move |request: &Message| match request.head.target() {
        "/evil" => Answer { bytes: bytes.clone(), close },
        _ => Answer::summary(request),
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    client.send("GET /evil HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let answer = soon(name, async {
        loop {
            match client.try_response("GET").await {
                Ok(interim) if interim.head.status() < 200 => {}
                other => return other,
            }
        }
    })
    .await;
    let status = answer.as_ref().map(|it| it.head.status());
    let gets = |body: &str| answer.as_ref().is_ok_and(|it| it.head.status() == 200 && it.text() == body);
    let right = match expect {
        Client::BadGateway => status == Ok(502),
        Client::Gets(body) => gets(body),
        Client::Either(body) => status == Ok(502) || gets(body),
        Client::BreaksOff => status == Ok(502) || answer.is_err(),
    };
    assert!(right, "{name}: {answer:?}");
    if let Ok(answer) = &answer {
        for name in ["transfer-encoding", "content-length"] {
            assert!(answer.head.all(name).len() < 2, "{name}: {answer:?}");
        }
    }
    // Somebody else's request, and the same client's next one if the connection still stands.
    let mut other = Wire::connect(address).await;
    other.send("GET /other HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(other.response("GET").await.text(), "GET /other 0", "{name}");
    if !client.ended && client.try_send("GET /next HTTP/1.1\r\nHost: edge.test\r\n\r\n").await.is_ok() {
        match client.try_response("GET").await {
            Ok(next) => assert_eq!(next.text(), "GET /next 0", "{name}"),
            Err(why) => assert!(client.ended, "{name}: {why}, {}", show(&client.buffer)),
        }
    }
}

/// As `check`, for answers without a body.
pub async fn check_status(name: &str, bytes: String, close: bool, allowed: &[u16]) {
    let world = World::new().await;
    let recorder = Recorder::answering(move |request: &Message| match request.head.target() {
        "/evil" => Answer { bytes: bytes.clone().into_bytes(), close },
        _ => Answer::summary(request),
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", recorder.address())])).await;
    let mut client = Wire::connect(address).await;
    client.send("GET /evil HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
    let answer = client.response("GET").await;
    assert!(allowed.contains(&answer.head.status()), "{name}: {answer:?}");
    let mut other = Wire::connect(address).await;
    other.send("GET /other HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(other.response("GET").await.text(), "GET /other 0", "{name}");
    if !client.ended && client.try_send("GET /next HTTP/1.1\r\nHost: edge.test\r\n\r\n").await.is_ok() {
        match client.try_response("GET").await {
            Ok(next) => assert_eq!(next.text(), "GET /next 0", "{name}"),
            Err(why) => assert!(client.ended && client.buffer.is_empty(), "{name}: {why}"),
        }
    }
}
