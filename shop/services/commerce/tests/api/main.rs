//! Commerce over HTTP, on a real PostgreSQL, against its contract.
#![expect(clippy::unwrap_used, reason = "what a test can't do without ends it")]

mod authorize;
mod cart;
mod catalogue;
mod contract;
mod imports;
mod jobs;
mod manage;
mod matrix;
mod media;
mod orders;
mod service;
mod shipments;
mod statements;
mod world;
