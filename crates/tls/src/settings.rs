//! What certificates need to know about their process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::storage::{Directory, Storage};

/// What certificates need to know about their process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The local authority is kept in `local-ca` below it. Made when it is needed.
    pub directory: PathBuf,
    /// ACME accounts and what they were issued.
    pub storage: Arc<dyn Storage>,
    /// How often files are looked at, and what another edge is about to bring. Default 2 s.
    pub poll: Duration,
    /// How often an edge looks what others know of a certificate that is not due. Default 5 min.
    pub look: Duration,
    /// How long the program of a DNS-01 challenge may take for one call. Default 120 s.
    pub hook_limit: Duration,
    /// How long `shutdown` waits for orders to take their challenges away. Default 5 s; programs that run then are
    /// killed.
    pub shutdown_limit: Duration,
    /// How long what the local authority issues is valid. Default 90 days; renewed with a third left.
    pub local_lifetime: Duration,
    /// How long the turn of an edge that died keeps the others from ordering. Default 60 s; a living edge renews it.
    pub turn: Duration,
    /// How long one attempt to get a certificate may take, waiting for its server included. Default 10 min.
    pub attempt_limit: Duration,
}

impl Settings {
    /// Everything below one directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self {
            storage: Arc::new(Directory::new(directory.join("storage"))),
            directory,
            poll: Duration::from_secs(2),
            look: Duration::from_secs(300),
            hook_limit: Duration::from_secs(120),
            turn: Duration::from_secs(60),
            attempt_limit: Duration::from_secs(600),
            shutdown_limit: Duration::from_secs(5),
            local_lifetime: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}
