//! One client connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::edge::Shared;
use crate::instance::Instance;
use crate::proxy;
use crate::socket::{FirstByte, HeadTimer, Socket};
use crate::state::DoorKey;

/// A client connection as others see it.
#[derive(Debug, Default)]
pub(crate) struct Visitor {
    busy_with: Mutex<Option<Arc<Instance>>>,
    cut: CancellationToken,
}

impl Visitor {
    pub(crate) fn busy_with(&self, instance: Option<Arc<Instance>>) {
        *self.busy_with.lock().unwrap_or_else(PoisonError::into_inner) = instance;
    }

    /// Ends the connection if it is busy with this instance.
    pub(crate) fn cut_from(&self, instance: &Arc<Instance>) {
        let busy_with = self.busy_with.lock().unwrap_or_else(PoisonError::into_inner);
        if busy_with.as_ref().is_some_and(|it| Arc::ptr_eq(it, instance)) {
            self.cut.cancel();
        }
    }
}

/// Serves a connection until it ends. When `closing` is cancelled it ends after the exchange that is under way.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    door: Arc<DoorKey>,
    stream: TcpStream,
    client: SocketAddr,
    closing: CancellationToken,
) {
    // Small answers must not wait for more.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let presence = Presence::new(&shared);
    let visitor = &presence.visitor;
    let first_byte = FirstByte::default();
    let settings = &shared.settings;
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer { first_byte: first_byte.clone(), head_timeout: settings.head_timeout })
        .header_read_timeout(settings.keep_alive)
        .max_headers(settings.head_fields)
        .max_header_size(settings.head_bytes)
        // Room beyond the limit: closing a socket with unread bytes would take the answer away from the client.
        .max_buf_size(settings.head_bytes.saturating_mul(2).max(8192));
    let socket = Socket::new(stream, first_byte, settings.stall_timeout);
    let service = service_fn(|request| {
        let (shared, door) = (&shared, &door);
        async move { Ok::<_, Infallible>(proxy::answer(shared, visitor, door, client, request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = visitor.cut.cancelled() => return,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = visitor.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, %error, "connection ended");
    }
}

/// Keeps a connection in the list of connections.
struct Presence<'a> {
    shared: &'a Shared,
    number: u64,
    visitor: Arc<Visitor>,
}

impl<'a> Presence<'a> {
    fn new(shared: &'a Shared) -> Self {
        let number = shared.next_visitor.fetch_add(1, Ordering::Relaxed);
        let visitor = Arc::new(Visitor::default());
        shared.visitors().insert(number, Arc::clone(&visitor));
        Self { shared, number, visitor }
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.shared.visitors().remove(&self.number);
    }
}
