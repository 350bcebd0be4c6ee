//! Sending a request on and getting its response.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fairway_http1::{BodyDecoder, Present, ResponseHead};
use http::header::{CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::body::{Body, Reading};
use crate::duplex::Prefixed;
use crate::error::Error;
use crate::exchange::{Exchange, Protocol};
use crate::h1::{self, Asked, Failed, Sending};
use crate::h2;
use crate::headers;
use crate::inbound::Inbound;
use crate::pool::{Lease, Pool};
use crate::request_body::RequestBody;
use crate::spare::Spare;
use crate::stream::Peer;
use crate::target::{Guard, Next, Target, Targets};
use crate::tunnel::{self, Client, Takeover};

/// What holds for all exchanges of a forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many idle connections are kept for each address. Default 256.
    pub most_idle: usize,
    /// How long an idle connection is kept. Default 30 s; one that the target closes earlier is noticed.
    pub idle_for: Duration,
    /// How large the head of a response may be, in bytes. Default 64 KiB.
    pub header_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { most_idle: 256, idle_for: Duration::from_secs(30), header_bytes: 64 * 1024 }
    }
}

/// Forwards exchanges. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Forwarder {
    pool: Arc<Pool>,
}

impl Forwarder {
    /// A forwarder without connections. Its exchanges need a tokio runtime with time and I/O; the connections stay with
    /// the runtime that made them.
    pub fn new(settings: Settings) -> Self {
        let Settings { most_idle, idle_for, header_bytes } = settings;
        Self { pool: Pool::new(most_idle, idle_for, header_bytes) }
    }

    /// Closes the idle connections to an address: a server that is told to stop often waits for them.
    pub fn close_idle(&self, address: SocketAddr) {
        self.pool.close_idle(address);
    }

    /// How many idle connections are kept.
    pub fn idle(&self) -> usize {
        self.pool.idle()
    }

    /// Forwards a request to the first of `targets` that can be connected to; [`Targets::next`] says when another one is
    /// asked.
    ///
    /// The response is returned when its head is there; its body streams. A response 101 to a request for an upgrade
    /// is to be returned to the client's connection as it is. If that is hyper's, the tunnel starts when hyper has sent
    /// it; any other server takes the [`Takeover`](crate::Takeover) from the extensions of the response and gives it the
    /// stream.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::status`] is what a proxy answers.
    pub async fn forward<B, T>(
        &self,
        request: Request<B>,
        targets: T,
        exchange: &Exchange,
    ) -> Result<Response<Body<T::Guard>>, Error>
    where
        B: Into<RequestBody>,
        T: Targets,
    {
        self.pass(Box::new(request.into()), targets, exchange).await.map(Answer::into_response)
    }

    /// The same for whoever writes the head of the response out again: its headers are read only if somebody asks for
    /// them.
    ///
    /// # Errors
    /// As [`Forwarder::forward`].
    pub async fn pass<T: Targets>(
        &self,
        mut request: Box<Inbound>,
        mut targets: T,
        exchange: &Exchange,
    ) -> Result<Answer<T::Guard>, Error> {
        let client = request.extensions_mut().remove::<OnUpgrade>();
        let added = headers::request(&mut request, exchange)?;
        let upgrade = added.upgrade;
        let method = request.method().clone();
        let mut message = match exchange.protocol {
            Protocol::Http1 => {
                let (head, framing) = h1::encode(&request, &added);
                Message::Http1(Sending::new(head, std::mem::take(request.body_mut()), framing))
            }
            Protocol::Http2 if upgrade && !added.websocket => {
                return Err(Error::Request("the service speaks HTTP/2, which has no such upgrade"));
            }
            Protocol::Http2 => {
                added.put(request.headers_mut());
                let scheme = if exchange.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                let request = std::mem::take(&mut *request).into_request();
                if upgrade {
                    let (request, accept) = h2::websocket(request, scheme)?;
                    Message::Http2(Box::new(Spare::new(request)), Some(accept))
                } else {
                    Message::Http2(Box::new(Spare::new(h2::request(request, scheme)?)), None)
                }
            }
        };
        // What waits for the answer is held by thousands of connections at once.
        drop(request);
        // Why the address before gave nothing, and who watched.
        let mut watched: Option<T::Guard> = None;
        let mut last = Error::NoTarget;
        let mut repeated = false;
        loop {
            let Target { address, mut guard } = match targets.next() {
                Next::Target(target) => target,
                Next::Pause(pause) => {
                    if let Some(mut guard) = watched.take() {
                        guard.moved_on(&last);
                    }
                    Box::pin(tokio::time::sleep(pause)).await;
                    continue;
                }
                Next::Nobody => break,
            };
            if let Some(mut guard) = watched.take() {
                guard.moved_on(&last);
            }
            let timeouts = exchange.timeouts;
            let peer = Peer { address, tls: exchange.tls.as_ref() };
            let failed = match message {
                Message::Http1(mut sending) => {
                    let asked = Asked { method: &method, peer, timeouts, interim: exchange.interim.as_ref() };
                    match h1::attempt(&self.pool, &asked, &mut sending, || targets.may_repeat()).await {
                        Ok((head, lease)) => {
                            let upgrade = Upgrade { asked: upgrade, client, address };
                            return finish(head, lease, sending, guard, upgrade, exchange);
                        }
                        Err(failed) => {
                            message = Message::Http1(sending);
                            failed
                        }
                    }
                }
                Message::Http2(spare, accept) => {
                    let attempt = h2::attempt(&self.pool, peer, &spare, timeouts, || targets.may_repeat());
                    match (Box::pin(attempt).await, accept) {
                        (Ok((response, place)), Some(accept)) if response.status() == StatusCode::OK => {
                            let upgrade = Upgrade { asked: upgrade, client, address };
                            let opened = finish_websocket(response, place, accept, guard, upgrade, exchange);
                            return Box::pin(opened).await;
                        }
                        (Ok((response, place)), _) => return Ok(finish_h2(response, place, guard, exchange)),
                        (Err(failed), accept) => {
                            message = Message::Http2(spare, accept);
                            failed
                        }
                    }
                }
            };
            match failed {
                Failed::Unsent(error) => {
                    last = error;
                    watched = Some(guard);
                }
                // Once: what ends one program after the other must come to an end itself.
                Failed::NoAnswer(error) if !repeated && targets.may_repeat() => {
                    repeated = true;
                    last = error;
                    watched = Some(guard);
                }
                Failed::NoAnswer(error) | Failed::Lost(error) => {
                    guard.failed(&error);
                    return Err(error);
                }
            }
        }
        if let Some(mut guard) = watched {
            guard.failed(&last);
        }
        Err(last)
    }
}

