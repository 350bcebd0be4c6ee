//! Transfer codings of answers that the edge does not know.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;
#[path = "support/evil.rs"]
mod evil;
#[path = "support/raw.rs"]
mod raw;

use evil::{Client, POISON, check};

/// Passed on without the coding it would be something else, and where it ends nobody knows.
#[tokio::test]
async fn codings_of_answers() {
    for bad in ["xchunked", "chunked, chunked", "identity", "chunked, gzip", "\"chunked\"", "\x0bchunked"] {
        let bytes =
            format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: {bad}\r\n\r\nfine{POISON}");
        check(bad, bytes, true, Client::BadGateway).await;
    }
}
