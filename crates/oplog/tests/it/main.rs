//! The log from outside: constructors and fold, leases, going back, and what was ever stored.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commits;
mod fold;
mod going_back;
mod leases;
mod log;
mod properties;
mod samples;
