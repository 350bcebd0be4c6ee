//! Identity over HTTP, on a real PostgreSQL, against its contract.

mod access;
mod contract;
mod flags;
mod login;
mod me;
mod mini;
mod world;
