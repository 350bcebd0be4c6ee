//! What every service of the shop shares: settings, errors, request ids, health, tokens, shutdown.
//!
//! A service is a router and a few settings; everything around them is here, once, so that the services
//! look alike from outside:
//!
//! * [`program`] reads the subcommand (`serve`, `migrate`, `seed`, `settings`), starts logging and turns a failure into
//!   one readable line and an exit code.
//! * [`settings`] reads the environment as a value, variable by declared variable; nothing else looks at the process
//!   environment.
//! * [`layers::dress`] puts the same coat on every router: request id, error envelope, caught panics, one
//!   log line per request, `/health` and `/ready`.
//! * [`metrics`] counts requests and serves the numbers on a port and a thread of their own.
//! * [`server`] accepts connections until it is told to stop, then finishes what is in flight.
//! * [`error::ApiError`] keeps two messages: what the client may know and what the log line knows.
//! * [`token`] signs and verifies the access token that identity issues and everybody else reads.
//! * [`contract`] reads which operations an OpenAPI file declares; routing and honest 501s come from it.
//! * [`list::List`] reads a page of a table, at a cost that does not grow with the table.
//! * [`routes::Routes`] binds handlers to operations by their id, so that paths stand in the contract only.
//!
//! The `testing` feature adds a private PostgreSQL per test process and a small HTTP client.

pub mod client;
pub mod contract;
pub mod database;
pub mod error;
pub mod extract;
pub mod health;
pub mod layers;
pub mod list;
pub mod metrics;
pub mod program;
pub mod routes;
pub mod server;
pub mod settings;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod wire;

pub use error::{ApiError, ApiResult};
pub use server::Shutdown;
