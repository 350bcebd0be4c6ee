//! The threads that serve. Each has a runtime of its own, and whatever a connection needs stays on its thread: the
//! sockets, the timers, the connections to instances. Only counters and the table are shared.

use std::io;
use std::sync::Arc;
use std::thread;

use fairway_forward::Forwarder;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::visitor::Visitors;

/// One thread that serves.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) handle: Handle,
    pub(crate) forwarder: Forwarder,
    /// The connections of clients.
    pub(crate) visitors: Arc<Visitors>,
    /// The same as tasks.
    pub(crate) connections: TaskTracker,
    /// Ends the thread.
    ending: CancellationToken,
}

impl Worker {
    /// Starts so many threads.
    pub(crate) fn start(count: usize) -> io::Result<Vec<Arc<Self>>> {
        (0..count.max(1)).map(|number| Self::new(number).map(Arc::new)).collect()
    }

    fn new(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let ending = CancellationToken::new();
        let ended = ending.clone();
        thread::Builder::new().name(format!("edge-{number}")).spawn(move || {
            runtime.block_on(ended.cancelled());
            // What did not end in its time is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            handle,
            forwarder: Forwarder::new(fairway_forward::Settings {
                // As many as clients ask at once; those that nobody needs are closed after a while.
                most_idle: 1024,
                ..fairway_forward::Settings::default()
            }),
            visitors: Arc::default(),
            connections: TaskTracker::new(),
            ending,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}
