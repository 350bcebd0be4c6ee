//! One client connection: TLS if the listener speaks it, then the protocol that the client chose.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use fairway_forward::{Scheme, client_text};
use http::HeaderValue;
use tokio::net::TcpStream;

use crate::edge::Shared;
use crate::h1;
use crate::h2;
use crate::line::{Io, SharedLine};
use crate::state::DoorKey;
use crate::visitor::Presence;
use crate::worker::Worker;

/// What all requests of a connection have in common.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) key: Arc<DoorKey>,
    pub(crate) client: SocketAddr,
    pub(crate) client_text: HeaderValue,
    pub(crate) scheme: Scheme,
}

/// Serves a connection until it ends. When its visitor is told to finish it ends after the exchange that is under way.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    worker: Arc<Worker>,
    key: Arc<DoorKey>,
    stream: TcpStream,
    client: SocketAddr,
    presence: Presence,
) {
    // Small answers must not wait for more.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let stall_timeout = shared.settings.stall_timeout;
    let door = Arc::new(Door {
        shared,
        worker,
        key,
        client,
        client_text: client_text(client),
        scheme: Scheme::Http,
    });
    let line = SharedLine::new(Io::Plain(stream), BytesMut::new(), stall_timeout);
    match h2::is_chosen(&door, &line, &presence).await {
        Some(true) => h2::serve(door, line, presence).await,
        Some(false) => h1::serve(&door, line, &presence).await,
        None => {}
    }
}
