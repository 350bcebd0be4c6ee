//! Commerce over HTTP, on a real PostgreSQL, against its contract.

mod authorize;
mod catalogue;
mod contract;
mod manage;
mod world;
