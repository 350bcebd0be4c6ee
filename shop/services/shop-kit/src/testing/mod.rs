//! For tests of services: a private PostgreSQL, a server on a free port, a client that shows everything.

mod contract;
mod http;
mod postgres;
mod program;
mod readme;
mod server;
mod work;

pub use contract::Contracts;
pub use http::{Client, Reply};
pub use postgres::{Cluster, TestDatabase};
pub use program::{Finished, Running, finish, start};
pub use readme::check_readme;
pub use server::TestServer;
pub use work::Work;
