//! More requests that recipients are known to read differently: see `conformance_smuggling.rs`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/front.rs"]
mod front;
#[path = "support/raw.rs"]
mod raw;
mod support;
#[path = "support/through.rs"]
mod through;

use through::check;

#[tokio::test]
async fn chunks() {
    check(corpus::chunks()).await;
}

#[tokio::test]
async fn hosts() {
    check(corpus::hosts()).await;
}

#[tokio::test]
async fn request_lines() {
    check(corpus::lines()).await;
}
