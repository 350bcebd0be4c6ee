//! Connections to targets: made, kept, given back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::BytesMut;

use crate::error::Error;
use crate::h2::{Link, Place};
use crate::stream::Peer;
use crate::tls::Tls;
use crate::wire::Wire;

/// How soon it is noticed that a target has closed a connection that nobody uses. Whoever wants to use it notices at once.
const LOOK: Duration = Duration::from_secs(1);

/// Idle connections by address, newest last. A connection that is in use belongs to its exchange.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<Shelves>,
    most_idle: usize,
    idle_for: Duration,
    /// The most bytes of the head of a response.
    pub(crate) head_bytes: usize,
}

#[derive(Debug, Default)]
struct Shelves {
    by_address: BTreeMap<SocketAddr, Vec<Kept>>,
    /// HTTP/2 connections, oldest first; as many exchanges share one as the target takes.
    shared: BTreeMap<SocketAddr, Vec<Shared>>,
    /// Whether a task is looking for connections that have been idle for too long.
    swept: bool,
}

#[derive(Debug)]
struct Shared {
    link: Link,
    tls: Option<Tls>,
    unused: Unused,
}

#[derive(Debug)]
struct Kept {
    wire: Box<Wire>,
    unused: Unused,
}

/// How many sweeps in a row have found a connection without use.
#[derive(Debug, Default)]
struct Unused(u32);

impl Unused {
    /// One sweep more: whether it may stay.
    fn seen(&mut self, pause: Duration, idle_for: Duration) -> bool {
        self.0 += 1;
        pause * self.0 < idle_for
    }
}

/// A connection in use. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) wire: Box<Wire>,
    address: SocketAddr,
    pool: Arc<Pool>,
}

impl Pool {
    pub(crate) fn new(most_idle: usize, idle_for: Duration, head_bytes: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), most_idle, idle_for, head_bytes })
    }

    /// The connection that was used last, if one is idle and open. `certain`: for a request that must not be sent twice.
    pub(crate) fn take(self: &Arc<Self>, peer: Peer<'_>, certain: bool) -> Option<Lease> {
        let mut shelves = self.lock();
        let shelf = shelves.by_address.get_mut(&peer.address)?;
        while let Some(Kept { mut wire, .. }) = shelf.pop() {
            if wire.is_of(peer.tls) && wire.is_quiet(certain) {
                return Some(Lease { wire, address: peer.address, pool: Arc::clone(self) });
            }
        }
        None
    }

    /// A new connection.
    pub(crate) async fn dial(
        self: &Arc<Self>,
        peer: Peer<'_>,
        limit: Option<Duration>,
    ) -> Result<Lease, Error> {
        let wire = Box::new(Wire::dial(peer, limit).await?);
        Ok(Lease { wire, address: peer.address, pool: Arc::clone(self) })
    }

    /// An HTTP/2 connection to a target that has room for a stream, and that room.
    pub(crate) fn shared(&self, peer: Peer<'_>) -> Option<(Link, Place)> {
        let mut shelves = self.lock();
        // The first with room: what a crowd has left behind it goes unused, and is closed.
        let found = shelves.shared.get_mut(&peer.address)?.iter_mut().find(|shared| {
            let Shared { link, tls, .. } = shared;
            tls.as_ref() == peer.tls && link.has_room()
        })?;
        found.unused = Unused::default();
        Some((found.link.clone(), found.link.place()))
    }

    /// Keeps an HTTP/2 connection for others.
    pub(crate) fn share(self: &Arc<Self>, peer: Peer<'_>, link: Link) {
        let shared = Shared { link, tls: peer.tls.cloned(), unused: Unused::default() };
        let mut shelves = self.lock();
        shelves.shared.entry(peer.address).or_default().push(shared);
        self.have_swept(&mut shelves);
    }

    /// Nobody gets this connection any more.
    pub(crate) fn unshare(&self, address: SocketAddr, link: &Link) {
        let mut shelves = self.lock();
        if let Some(links) = shelves.shared.get_mut(&address) {
            links.retain(|shared| !shared.link.is(link));
        }
    }

    /// Closes the idle connections to an address.
    pub(crate) fn close_idle(&self, address: SocketAddr) {
        let mut shelves = self.lock();
        let gone = (shelves.by_address.remove(&address), shelves.shared.remove(&address));
        drop(shelves);
        drop(gone);
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.lock().by_address.values().map(Vec::len).sum()
    }

    fn keep(self: &Arc<Self>, address: SocketAddr, wire: Box<Wire>) {
        let mut shelves = self.lock();
        let shelf = shelves.by_address.entry(address).or_default();
        if shelf.len() < self.most_idle {
            shelf.push(Kept { wire, unused: Unused::default() });
        }
        self.have_swept(&mut shelves);
    }

    fn have_swept(self: &Arc<Self>, shelves: &mut Shelves) {
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
        let pause = (idle_for / 2).min(LOOK);
        tokio::time::sleep(pause).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut shelves = pool.lock();
        shelves.by_address.retain(|_, shelf| {
            shelf.retain_mut(|Kept { wire, unused }| unused.seen(pause, idle_for) && wire.is_quiet(false));
            !shelf.is_empty()
        });
        shelves.shared.retain(|_, links| {
            let mut idle = 0;
            links.retain_mut(|Shared { link, unused, .. }| {
                if !link.is_empty() {
                    *unused = Unused::default();
                    return true;
                }
                idle += 1;
                idle <= pool.most_idle && !link.sender.is_closed() && unused.seen(pause, idle_for)
            });
            !links.is_empty()
        });
        if shelves.by_address.is_empty() && shelves.shared.is_empty() {
            shelves.swept = false;
            return;
        }
    }
}

impl Lease {
    /// Gives the connection back: the exchange on it is complete.
    pub(crate) fn release(mut self) {
        // Bytes that nobody asked for: what follows can't be trusted.
        if self.wire.bytes.is_empty() {
            self.wire.bytes = BytesMut::new();
            self.pool.keep(self.address, self.wire);
        }
    }
}
