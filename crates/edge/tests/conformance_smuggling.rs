//! What the edge makes of requests that recipients are known to read differently. No case may let a hidden request
//! through, and whatever arrives must have one meaning for every upstream (see `support/raw.rs`).
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
async fn lengths() {
    check(corpus::lengths()).await;
}

#[tokio::test]
async fn codings() {
    check(corpus::codings()).await;
}

#[tokio::test]
async fn fields() {
    check(corpus::fields()).await;
}

#[tokio::test]
async fn sequences() {
    check(corpus::sequences()).await;
}

#[tokio::test]
async fn sizes() {
    check(corpus::sizes()).await;
}

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
