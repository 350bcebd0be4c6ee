//! What an edge is started with.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an edge is started with. Everything but the home has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the control socket (`edge.sock`) and the stored tables (`edge/`) are.
    pub home: PathBuf,
    /// Threads that serve requests. Default: one for each processor that the process may use.
    pub workers: usize,
    /// How long a client may take from the first byte of a request's head to its last. Default 15 s.
    pub head_timeout: Duration,
    /// How long a connection may be without a request. Default 75 s.
    pub keep_alive: Duration,
    /// How long a client may refuse to take any byte of its answer. Default 60 s.
    pub stall_timeout: Duration,
    /// How large the head of a request may be, in bytes; larger is answered 431. Default 64 KiB.
    pub head_bytes: usize,
    /// How many headers a request may have; more are answered 431. Default 128.
    pub head_fields: usize,
    /// How many clients may be connected at once; more wait to be accepted. Default 8192.
    pub connections: usize,
    /// How long exchanges may take to finish when the process is told to end. Default 10 s.
    pub shutdown_grace: Duration,
    /// How long exchanges may take to finish once a successor serves. Default 60 s.
    pub handover_grace: Duration,
    /// Whether to take the listeners over from an edge that runs in this home; without one it makes no difference.
    /// Default no: then that edge is left alone and this one does not start.
    pub take_over: bool,
    /// What it says its version is. Default: that of this crate.
    pub version: String,
}

impl Settings {
    /// The defaults, in this home.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            head_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(60),
            head_bytes: 64 * 1024,
            head_fields: 128,
            connections: 8192,
            shutdown_grace: Duration::from_secs(10),
            handover_grace: Duration::from_secs(60),
            take_over: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Where an edge with this home listens for its control API.
    pub fn socket_in(home: &Path) -> PathBuf {
        home.join("edge.sock")
    }
}
