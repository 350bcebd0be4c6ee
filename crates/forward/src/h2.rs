//! One request over a shared HTTP/2 connection, up to the head of its response.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::exchange::Timeouts;
use crate::h1::Failed;
use crate::pool::Pool;
use crate::request_body::{Progress, RequestBody, Stage};
use crate::stream::Peer;

/// How much a target may send on one stream before the client has taken it.
const WINDOW: u32 = 1024 * 1024;

/// A request that is not sent comes back with the failure.
pub(crate) type Attempted = Result<Response<Incoming>, (Failed, Option<Box<Request<RequestBody>>>)>;

pub(crate) async fn attempt(
    pool: &Arc<Pool>,
    peer: Peer<'_>,
    request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Attempted {
    let mut request = request;
    let address = peer.address;
    if let Some(sender) = pool.shared(peer) {
        match send(sender, request, address, timeouts).await {
            Err((Failed::Unsent(_), Some(unsent))) => {
                pool.close_idle(address);
                request = *unsent;
            }
            other => return other,
        }
    }
    match dial(peer, timeouts.connect).await {
        Ok(sender) => {
            pool.share(peer, sender.clone());
            let sent = send(sender, request, address, timeouts).await;
            sent.map_err(|(failed, _)| (Failed::Lost(failed.into_error()), None))
        }
        Err(error) => Err((Failed::Unsent(error), Some(Box::new(request)))),
    }
}

async fn dial(peer: Peer<'_>, limit: Option<Duration>) -> Result<SendRequest<RequestBody>, Error> {
    let address = peer.address;
    let stream = peer.connect(limit).await?;
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
    Ok(sender)
}

async fn send(
    mut sender: SendRequest<RequestBody>,
    mut request: Request<RequestBody>,
    address: SocketAddr,
    timeouts: Timeouts,
) -> Attempted {
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
            return Err((Failed::Lost(error), None));
        }
    };
    sent.map_err(|mut failed| {
        let unsent = failed.take_message();
        let source = io::Error::other(failed.into_error());
        match unsent {
            Some(request) => (Failed::Unsent(Error::Broken { address, source }), Some(Box::new(request))),
            None if limit.stage().0 == Stage::ClientGone => (Failed::Lost(Error::ClientGone), None),
            None => (Failed::Lost(Error::Broken { address, source }), None),
        }
    })
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
