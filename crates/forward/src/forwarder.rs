//! Sending a request on and getting its response.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep_until};

use crate::body::Body;
use crate::error::Error;
use crate::exchange::{Exchange, Timeouts};
use crate::headers;
use crate::pool::{Lease, Pool};
use crate::request_body::{Progress, RequestBody, Stage};
use crate::target::{Ending, Guard, Target, Targets};
use crate::tunnel;

/// What holds for all exchanges of a forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many addresses are tried when connections can't be made. Default 2.
    pub dials: usize,
    /// How many idle connections are kept for each address. Default 256.
    pub most_idle: usize,
    /// How long an idle connection is kept. Default 30 s; one that the target closes earlier is noticed.
    pub idle_for: Duration,
    /// How large the head of a response may be, in bytes. Default 64 KiB.
    pub header_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dials: 2, most_idle: 256, idle_for: Duration::from_secs(30), header_bytes: 64 * 1024 }
    }
}

/// Forwards exchanges. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Forwarder {
    pool: Arc<Pool>,
    dials: usize,
}

impl Forwarder {
    /// A forwarder without connections. Its exchanges need a tokio runtime with time and I/O.
    pub fn new(settings: Settings) -> Self {
        let Settings { dials, most_idle, idle_for, header_bytes } = settings;
        // hyper refuses less than its own minimum by panicking.
        let header_bytes = header_bytes.max(8192);
        Self { pool: Pool::new(most_idle, idle_for, header_bytes), dials: dials.max(1) }
    }

    /// Closes the idle connections to an address: a server that is told to stop often waits for them.
    pub fn close_idle(&self, address: SocketAddr) {
        self.pool.close_idle(address);
    }

    /// How many idle connections are kept.
    pub fn idle(&self) -> usize {
        self.pool.idle()
    }

    /// Forwards a request to the first of `targets` that can be connected to.
    ///
    /// The response is returned when its head is there; its body streams. A response 101 to a request for an upgrade
    /// is to be returned to the client's connection as it is: the tunnel starts when hyper has sent it.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::status`] is what a proxy answers.
    pub async fn forward<B, T>(
        &self,
        request: Request<B>,
        mut targets: T,
        exchange: &Exchange,
    ) -> Result<Response<Body<T::Guard>>, Error>
    where
        B: Into<RequestBody>,
        T: Targets,
    {
        let (mut parts, body) = request.into_parts();
        let body = body.into();
        let client = parts.extensions.remove::<OnUpgrade>();
        let upgrade = headers::request(&mut parts, &body, exchange)?;
        let client = if upgrade { client } else { None };
        let mut request = Request::from_parts(parts, body);
        let mut before: Option<(T::Guard, Error)> = None;
        for _ in 0..self.dials {
            let Some(Target { address, mut guard }) = targets.next() else { break };
            if let Some((mut guard, error)) = before.take() {
                guard.moved_on(&error);
            }
            match self.attempt(address, request, exchange.timeouts).await {
                Ok((response, lease)) => {
                    return finish(response, lease, guard, client, upgrade, address, exchange.timeouts);
                }
                Err(Failed::Unsent(error, unsent)) => {
                    before = Some((guard, error));
                    request = *unsent;
                }
                Err(Failed::Lost(error)) => {
                    guard.failed(&error);
                    return Err(error);
                }
            }
        }
        let Some((mut guard, error)) = before else { return Err(Error::NoTarget) };
        guard.failed(&error);
        Err(error)
    }

