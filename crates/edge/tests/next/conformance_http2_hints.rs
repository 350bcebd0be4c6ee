//! Interim answers on streams of HTTP/2. The library that serves HTTP/2 cannot send them so far.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/h2raw.rs"]
mod h2raw;
#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use h2raw::{Answer, END_STREAM, HEADERS, Http2, fields, headers};
use stage::Stage;

/// Interim answers on a stream.
#[tokio::test]
async fn hints_on_a_stream() {
    let stage = Stage::new().await;
    let mut client = Http2::connect(stage.address).await;
    client.send(headers(1, END_STREAM, &fields("GET", "/a", &[]))).await;
    let mut instance = stage.instance().await;
    instance.request().await;
    instance.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
    let hint = loop {
        let frame = client.next().await.unwrap();
        if frame.kind == HEADERS {
            break frame;
        }
    };
    assert_eq!((h2raw::status(&hint.payload), hint.flags & END_STREAM), (103, 0));
    instance.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.answer(1).await, Answer::Status(204));
}
