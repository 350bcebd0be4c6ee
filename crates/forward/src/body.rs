//! The body of a response on its way to the client.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fairway_http1::{BodyDecoder, Decoded};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::h1::Sending;
use crate::h2::Place;
use crate::idle::Idle;
use crate::pool::Lease;
use crate::target::{Closing, Ending, Guard};

/// The body of a forwarded response. It owns the connection and the guard until its end.
pub struct Body<G: Guard = ()> {
    inner: Inner,
    open: Option<Open<G>>,
}

enum Inner {
    Empty,
    /// All that there was came with the head.
    Whole(Bytes),
    Http1(Box<Reading>),
    Http2 {
        body: Incoming,
        /// Given back when the body goes.
        _place: Place,
    },
}

struct Open<G> {
    guard: G,
    idle: Idle,
    closing: Option<Closing>,
}

/// A response that is read from its connection, while the rest of the request is still sent.
pub(crate) struct Reading {
    lease: Lease,
    decoder: BodyDecoder,
    /// What is left of the request.
    sending: Option<Sending>,
    /// Whether the connection may be used again.
    persistent: bool,
}

impl Reading {
    pub(crate) fn new(lease: Lease, decoder: BodyDecoder, sending: Sending, persistent: bool) -> Self {
        let sending = (!sending.is_sent()).then_some(sending);
        Self { lease, decoder, sending, persistent }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(sending) = &mut self.sending
            && let Poll::Ready(sent) = sending.poll_rest(cx, &mut self.lease.wire)
        {
            self.sending = None;
            self.persistent &= sent;
        }
        let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        loop {
            match self.decoder.decode(&mut self.lease.wire.bytes) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(error) => return Poll::Ready(Some(Err(broken(error)))),
            }
            match std::task::ready!(self.lease.wire.poll_fill(cx)) {
                Ok(0) => {
                    return Poll::Ready(self.decoder.closed().err().map(|error| Err(broken(error))));
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Gives the connection back if it can be used again.
    fn done(self) {
        if self.persistent && self.sending.is_none() {
            self.lease.release();
        }
    }
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The target broke off.
    #[error("the answer broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The target sent nothing for too long.
    #[error("nothing of the answer came for {} ms", .0.as_millis())]
    Idle(Duration),
}

impl<G: Guard> Body<G> {
    /// `ends_on_close`: whether the body may be ended early without the client taking it for complete.
    pub(crate) fn http1(mut reading: Reading, guard: G, idle: Option<Duration>, ends_on_close: bool) -> Self {
        // Most bodies came whole with their head: then the connection is free before the client has any of it.
        if reading.sending.is_none() {
            let length = reading.decoder.left();
            let whole = match length {
                Some(0) => Some(Bytes::new()),
                Some(left) if left <= reading.lease.wire.bytes.len() as u64 => {
                    match reading.decoder.decode(&mut reading.lease.wire.bytes) {
                        Ok(Decoded::Data(data)) => Some(data),
                        _ => None,
                    }
                }
                _ => None,
            };
            if let Some(whole) = whole {
                if guard.keeps_connection() {
                    reading.done();
                }
                let over = whole.is_empty();
                let mut body = Self::open(Inner::Whole(whole), guard, None, false);
                if over {
                    body.finish(Ending::Complete);
                }
                return body;
            }
        }
        Self::open(Inner::Http1(Box::new(reading)), guard, idle, ends_on_close)
    }

    pub(crate) fn http2(
        incoming: Incoming,
        place: Place,
        guard: G,
        idle: Option<Duration>,
        ends_on_close: bool,
    ) -> Self {
        let over = incoming.is_end_stream();
        let mut body = Self::open(Inner::Http2 { body: incoming, _place: place }, guard, idle, ends_on_close);
        if over {
            body.finish(Ending::Complete);
        }
        body
    }

    fn open(inner: Inner, guard: G, idle: Option<Duration>, ends_on_close: bool) -> Self {
        let closing = if ends_on_close { guard.closing() } else { None };
        Self { inner, open: Some(Open { guard, idle: Idle::new(idle), closing }) }
    }

    /// Nothing, with nobody to tell: of a response that became a tunnel.
    pub(crate) fn empty() -> Self {
        Self { inner: Inner::Empty, open: None }
    }

    fn finish(&mut self, ending: Ending) {
        if let Some(mut open) = self.open.take() {
            open.guard.ended(ending);
            // An HTTP/2 body still tells its length to whoever asks.
            if matches!(self.inner, Inner::Http2 { .. }) {
                return;
            }
            if let Inner::Http1(reading) = std::mem::replace(&mut self.inner, Inner::Empty)
                && ending == Ending::Complete
                && open.guard.keeps_connection()
            {
                reading.done();
            }
        }
    }
}

type Step = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl<G: Guard> HttpBody for Body<G> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let this = self.get_mut();
        let polled = match &mut this.inner {
            Inner::Empty => return Poll::Ready(None),
            Inner::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                this.finish(Ending::Complete);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Inner::Http1(reading) => reading.poll_frame(cx).map_err(|error| BodyError::Broken(error.into())),
            Inner::Http2 { body, .. } => {
                Pin::new(body).poll_frame(cx).map_err(|error| BodyError::Broken(error.into()))
            }
        };
        let Some(open) = &mut this.open else { return Poll::Ready(None) };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                open.idle.reset();
                // Whoever sends a body of known length does not ask again after its last piece.
                let over = match &this.inner {
                    Inner::Http1(reading) => frame.is_trailers() || reading.decoder.is_over(),
                    Inner::Http2 { body, .. } => body.is_end_stream(),
                    Inner::Empty | Inner::Whole(_) => true,
                };
                if over {
                    this.finish(Ending::Complete);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.finish(Ending::Broken);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.finish(Ending::Complete);
                Poll::Ready(None)
            }
            Poll::Pending => {
                if let Some(closing) = &mut open.closing
                    && closing.as_mut().poll(cx).is_ready()
                {
                    this.finish(Ending::Closed);
                    return Poll::Ready(None);
                }
                if let Poll::Ready(limit) = open.idle.poll(cx) {
                    this.finish(Ending::Idle);
                    return Poll::Ready(Some(Err(BodyError::Idle(limit))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Whole(bytes) => bytes.is_empty(),
            Inner::Http1(reading) => self.open.is_none() || reading.decoder.is_over(),
            Inner::Http2 { body, .. } => self.open.is_none() || body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Http1(reading) => reading.decoder.left().map_or_else(SizeHint::new, SizeHint::with_exact),
            Inner::Http2 { body, .. } => body.size_hint(),
        }
    }
}

impl<G: Guard> Drop for Body<G> {
    fn drop(&mut self) {
        self.finish(Ending::ClientGone);
    }
}

impl<G: Guard> fmt::Debug for Body<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("open", &self.open.is_some()).finish_non_exhaustive()
    }
}
