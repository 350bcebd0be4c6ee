//! The agent, the edge, real processes and a real PostgreSQL, through the client.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod conformance;
mod crashes;
mod housekeeping;
mod programs;
mod releases;
mod support;
mod traffic;
mod upgrades;
