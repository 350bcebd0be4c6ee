//! One request over a shared HTTP/2 connection, up to the head of its response.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, SEC_WEBSOCKET_KEY};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::Error;
use crate::exchange::Timeouts;
use crate::h1::Failed;
use crate::pool::Pool;
use crate::request_body::{Progress, RequestBody, Stage};
use crate::settings::{Heard, Overheard, Takes};
use crate::spare::Spare;
use crate::stream::Peer;
use crate::websocket;

/// How much a target may send on one stream before the client has taken it.
const WINDOW: u32 = 1024 * 1024;

/// How many streams are opened before it is known how many the target takes (RFC 9113, 6.5.2 asks for 100 at least).
const UNHEARD: usize = 100;

/// A connection that exchanges share, each with a stream of its own.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) sender: SendRequest<RequestBody>,
    heard: Heard,
    /// How many streams are in use.
    streams: Arc<AtomicUsize>,
}

impl Link {
    /// Whether the target takes another stream (RFC 9113, 5.1.2). One that is opened in spite of that waits, maybe for
    /// as long as the others last.
    pub(crate) fn has_room(&self) -> bool {
        let most = self.heard.borrow().map_or(UNHEARD, |takes| takes.streams);
        !self.sender.is_closed() && self.streams.load(Ordering::Relaxed) < most
    }

    /// Whether both are the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.streams, &other.streams)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.load(Ordering::Relaxed) == 0
    }

    /// Takes the room of a stream.
    pub(crate) fn place(&self) -> Place {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Place(Arc::clone(&self.streams))
    }
}

/// The room of a stream, from the request to the end of the answer. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) type Attempted = Result<(Response<Incoming>, Place), Failed>;

/// Sends over a shared connection, and if that gives no answer, over a new one. After [`Failed::Unsent`] and
/// [`Failed::NoAnswer`] it may be sent again.
pub(crate) async fn attempt(
    pool: &Arc<Pool>,
    peer: Peer<'_>,
    spare: &Spare,
    timeouts: Timeouts,
    mut may_repeat: impl FnMut() -> bool,
) -> Attempted {
    let address = peer.address;
    if let Some((link, place)) = pool.shared(peer) {
        match send(link.clone(), place, spare, address, timeouts).await {
            Err(Failed::Unsent(_)) => {}
            Err(Failed::NoAnswer(_)) if may_repeat() => {}
            other => return other,
        }
        pool.unshare(address, &link);
    }
    let link = match dial(peer, timeouts.connect).await {
        Ok(link) => link,
        Err(error) => return Err(Failed::Unsent(error)),
    };
    let place = link.place();
    pool.share(peer, link.clone());
    match send(link.clone(), place, spare, address, timeouts).await {
        Err(failed @ (Failed::Unsent(_) | Failed::NoAnswer(_))) => {
            pool.unshare(address, &link);
            // The kernel accepts for a program until that has ended, and resets what the program has not read.
            Err(if failed.is_reset() { Failed::Unsent(failed.into_error()) } else { failed })
        }
        other => other,
    }
}

async fn dial(peer: Peer<'_>, limit: Option<Duration>) -> Result<Link, Error> {
    let address = peer.address;
    let (stream, heard) = Overheard::new(peer.connect(limit).await?);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 4)
        // A target that vanished without a word is noticed.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Error::Refused { address, source: io::Error::other(error) })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%address, %error, "connection to target ended");
        }
    });
    Ok(Link { sender, heard, streams: Arc::default() })
}

async fn send(link: Link, place: Place, spare: &Spare, address: SocketAddr, timeouts: Timeouts) -> Attempted {
    let Link { mut sender, heard, .. } = link;
    if spare.method() == Method::CONNECT {
        welcomes_connect(heard, address, timeouts).await?;
    }
    let mut request = spare.request();
    let progress = request.body_mut().track();
    let limit = Limit { address, timeouts, progress, begun: Instant::now() };
    let mut response = pin!(sender.try_send_request(request));
    let sent = loop {
        tokio::select! {
            biased;
            sent = &mut response => break sent,
            () = limit.wait() => {}
        }
        if let Some(error) = limit.exceeded() {
            return Err(Failed::Lost(error));
        }
    };
    let failed = match sent {
        Ok(response) => return Ok((response, place)),
        Err(failed) => failed,
    };
    let came_back = failed.message().is_some();
    let failed = failed.into_error();
    let end = End::of(&failed);
    let error = Error::Broken { address, source: io::Error::new(end.kind(), failed) };
    Err(match end {
        _ if limit.stage().0 == Stage::ClientGone => Failed::Lost(Error::ClientGone),
        _ if !spare.is_whole() => Failed::Lost(error),
        _ if came_back => Failed::Unsent(error),
        End::Unprocessed => Failed::Unsent(error),
        End::Connection(_) if spare.method().is_idempotent() => Failed::NoAnswer(error),
        End::Connection(_) | End::Stream => Failed::Lost(error),
    })
}