/// A request in the form in which it is sent.
enum Message {
    Http1(Sending),
    /// With what the answer to HTTP/1.1 shows, if it is a WebSocket.
    Http2(Box<Spare>, Option<HeaderValue>),
}

/// What is known about a switch of protocols.
struct Upgrade {
    asked: bool,
    client: Option<OnUpgrade>,
    address: SocketAddr,
}

fn finish<G: Guard>(
    head: ResponseHead,
    lease: Lease,
    sending: Sending,
    mut guard: G,
    upgrade: Upgrade,
    exchange: &Exchange,
) -> Result<Answer<G>, Error> {
    let ResponseHead { status, version, mut headers, present, framing, persistent, .. } = head;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        guard.responded(status);
        headers::received(&mut headers, present, version);
        let reading = Reading::new(lease, BodyDecoder::new(framing), sending, persistent);
        let body = Body::http1(reading, guard, exchange.timeouts.idle, head.event_stream);
        let dated = present.has(Present::DATE);
        return Ok(Answer { status, headers, dated, body, takeover: None });
    }
    if !upgrade.asked {
        let error = Error::Unasked { address: upgrade.address };
        guard.failed(&error);
        return Err(error);
    }
    guard.responded(status);
    let mut map = headers.into_map();
    let websocket = map.get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    headers::response(&mut map, present, version, true);
    guard.upgraded();
    let (before, stream) = lease.wire.into_parts();
    let target = Prefixed::new(before.freeze(), stream);
    let (client, takeover) = side_of(upgrade.client);
    tokio::spawn(tunnel::run(client, target, guard, websocket, exchange.timeouts.upgrade_idle));
    Ok(Answer { status, dated: true, headers: map.into(), body: Body::empty(), takeover })
}

/// The client's side of a tunnel.
fn side_of(client: Option<OnUpgrade>) -> (Client, Option<Takeover>) {
    let Some(client) = client else {
        let (give, take) = oneshot::channel();
        return (Client::Given(take), Some(Takeover::new(give)));
    };
    (Client::Hyper(client), None)
}

/// A WebSocket on a stream of HTTP/2, in the words of HTTP/1.1.
async fn finish_websocket<G: Guard>(
    response: Response<hyper::body::Incoming>,
    place: h2::Place,
    accept: HeaderValue,
    mut guard: G,
    upgrade: Upgrade,
    exchange: &Exchange,
) -> Result<Answer<G>, Error> {
    let status = StatusCode::SWITCHING_PROTOCOLS;
    let mut headers = response.headers().clone();
    let version = response.version();
    let stream = match hyper::upgrade::on(response).await {
        Ok(stream) => TokioIo::new(stream),
        Err(error) => {
            let error = Error::Broken { address: upgrade.address, source: io::Error::other(error) };
            guard.failed(&error);
            return Err(error);
        }
    };
    guard.responded(status);
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    let present = Present::of(&headers);
    headers::response(&mut headers, present, version, true);
    guard.upgraded();
    let (client, takeover) = side_of(upgrade.client);
    let tunnel = tunnel::run(client, stream, guard, true, exchange.timeouts.upgrade_idle);
    tokio::spawn(async move {
        tunnel.await;
        drop(place);
    });
    Ok(Answer { status, dated: true, headers: headers.into(), body: Body::empty(), takeover })
}

fn finish_h2<G: Guard>(
    response: Response<hyper::body::Incoming>,
    place: h2::Place,
    mut guard: G,
    exchange: &Exchange,
) -> Answer<G> {
    let (mut parts, incoming) = response.into_parts();
    guard.responded(parts.status);
    let present = Present::of(&parts.headers);
    headers::response(&mut parts.headers, present, parts.version, false);
    let ends_on_close = is_event_stream(&parts.headers);
    let body = Body::http2(incoming, place, guard, exchange.timeouts.idle, ends_on_close);
    let dated = present.has(Present::DATE);
    Answer { status: parts.status, headers: parts.headers.into(), dated, body, takeover: None }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    const KIND: &[u8] = b"text/event-stream";
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().get(..KIND.len()).is_some_and(|start| start.eq_ignore_ascii_case(KIND))
    })
}
