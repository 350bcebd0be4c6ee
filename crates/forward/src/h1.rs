//! One request over one HTTP/1.1 connection, up to the head of its response.
//!
//! Writing and reading are one state machine in the caller's own task: a response may come before the request is sent
//! to its end, and no task has to be woken to pass anything on.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fairway_http1::encode::{self, CHUNK_END, Outgoing, chunk_start, last_chunk};
use fairway_http1::{Framing, HeadError, Headers, Present, ResponseHead, response_head};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;

use crate::error::Error;
use crate::exchange::{Interim, Timeouts};
use crate::headers::Added;
use crate::inbound::Inbound;
use crate::pool::Lease;
use crate::request_body::RequestBody;
use crate::stream::Peer;
use crate::wire::Wire;

/// How many interim responses an exchange may have. Nobody needs more; a target that sends them without end is broken.
const MOST_INTERIM: usize = 32;
/// How many fields the head of a response may have.
const MOST_FIELDS: usize = 256;

/// Room for a head that is kept for the next one.
const KEPT: usize = 8 * 1024;

thread_local! {
    /// What heads are written in. Of thousands of exchanges few are on their way to a target at the same time.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A request on its way: its head as bytes, then its body.
#[derive(Debug)]
pub(crate) struct Sending {
    out: Outgoing,
    body: RequestBody,
    chunked: bool,
    /// Whether the body was asked for its first piece.
    begun: bool,
    /// Whether all of the body is in `out` or written.
    complete: bool,
    /// Whether sending waits for the client, and since when it is waited for anybody.
    awaits_client: bool,
    since: Option<Instant>,
}

/// Why sending ended early.
enum Unsendable {
    /// The body could not be read.
    Client,
    /// The connection could not be written to.
    Target(io::Error),
}

impl Sending {
    /// A request of which nothing is sent. `head`: its encoded head, which says `framing`.
    pub(crate) fn new(head: Vec<u8>, body: RequestBody, framing: Framing) -> Self {
        let complete = body.is_end_stream();
        Self {
            out: Outgoing::new(head),
            body,
            chunked: framing == Framing::Chunked,
            begun: complete,
            complete,
            awaits_client: false,
            since: None,
        }
    }

    /// Begins again over another connection. Only what [`Sending::is_head_only`] or of which nothing was written can.
    fn rewind(&mut self) {
        self.out.rewind();
        self.since = None;
    }

    /// A failure after something was sent: lost, unless it got no answer and does no harm when it is sent twice.
    fn after(&mut self, failed: Failed, harmless: bool) -> Failed {
        match failed {
            Failed::NoAnswer(_) if harmless => {
                self.rewind();
                failed
            }
            failed => Failed::Lost(failed.into_error()),
        }
    }

    /// Whether the request has no body, so that it is here as long as its head is.
    fn is_head_only(&self) -> bool {
        self.complete && self.out.data.is_empty() && self.out.end.is_empty()
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.complete && self.out.left() == 0
    }

    /// Whether its head is whole.
    fn is_untouched(&self) -> bool {
        self.out.written() == 0 && !self.out.start.is_empty()
    }

    /// Sends on; ready when all of it is sent.
    fn poll(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<Result<(), Unsendable>> {
        loop {
            // The first piece goes with the head, in one call.
            if !self.complete && (!self.begun || self.out.left() == 0) {
                self.begun = true;
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(frame) => {
                        self.awaits_client = false;
                        self.take(frame.transpose().map_err(|_| Unsendable::Client)?);
                    }
                    Poll::Pending if self.out.left() == 0 => {
                        if !self.awaits_client {
                            self.awaits_client = true;
                            self.since = None;
                        }
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            if self.out.left() > 0 {
                let before = self.out.written();
                let wrote = wire.poll_write(cx, &mut self.out).map_err(Unsendable::Target);
                if self.out.written() > before {
                    self.since = None;
                }
                ready!(wrote)?;
            }
            if self.is_sent() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn take(&mut self, frame: Option<http_body::Frame<bytes::Bytes>>) {
        if self.out.left() == 0 {
            self.out.clear();
        }
        let Some(frame) = frame else {
            self.complete = true;
            if self.chunked {
                last_chunk(&mut self.out.start, None);
            }
            return;
        };
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                if self.chunked {
                    chunk_start(&mut self.out.start, data.len());
                    self.out.end = CHUNK_END;
                } else {
                    self.complete = self.body.is_end_stream();
                }
                self.out.data = data;
            }
            Err(frame) => {
                self.complete = true;
                if self.chunked {
                    last_chunk(&mut self.out.start, frame.trailers_ref());
                }
            }
        }
    }

    /// Sends what is left while the response is being read already. Errors are of no interest: the response is there.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<bool> {
        self.poll(cx, wire).map(|sent| sent.is_ok())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut spare = std::mem::take(&mut self.out.start);
        if spare.capacity() <= KEPT {
            spare.clear();
            // Not at the end of the thread.
            let _ = SPARE.try_with(|kept| kept.set(spare));
        }
    }
}

/// Why an attempt gave no response.
pub(crate) enum Failed {
    /// Not a byte of the request was written, or the target says that it has not looked at it, or nobody has read it and
    /// it may be sent twice.
    Unsent(Error),
    /// The connection ended without a byte of a response, and the request may be sent twice.
    NoAnswer(Error),
    /// Anything else.
    Lost(Error),
}

impl Failed {
    /// Whether there was no answer because the connection was reset.
    pub(crate) fn is_reset(&self) -> bool {
        let (Self::Unsent(error) | Self::NoAnswer(error)) = self else { return false };
        let Error::Broken { source, .. } = error else { return false };
        matches!(source.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Unsent(error) | Self::NoAnswer(error) | Self::Lost(error) => error,
        }
    }
}

/// What an exchange is about.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) peer: Peer<'a>,
    pub(crate) timeouts: Timeouts,
    pub(crate) interim: Option<&'a Interim>,
}

/// Sends over idle connections as long as they turn out to be closed, then over a new one. Returns the connection, the
/// head of the response and what is still to be sent. After [`Failed::Unsent`] and [`Failed::NoAnswer`] it may be sent
/// again.
pub(crate) async fn attempt(
    pool: &std::sync::Arc<crate::pool::Pool>,
    asked: &Asked<'_>,
    sending: &mut Sending,
    mut may_repeat: impl FnMut() -> bool,
) -> Result<(ResponseHead, Lease), Failed> {
    let harmless = asked.method.is_idempotent() && sending.is_head_only();
    while let Some(mut lease) = pool.take(asked.peer, !harmless) {
        match exchange(&mut lease, asked, sending, pool.head_bytes).await {
            Ok(head) => return Ok((head, lease)),
            Err(Failed::Unsent(_)) => sending.rewind(),
            Err(Failed::NoAnswer(_)) if harmless && may_repeat() => {
                sending.rewind();
                break;
            }
            Err(failed) => return Err(sending.after(failed, harmless)),
        }
    }
    // Rare, and large while it lasts.
    let mut lease = match Box::pin(pool.dial(asked.peer, asked.timeouts.connect)).await {
        Ok(lease) => lease,
        Err(error) => return Err(Failed::Unsent(error)),
    };
    sending.since = None;
    match exchange(&mut lease, asked, sending, pool.head_bytes).await {
        Ok(head) => Ok((head, lease)),
        // The kernel accepts for a program until that has ended, and resets what the program has not read.
        Err(failed) if harmless && failed.is_reset() => {
            sending.rewind();
            Err(Failed::Unsent(failed.into_error()))
        }
        // A connection that was accepted and closed at once is no refused dial: somebody is there.
        Err(Failed::Unsent(error)) => Err(sending.after(Failed::NoAnswer(error), harmless)),
        Err(failed) => Err(sending.after(failed, harmless)),
    }
}

async fn exchange(
    lease: &mut Lease,
    asked: &Asked<'_>,
    sending: &mut Sending,
    head_bytes: usize,
) -> Result<ResponseHead, Failed> {
    let address = asked.peer.address;
    let broken = |source| Error::Broken { address, source };
    let mut unwritable: Option<io::Error> = None;
    let mut interims = 0;
    let wire = &mut *lease.wire;
    poll_fn(|cx| {
        if unwritable.is_none() && !sending.is_sent() {
            match sending.poll(cx, wire) {
                Poll::Ready(Err(Unsendable::Client)) => {
                    return Poll::Ready(Err(Failed::Lost(Error::ClientGone)));
                }
                // What the target said before it closed the connection may still be there to be read.
                Poll::Ready(Err(Unsendable::Target(error))) => unwritable = Some(error),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        loop {
            let head = match poll_head(cx, wire, asked.method, head_bytes) {
                Poll::Pending => break,
                Poll::Ready(head) => head,
            };
            let error = match head {
                Ok(head) if is_interim(head.status) => {
                    interims += 1;
                    if interims > MOST_INTERIM {
                        let words = "interim responses without end";
                        return Poll::Ready(Err(Failed::Lost(broken(io::Error::other(words)))));
                    }
                    if let Some(interim) = asked.interim {
                        interim.add(head.status, head.headers.into_map());
                    }
                    continue;
                }
                Ok(head) => return Poll::Ready(Ok(head)),
                Err(error) => error,
            };
            let ended = matches!(error, Unreadable::Ended(_));
            let source = unwritable.take().unwrap_or(match error {
                Unreadable::Ended(source) => source,
                Unreadable::Malformed(why) => io::Error::new(io::ErrorKind::InvalidData, why),
            });
            return Poll::Ready(Err(match () {
                () if sending.is_untouched() && wire.fails_whole() && ended => Failed::Unsent(broken(source)),
                () if ended && wire.bytes.is_empty() && interims == 0 => Failed::NoAnswer(broken(source)),
                () => Failed::Lost(broken(source)),
            }));
        }
        let (limit, client) = match (sending.is_sent(), sending.awaits_client) {
            (true, _) => (asked.timeouts.header, false),
            (false, client) => (asked.timeouts.idle, client),
        };
        let Some(after) = limit else { return Poll::Pending };
        ready!(wire.timer.poll(cx, *sending.since.get_or_insert_with(Instant::now) + after));
        Poll::Ready(Err(Failed::Lost(if client {
            Error::ClientSlow { after }
        } else {
            Error::HeaderTimeout { address, after }
        })))
    })
    .await
}

/// Whether another response follows. 101 is the last one.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

enum Unreadable {
    Ended(io::Error),
    Malformed(HeadError),
}

fn poll_head(
    cx: &mut Context<'_>,
    wire: &mut Wire,
    method: &Method,
    head_bytes: usize,
) -> Poll<Result<ResponseHead, Unreadable>> {
    loop {
        if let Some(end) = wire.scanner.find(&wire.bytes, head_bytes).map_err(Unreadable::Malformed)? {
            wire.scanner = Default::default();
            let head = wire.bytes.split_to(end).freeze();
            return Poll::Ready(response_head(&head, method, MOST_FIELDS).map_err(Unreadable::Malformed));
        }
        match ready!(wire.poll_fill(cx)) {
            Ok(0) => return Poll::Ready(Err(Unreadable::Ended(io::ErrorKind::UnexpectedEof.into()))),
            Ok(_) => {}
            Err(error) => return Poll::Ready(Err(Unreadable::Ended(error))),
        }
    }
}

/// The head of a request as bytes, and how its body is framed.
pub(crate) fn encode(request: &Inbound, added: &Added) -> (Vec<u8>, Framing) {
    let body = request.body();
    let framing = if body.is_end_stream() {
        // `Content-Length: 0` stays: some servers want one with every POST.
        let zero = match &request.headers {
            Headers::Lines(lines) => lines.present().has(Present::CONTENT_LENGTH),
            Headers::Map(map) => map.get(CONTENT_LENGTH).is_some_and(|length| length == "0"),
        };
        if zero { Framing::Length(0) } else { Framing::Empty }
    } else {
        body.size_hint().exact().map_or(Framing::Chunked, Framing::Length)
    };
    let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut head = SPARE.take();
    encode::request(&mut head, request.method(), target, &request.headers, &added.lines(), framing);
    (head, framing)
}
