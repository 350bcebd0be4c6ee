//! One client connection: TLS if the listener speaks it, then the protocol that the client chose.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use fairway_forward::{Scheme, client_text};
use http::HeaderValue;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ProtocolVersion;

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
    /// Version of TLS, if it is spoken.
    pub(crate) tls: Option<&'static str>,
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
    let settings = &shared.settings;
    let (stall_timeout, patience) = (settings.stall_timeout, settings.head_timeout);
    let tls = shared.state.load().doors.get(&*key).and_then(|door| door.tls);
    let mut io = Io::Plain(stream);
    let mut is_h2 = None;
    let mut version = None;
    if let Some(tls) = tls {
        let Io::Plain(stream) = io else { return };
        let handshake = shared.certificates.accept(&shared.tls[&tls], stream);
        match tokio::time::timeout(patience, handshake).await {
            Ok(Ok(stream)) => {
                version = Some(match stream.get_ref().1.protocol_version() {
                    Some(ProtocolVersion::TLSv1_2) => "1.2",
                    _ => "1.3",
                });
                is_h2 = Some(stream.get_ref().1.alpn_protocol() == Some(b"h2"));
                io = Io::Tls(Box::new(stream));
            }
            Ok(Err(error)) => return tracing::debug!(%client, %error, "no TLS connection"),
            Err(_) => return tracing::debug!(%client, "the handshake took too long"),
        }
    }
    let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
    let door = Arc::new(Door {
        shared,
        worker,
        key,
        client,
        client_text: client_text(client),
        scheme,
        tls: version,
    });
    let line = SharedLine::new(io, BytesMut::new(), stall_timeout);
    // Without TLS the first bytes say what a client speaks.
    let is_h2 = match is_h2 {
        Some(true) => Some(true),
        _ => h2::is_chosen(&door, &line, &presence).await,
    };
    match is_h2 {
        // A task is as large as the largest thing that it ever waits for, also while it is idle.
        Some(true) => Box::pin(h2::serve(door, line, presence)).await,
        Some(false) => h1::serve(&door, line, &presence).await,
        None => {}
    }
}
