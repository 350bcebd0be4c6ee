//! Connections to targets: made, kept, given back.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::request_body::RequestBody;

/// Idle connections by address, newest last. A connection that is in use belongs to its exchange.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<Shelves>,
    most_idle: usize,
    idle_for: Duration,
    header_bytes: usize,
}

#[derive(Debug, Default)]
struct Shelves {
    by_address: HashMap<SocketAddr, Vec<Kept>>,
    /// Whether a task is looking for connections that have been idle for too long.
    swept: bool,
}

#[derive(Debug)]
struct Kept {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) sender: SendRequest<RequestBody>,
    address: SocketAddr,
    pool: Weak<Pool>,
}

impl Pool {
    pub(crate) fn new(most_idle: usize, idle_for: Duration, header_bytes: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), most_idle, idle_for, header_bytes })
    }

    /// The connection that was used last, if one is idle and open.
    pub(crate) fn take(self: &Arc<Self>, address: SocketAddr) -> Option<Lease> {
        let mut shelves = self.lock();
        let shelf = shelves.by_address.get_mut(&address)?;
        while let Some(kept) = shelf.pop() {
            // Closed ones are noticed by their tasks; what is closed and not yet noticed comes back unsent.
            if kept.sender.is_ready() && kept.since.elapsed() < self.idle_for {
                return Some(Lease { sender: kept.sender, address, pool: Arc::downgrade(self) });
            }
        }
        None
    }

    /// A new connection.
    pub(crate) async fn dial(
        self: &Arc<Self>,
        address: SocketAddr,
        limit: Option<Duration>,
    ) -> Result<Lease, Error> {
        let connecting = TcpStream::connect(address);
        let connected = match limit {
            Some(after) => {
                timeout(after, connecting).await.map_err(|_| Error::ConnectTimeout { address, after })?
            }
            None => connecting.await,
        };
        let refused = |source| Error::Refused { address, source };
        let stream = connected.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let mut builder = Builder::new();
        builder.max_buf_size(self.header_bytes).max_headers(256);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| refused(io::Error::other(error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                // Whoever uses the connection learns of it in its own way.
                tracing::trace!(%address, %error, "connection to target ended");
            }
        });
        Ok(Lease { sender, address, pool: Arc::downgrade(self) })
    }

    /// Closes the idle connections to an address.
    pub(crate) fn close_idle(&self, address: SocketAddr) {
        let shelf = self.lock().by_address.remove(&address);
        drop(shelf);
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.lock().by_address.values().map(Vec::len).sum()
    }

    fn keep(self: &Arc<Self>, address: SocketAddr, sender: SendRequest<RequestBody>) {
        let mut shelves = self.lock();
        let shelf = shelves.by_address.entry(address).or_default();
        if shelf.len() < self.most_idle {
            shelf.push(Kept { sender, since: Instant::now() });
        }
        if !shelves.swept {
            shelves.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle_for));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that nobody has used for a while; ends when none is left.
async fn sweep(pool: Weak<Pool>, idle_for: Duration) {
    loop {
        tokio::time::sleep(idle_for / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut shelves = pool.lock();
        for shelf in shelves.by_address.values_mut() {
            shelf.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < idle_for);
        }
        shelves.by_address.retain(|_, shelf| !shelf.is_empty());
        if shelves.by_address.is_empty() {
            shelves.swept = false;
            return;
        }
    }
}

impl Lease {
    /// Gives the connection back, once it can take another request.
    pub(crate) fn release(mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        if self.sender.is_ready() {
            pool.keep(self.address, self.sender);
        } else if !self.sender.is_closed() {
            // Its task has not seen the end yet, or the request is still being sent. Without the pool in hand, so
            // that a forwarder that is gone does not live on in here.
            drop(pool);
            tokio::spawn(async move {
                if self.sender.ready().await.is_ok()
                    && let Some(pool) = self.pool.upgrade()
                {
                    pool.keep(self.address, self.sender);
                }
            });
        }
    }
}
