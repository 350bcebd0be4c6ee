//! The certificates of an edge as its clients, its files and its ACME servers see them.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod acme;
mod files;
mod interop;
mod local;
mod serving;
mod sharing;
mod support;
