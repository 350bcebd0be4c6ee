//! Why an edge can't start, and why a table can't be stored.

use std::io;
use std::path::PathBuf;

/// Why an edge can't start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A file or directory in the home can't be used.
    #[error("{path}: {what}; nothing was served, make the home directory writable for this user")]
    Home {
        /// Which.
        path: PathBuf,
        /// What was to be done with it.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another edge runs in this home.
    #[error("another edge runs in {home}; it was left alone, stop it first or use another home")]
    Running {
        /// The home both want.
        home: PathBuf,
    },
    /// The edge that runs in this home keeps its listeners.
    #[error(
        "the edge in {home} hands nothing over: {why}; it serves on and this one did not start, try it again"
    )]
    NotHandedOver {
        /// The home both want.
        home: PathBuf,
        /// What it said.
        why: String,
    },
    /// The control socket can't be bound.
    #[error(
        "the control socket {path} can't be bound; nothing was served, a socket path has at most 107 bytes"
    )]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The random numbers that session tickets need could not be had.
    #[error("TLS could not be prepared; nothing was served")]
    Tls(#[source] fairway_tls::StartError),
    /// The system refused threads or signals.
    #[error("the system refused {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a table can't be stored.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path}")]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// What was to be done with it.
    pub what: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}
