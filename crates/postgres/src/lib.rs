//! PostgreSQL as a resource: a private cluster or an existing server, and a database and login for each service.
//!
//! # Design
//!
//! A [`Server`] is something one can log in to as an administrator. It comes from a private [`Cluster`], which this
//! crate creates and runs from the binaries that are installed, or from a URL ([`Server::connect_existing`]). On either,
//! [`Server::ensure_database`] gives each service of each environment a database and a login of its own:
//!
//! * Names are derived from environment and service ([`database_name`]) and are the same every time; two different
//!   pairs never share one. What carries such a name and was not made by Fairway is never touched.
//! * The login owns its database and nothing else, and cannot connect to another's. `PUBLIC` may not connect, not even
//!   in the moment between creation and the end of it.
//! * Passwords reach the server only as SCRAM verifiers, so that no statement log contains one, and come back in a
//!   type that cannot be printed.
//!
//! A private cluster listens on one loopback port for services and on a Unix socket, in a directory that only its own
//! user may enter, for the administrator, whom the kernel identifies (`peer`): there is no administrator's password to
//! keep. It is started through `fairway-supervisor`: detached, found again by the next supervisor, restarted after a
//! crash. An interrupted creation leaves nothing behind that looks like a cluster: it is made beside its place and moved
//! there when it is complete.

mod account;
mod admin;
mod cluster;
mod config;
mod credentials;
mod database;
mod error;
mod files;
mod installation;
mod lock;
mod name;
mod postmaster;
mod quote;
mod server;

pub use cluster::{Cluster, ClusterStatus, Durability, Settings};
pub use credentials::Credentials;
pub use database::{Dropped, Password};
pub use error::{ClusterError, DatabaseError, LockError, ServerError};
pub use installation::{Installation, LocateError, locate};
pub use name::database_name;
pub use server::Server;
