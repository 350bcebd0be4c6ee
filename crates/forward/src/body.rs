//! The body of a response on its way to the client.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::idle::Idle;
use crate::pool::Lease;
use crate::target::{Closing, Ending, Guard};

/// The body of a forwarded response. It owns the connection and the guard until its end.
pub struct Body<G: Guard = ()> {
    inner: Incoming,
    open: Option<Open<G>>,
}

struct Open<G> {
    guard: G,
    lease: Lease,
    idle: Idle,
    closing: Option<Closing>,
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The target broke off.
    #[error("the answer broke off")]
    Broken(#[source] hyper::Error),
    /// The target sent nothing for too long.
    #[error("nothing of the answer came for {} ms", .0.as_millis())]
    Idle(Duration),
}

impl<G: Guard> Body<G> {
    /// `ends_on_close`: whether the body may be ended early without the client taking it for complete.
    pub(crate) fn new(
        inner: Incoming,
        guard: G,
        lease: Lease,
        idle: Option<Duration>,
        ends_on_close: bool,
    ) -> Self {
        let closing = if ends_on_close { guard.closing() } else { None };
        let mut body = Self { inner, open: Some(Open { guard, lease, idle: Idle::new(idle), closing }) };
        if body.inner.is_end_stream() {
            body.finish(Ending::Complete);
        }
        body
    }

    /// The body of a response that became a tunnel: nothing, and the guard is with the tunnel.
    pub(crate) fn tunnelled(inner: Incoming) -> Self {
        Self { inner, open: None }
    }

    fn finish(&mut self, ending: Ending) {
        if let Some(mut open) = self.open.take() {
            open.guard.ended(ending);
            if ending == Ending::Complete && open.guard.keeps_connection() {
                open.lease.release();
            }
        }
    }
}

impl<G: Guard> HttpBody for Body<G> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(open) = &mut this.open else { return Poll::Ready(None) };
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                open.idle.reset();
                // Whoever sends a body of known length does not ask again after its last piece.
                if this.inner.is_end_stream() {
                    this.finish(Ending::Complete);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.finish(Ending::Broken);
                Poll::Ready(Some(Err(BodyError::Broken(error))))
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
        self.open.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