/// What ended a stream before its answer.
enum End {
    /// The target says that it has not looked at the request: its number is beyond those that a GOAWAY promises to answer
    /// (RFC 9113, 6.8), or it was reset with REFUSED_STREAM (8.7).
    Unprocessed,
    /// The connection broke.
    Connection(io::ErrorKind),
    /// Anything else.
    Stream,
}

impl End {
    fn of(error: &hyper::Error) -> Self {
        let Some(source) = error.source() else { return Self::Stream };
        if let Some(broken) = source.downcast_ref::<io::Error>() {
            return Self::Connection(match broken.kind() {
                // h2's word for an end in order.
                io::ErrorKind::BrokenPipe => io::ErrorKind::UnexpectedEof,
                kind => kind,
            });
        }
        match source.downcast_ref::<h2::Error>() {
            // h2 ends only those streams with a GOAWAY that are beyond it; the others end with the connection. hyper says
            // the same of a stream that it opens while another thread reads the GOAWAY: a worker of the edge does both in
            // one thread.
            Some(error) if error.is_remote() && error.is_go_away() => Self::Unprocessed,
            Some(error) if error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM) => {
                Self::Unprocessed
            }
            _ => Self::Stream,
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Connection(kind) => *kind,
            Self::Unprocessed | Self::Stream => io::ErrorKind::Other,
        }
    }
}

/// Waits for the settings of the server, which come with the connection.
async fn welcomes_connect(mut heard: Heard, address: SocketAddr, timeouts: Timeouts) -> Result<(), Failed> {
    let told = async { heard.wait_for(Option::is_some).await.map(|takes| *takes) };
    let told = match timeouts.connect {
        Some(after) => match timeout(after, told).await {
            Ok(told) => told,
            Err(_) => return Err(Failed::Unsent(Error::ConnectTimeout { address, after })),
        },
        None => told.await,
    };
    match told {
        Ok(Some(Takes { connect: true, .. })) => Ok(()),
        Ok(_) => Err(Failed::Lost(Error::NoWebSocket { address })),
        Err(_) => Err(Failed::Unsent(Error::Broken { address, source: io::ErrorKind::UnexpectedEof.into() })),
    }
}

/// The request of HTTP/1.1 for a WebSocket in the form of HTTP/2 (RFC 8441, 5), and what the answer to HTTP/1.1 must show.
pub(crate) fn websocket(
    request: Request<RequestBody>,
    scheme: Scheme,
) -> Result<(Request<RequestBody>, HeaderValue), Error> {
    let mut request = self::request(request, scheme)?;
    if request.method() != Method::GET || !request.body().is_empty() {
        return Err(Error::Request("a WebSocket is asked for by GET, without a body"));
    }
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request.headers_mut().remove(CONTENT_LENGTH);
    let key = request.headers_mut().remove(SEC_WEBSOCKET_KEY);
    let key = key.ok_or(Error::Request("the request for a WebSocket has no Sec-WebSocket-Key"))?;
    Ok((request, websocket::accept(key.as_bytes())))
}

/// The request in the form of HTTP/2: the host in the target (RFC 9113, 8.3.1).
pub(crate) fn request(
    mut request: Request<RequestBody>,
    scheme: Scheme,
) -> Result<Request<RequestBody>, Error> {
    let host = request.headers_mut().remove(HOST);
    let authority = host
        .and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .ok_or(Error::Request("the request has no host, and HTTP/2 wants one"))?;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme);
    uri.authority = Some(authority);
    uri.path_and_query =
        Some(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Error::Request("the request has no path"))?;
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

/// Until when the head of a response may come. The clock starts when the request is sent; while its body is on its
/// way, it only has to keep moving.
struct Limit {
    address: SocketAddr,
    timeouts: Timeouts,
    progress: Option<Progress>,
    begun: Instant,
}

impl Limit {
    fn stage(&self) -> (Stage, Instant) {
        self.progress.as_ref().map_or((Stage::Sent, self.begun), Progress::at)
    }

    fn deadline(&self) -> Option<(Stage, Instant, Duration)> {
        let (stage, since) = self.stage();
        let limit = if stage == Stage::Sent { self.timeouts.header } else { self.timeouts.idle };
        limit.map(|limit| (stage, since + limit, limit))
    }

    /// Returns when it is worth looking at [`Limit::exceeded`].
    async fn wait(&self) {
        match (self.deadline(), self.timeouts.header) {
            (Some((Stage::Sent, deadline, _)), _) => sleep_until(deadline).await,
            // The stage may change meanwhile, and then the other limit holds.
            (Some((_, deadline, _)), Some(header)) => {
                sleep_until(deadline.min(Instant::now() + header)).await
            }
            (Some((_, deadline, _)), None) => sleep_until(deadline).await,
            (None, Some(header)) => sleep_until(Instant::now() + header).await,
            (None, None) => std::future::pending().await,
        }
    }

    fn exceeded(&self) -> Option<Error> {
        let (stage, deadline, after) = self.deadline()?;
        if Instant::now() < deadline {
            return None;
        }
        Some(match stage {
            Stage::AwaitsClient => Error::ClientSlow { after },
            Stage::ClientGone => Error::ClientGone,
            Stage::Sent | Stage::AwaitsTarget => Error::HeaderTimeout { address: self.address, after },
        })
    }
}
