//! A bound address and the loop that accepts from it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::edge::Shared;
use crate::state::DoorKey;

/// How many connections may wait to be accepted; the system caps it.
const BACKLOG: u32 = 4096;
/// How long to wait when the system has no descriptor left; something must end first.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// How often that is worth a line in the log.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// A bound address that nobody accepts from yet. Connections wait in its queue.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) key: DoorKey,
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

/// A listener that accepts.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    closing: CancellationToken,
    accepting: JoinHandle<()>,
}

impl Bound {
    /// Binds the address of a key.
    pub(crate) fn bind(key: DoorKey) -> io::Result<Self> {
        let address = key.address();
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Connections of a process before this one may still linger on the port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { key, address: listener.local_addr()?, listener })
    }

    /// Begins to accept.
    pub(crate) fn accept(self, shared: &Arc<Shared>) -> Listener {
        let closing = shared.closing.child_token();
        let accepting = accept(Arc::clone(shared), self.key, self.listener, closing.clone());
        Listener { address: self.address, closing, accepting: tokio::spawn(accepting) }
    }
}

impl Listener {
    /// Stops accepting; returns when the address is free. Connections end after the exchange they are in.
    pub(crate) async fn close(self) {
        self.closing.cancel();
        if self.accepting.await.is_err() {
            tracing::error!(address = %self.address, "the accept loop ended with a panic");
        }
    }
}

async fn accept(shared: Arc<Shared>, key: DoorKey, listener: TcpListener, closing: CancellationToken) {
    let key = Arc::new(key);
    let serve = |stream, client, permit: Option<OwnedSemaphorePermit>| {
        let serving =
            connection::serve(Arc::clone(&shared), Arc::clone(&key), stream, client, closing.clone());
        shared.connections.spawn(async move {
            serving.await;
            drop(permit);
        });
    };
    // When it was last said that nothing can be accepted.
    let mut said: Option<Instant> = None;
    let mut worth_saying = || {
        let worth = said.is_none_or(|said| said.elapsed() > SAID_AGAIN);
        if worth {
            said = Some(Instant::now());
        }
        worth
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                // One client at each listener waits here for room, the others in the queue of the system.
                if shared.slots.available_permits() == 0 && worth_saying() {
                    let limit = shared.settings.connections;
                    let address = key.address();
                    tracing::warn!(limit, %address, "all connections are taken, new ones wait for one to end");
                }
                let permit = tokio::select! {
                    biased;
                    permit = Arc::clone(&shared.slots).acquire_owned() => permit.ok(),
                    () = closing.cancelled() => None,
                };
                serve(stream, client, permit);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Descriptors or memory have run out. The client waits in the queue; so do we.
                if worth_saying() {
                    tracing::error!(%error, address = %key.address(), "connections can't be accepted for now");
                }
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
    // Whoever is in the queue was told that it is connected; it gets its answer.
    while let Some(Ok((stream, client))) = listener.accept().now_or_never() {
        serve(stream, client, None);
    }
}

/// Whether the client gave up before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
