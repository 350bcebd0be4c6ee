//! One client connection: TLS if the listener speaks it, then the protocol that the client chose.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use fairway_forward::{Scheme, client_text};
use fairway_model::traffic::ListenerTls;
use http::HeaderValue;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::server::TlsStream;

use crate::edge::Shared;
use crate::h1;
use crate::h2;
use crate::handshakes::Ended;
use crate::line::{Io, SharedLine};
use crate::state::DoorKey;
use crate::visitor::{Presence, Signal};
use crate::worker::Worker;

/// How long a handshake that has begun may still take once its connection was told to end.
const HURRY: Duration = Duration::from_secs(1);

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
    let stall_timeout = shared.settings.stall_timeout;
    let tls = shared.state.load().doors.get(&*key).and_then(|door| door.tls);
    let (mut io, mut is_h2, mut version) = (Io::Plain(stream), None, None);
    if let Some(tls) = tls {
        let Io::Plain(stream) = io else { return };
        let Some(stream) = handshake(&shared, tls, stream, client, &presence).await else { return };
        version = Some(match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        });
        is_h2 = Some(stream.get_ref().1.alpn_protocol() == Some(b"h2"));
        io = Io::Tls(Box::new(stream));
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

/// Does the handshake of a connection, if its client does its part. One that was told to end waits for no client that has
/// said nothing, and not long for others.
async fn handshake(
    shared: &Shared,
    tls: ListenerTls,
    stream: TcpStream,
    client: SocketAddr,
    presence: &Presence,
) -> Option<TlsStream<TcpStream>> {
    let deadline = Instant::now() + shared.settings.head_timeout;
    let told = || {
        poll_fn(|cx| match presence.visitor.heed(cx) {
            Signal::Finish | Signal::Cut => Poll::Ready(()),
            Signal::Stay | Signal::Depart => Poll::Pending,
        })
    };
    let begun = tokio::select! {
        biased;
        ready = stream.readable() => ready.is_ok(),
        () = told() => return None,
        () = tokio::time::sleep_until(deadline) => false,
    };
    if !begun {
        shared.handshakes.count(&Ended::Timeout);
        return None;
    }
    let mut accepting = pin!(shared.certificates.accept(&shared.tls[&tls], stream));
    let accepted = tokio::select! {
        biased;
        accepted = timeout_at(deadline, accepting.as_mut()) => accepted,
        () = told() => timeout_at(deadline.min(Instant::now() + HURRY), accepting.as_mut()).await,
    };
    match accepted {
        Ok(Ok(stream)) => {
            shared.handshakes.count(&Ended::Ok);
            return Some(stream);
        }
        Ok(Err(error)) => {
            shared.handshakes.count(&Ended::Failed(&error));
            tracing::debug!(%client, %error, "no TLS connection");
        }
        Err(_) => {
            shared.handshakes.count(&Ended::Timeout);
            tracing::debug!(%client, "the handshake took too long");
        }
    }
    None
}