    /// One address: over idle connections as long as they turn out to be closed, then over a new one.
    async fn attempt(
        &self,
        address: SocketAddr,
        mut request: Request<RequestBody>,
        timeouts: Timeouts,
    ) -> Result<(Response<Incoming>, Lease), Failed> {
        while let Some(mut lease) = self.pool.take(address) {
            let replay = replay(&request);
            match send(&mut lease, request, address, timeouts).await {
                Ok(response) => return Ok((response, lease)),
                Err(Failed::Unsent(_, unsent)) => request = *unsent,
                Err(Failed::Lost(Error::Broken { address, source })) => {
                    let Some(again) = replay else {
                        return Err(Failed::Lost(Error::Broken { address, source }));
                    };
                    request = again;
                    break;
                }
                Err(lost) => return Err(lost),
            }
        }
        let mut lease = match self.pool.dial(address, timeouts.connect).await {
            Ok(lease) => lease,
            Err(error) => return Err(Failed::Unsent(error, Box::new(request))),
        };
        match send(&mut lease, request, address, timeouts).await {
            Ok(response) => Ok((response, lease)),
            // A connection that was accepted and closed at once is no refused dial: somebody is there.
            Err(Failed::Unsent(error, _)) => Err(Failed::Lost(error)),
            Err(lost) => Err(lost),
        }
    }
}

/// Why an address gave no response.
enum Failed {
    /// Nothing was sent; the request is here again.
    Unsent(Error, Box<Request<RequestBody>>),
    /// The request is gone.
    Lost(Error),
}

/// The same request once more, if sending it twice does no harm.
fn replay(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_idempotent() || !request.body().is_empty() {
        return None;
    }
    let mut again = Request::new(RequestBody::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

async fn send(
    lease: &mut Lease,
    mut request: Request<RequestBody>,
    address: SocketAddr,
    timeouts: Timeouts,
) -> Result<Response<Incoming>, Failed> {
    let progress = request.body_mut().track();
    let mut response = pin!(lease.sender.try_send_request(request));
    let limit = Limit::new(address, timeouts, progress);
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
    match sent {
        Ok(response) => Ok(response),
        Err(mut failed) => {
            let unsent = failed.take_message();
            let source = failed.into_error();
            match unsent {
                Some(request) => Err(Failed::Unsent(Error::Broken { address, source }, Box::new(request))),
                None if limit.client_gone() => Err(Failed::Lost(Error::ClientGone)),
                None => Err(Failed::Lost(Error::Broken { address, source })),
            }
        }
    }
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
    fn new(address: SocketAddr, timeouts: Timeouts, progress: Option<Progress>) -> Self {
        Self { address, timeouts, progress, begun: Instant::now() }
    }

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

    fn client_gone(&self) -> bool {
        self.stage().0 == Stage::ClientGone
    }
}

fn finish<G: Guard>(
    response: Response<Incoming>,
    lease: Lease,
    mut guard: G,
    client: Option<OnUpgrade>,
    upgrade: bool,
    address: SocketAddr,
    timeouts: Timeouts,
) -> Result<Response<Body<G>>, Error> {
    let (mut parts, incoming) = response.into_parts();
    let target = parts.extensions.remove::<OnUpgrade>();
    parts.extensions = http::Extensions::new();
    parts.version = Version::HTTP_11;
    if parts.status != StatusCode::SWITCHING_PROTOCOLS {
        guard.responded(parts.status);
        headers::response(&mut parts.headers, false);
        let stream = is_event_stream(&parts.headers);
        return Ok(Response::from_parts(parts, Body::new(incoming, guard, lease, timeouts.idle, stream)));
    }
    let (Some(target), true) = (target, upgrade) else {
        let error = Error::Unasked { address };
        guard.failed(&error);
        return Err(error);
    };
    guard.responded(parts.status);
    let websocket =
        parts.headers.get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    headers::response(&mut parts.headers, true);
    match client {
        Some(client) => {
            guard.upgraded();
            tokio::spawn(tunnel::run(client, target, guard, websocket, timeouts.upgrade_idle));
        }
        // The request did not come from a connection that can be upgraded, for example a test's own request.
        None => guard.ended(Ending::ClientGone),
    }
    Ok(Response::from_parts(parts, Body::tunnelled(incoming)))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"))
}
