//! The store on its backends. One binary, because the S3 protocol takes its time to link.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what cannot be")]

mod killed;
mod network;
mod promises;
mod support;
