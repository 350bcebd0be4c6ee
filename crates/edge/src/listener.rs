//! A bound address and the loop that accepts from it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use rustix::net::sockopt::socket_reuseport;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::edge::Shared;
use crate::state::DoorKey;
use crate::visitor::Signal;
use crate::worker::Worker;

/// How many connections may wait to be accepted; the system caps it.
const BACKLOG: u32 = 4096;
/// How long to wait when the system has no descriptor left; something must end first.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// How often that is worth a line in the log.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// A bound address that nobody accepts from yet. Connections wait in its queues.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) key: DoorKey,
    pub(crate) address: SocketAddr,
    /// One for each worker: the system spreads connections over them.
    sockets: Vec<StdListener>,
}

/// A listener that accepts.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    closing: CancellationToken,
    accepting: Vec<JoinHandle<()>>,
    /// What a successor would inherit.
    sockets: Vec<Arc<TcpListener>>,
}

impl Bound {
    /// Binds the address of a key, for so many workers.
    pub(crate) fn bind(key: DoorKey, workers: usize) -> io::Result<Self> {
        let mut address = key.address();
        if address.port() != 0 {
            // Sockets that share a port would be let in beside one of another edge of this user, and each would get
            // half of the connections. A socket that does not share says whether somebody is there.
            drop(socket(address, false)?);
        }
        let mut sockets = Vec::new();
        for _ in 0..workers.max(1) {
            let socket = socket(address, true)?;
            address = socket.local_addr()?;
            sockets.push(socket);
        }
        Ok(Self { key, address, sockets })
    }

    /// Goes on with the sockets of a predecessor. Where there are fewer than workers and they share their address,
    /// others join them; no socket is given up, for connections wait in its queue.
    pub(crate) fn inherit(key: DoorKey, mut sockets: Vec<StdListener>, workers: usize) -> io::Result<Self> {
        let first = sockets.first().ok_or_else(|| io::Error::other("no socket was inherited"))?;
        let address = first.local_addr()?;
        let mut shared = true;
        for socket in &sockets {
            shared &= socket_reuseport(socket)?;
        }
        while shared && sockets.len() < workers {
            match socket(address, true) {
                Ok(socket) => sockets.push(socket),
                Err(error) => {
                    tracing::warn!(%address, %error, "an inherited listener has no socket for each worker");
                    break;
                }
            }
        }
        Ok(Self { key, address, sockets })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    #[cfg(test)]
    pub(crate) fn into_sockets(self) -> Vec<StdListener> {
        self.sockets
    }

    /// Begins to accept.
    pub(crate) fn accept(self, shared: &Arc<Shared>) -> Listener {
        let closing = shared.closing.child_token();
        let key = Arc::new(self.key);
        let mut accepting = Vec::new();
        let mut sockets = Vec::new();
        for (socket, worker) in self.sockets.into_iter().zip(shared.workers.iter().cycle()) {
            let (shared, worker, key, closing) =
                (Arc::clone(shared), Arc::clone(worker), Arc::clone(&key), closing.clone());
            let handle = worker.handle.clone();
            let watched = {
                let _here = handle.enter();
                TcpListener::from_std(socket)
            };
            let socket = match watched {
                Ok(socket) => Arc::new(socket),
                Err(error) => {
                    tracing::error!(%error, address = %self.address, "a listener can't be watched");
                    continue;
                }
            };
            sockets.push(Arc::clone(&socket));
            accepting.push(handle.spawn(accept(shared, worker, key, socket, closing)));
        }
        Listener { address: self.address, closing, accepting, sockets }
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a process before this one may still linger on the port.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

impl Listener {
    /// Stops accepting; returns when the address is free. Connections end after the exchange they are in.
    pub(crate) async fn close(self) {
        self.closing.cancel();
        self.let_go().await;
    }

    /// Returns when nobody here accepts from it any more. To be called once that has been said, here or to all by
    /// [`Shared::departing`].
    pub(crate) async fn let_go(self) {
        // The last one who has a socket closes it, and that is to be whoever looked into its queue last.
        drop(self.sockets);
        for accepting in self.accepting {
            if accepting.await.is_err() {
                tracing::error!(address = %self.address, "the accept loop ended with a panic");
            }
        }
    }

    /// What a successor needs to go on with it.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|socket| socket.as_fd())
    }
}

async fn accept(
    shared: Arc<Shared>,
    worker: Arc<Worker>,
    key: Arc<DoorKey>,
    listener: Arc<TcpListener>,
    closing: CancellationToken,
) {
    // Who is told to finish when this listener closes.
    let mut here: Vec<std::sync::Weak<crate::visitor::Visitor>> = Vec::new();
    let mut serve = |stream, client| {
        let presence = worker.visitors.welcome();
        if here.len() == here.capacity() {
            here.retain(|visitor| visitor.strong_count() > 0);
        }
        here.push(Arc::downgrade(&presence.visitor));
        let (shared, crew, key) = (Arc::clone(&shared), Arc::clone(&worker), Arc::clone(&key));
        worker.connections.spawn(connection::serve(shared, crew, key, stream, client, presence));
    };
    let mut reserve = Reserve::new();
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
            // Who is in the queue is the successor's, and who is here is told by whoever began this.
            () = shared.departing.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if shared.is_full() => {
                if worth_saying() {
                    let limit = shared.settings.connections;
                    let address = key.address();
                    tracing::warn!(limit, %address, "all connections are taken, new ones are answered 503");
                }
                turn_away(stream);
            }
            Ok((stream, client)) => serve(stream, client),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if worth_saying() {
                    tracing::error!(%error, address = %key.address(), "connections can't be accepted for now");
                }
                // Descriptors have run out. The one that is kept for this lets us say so to whoever waits.
                if reserve.free()
                    && let Some(Ok((stream, _))) = listener.accept().now_or_never()
                {
                    turn_away(stream);
                } else {
                    tokio::time::sleep(EXHAUSTED).await;
                }
                reserve = Reserve::new();
            }
        }
    }
    // Whoever is in the queue was told that it is connected; it gets its answer.
    while let Some(Ok((stream, client))) = listener.accept().now_or_never() {
        serve(stream, client);
    }
    for visitor in here.iter().filter_map(std::sync::Weak::upgrade) {
        visitor.tell(Signal::Finish);
    }
}

/// A descriptor that is kept so that there is one when there is none left.
struct Reserve(Option<std::fs::File>);

impl Reserve {
    fn new() -> Self {
        Self(std::fs::File::open("/dev/null").ok())
    }

    /// Gives it up; whether there was one.
    fn free(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// Says that there is no room, as far as that is possible without waiting.
fn turn_away(stream: TcpStream) {
    const WORDS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nserver: fairway-edge\r\nretry-after: 1\r\n\
        content-type: text/plain; charset=utf-8\r\ncontent-length: 46\r\nconnection: close\r\n\r\n\
        503 full\nall connections of the edge are taken";
    let _ = stream.try_write(WORDS);
    // What the client has sent already would take the words away again.
    let mut space = [0; 4096];
    let _ = stream.try_read(&mut space);
}

/// Whether the client gave up before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
