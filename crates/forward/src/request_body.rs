//! The body of a request on its way to the target.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::spare::Copied;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a request: one that hyper received, any other, or none.
pub struct RequestBody {
    inner: Inner,
    progress: Option<Progress>,
}

enum Inner {
    Empty,
    Incoming(Incoming),
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
    Copied(Copied),
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self { inner: Inner::Empty, progress: None }
    }

    /// Any body.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self { inner: Inner::Boxed(body.map_err(Into::into).boxed_unsync()), progress: None }
    }

    pub(crate) fn copied(body: Copied) -> Self {
        Self { inner: Inner::Copied(body), progress: None }
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// What becomes known of its progress; nothing for an empty body.
    pub(crate) fn track(&mut self) -> Option<Progress> {
        if self.is_empty() {
            return None;
        }
        Some(self.progress.get_or_insert_with(Progress::new).clone())
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Incoming> for RequestBody {
    fn from(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self { inner: Inner::Incoming(body), progress: None }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::new(http_body_util::Full::new(bytes))
    }
}

impl From<()> for RequestBody {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = match &mut this.inner {
            Inner::Empty => Poll::Ready(None),
            Inner::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Inner::Boxed(body) => Pin::new(body).poll_frame(cx),
            Inner::Copied(body) => body.poll_frame(cx),
        };
        if let Some(progress) = &this.progress {
            progress.note(match &polled {
                Poll::Pending => Stage::AwaitsClient,
                Poll::Ready(Some(Ok(_))) if !this.is_end_stream() => Stage::AwaitsTarget,
                Poll::Ready(Some(Ok(_)) | None) => Stage::Sent,
                Poll::Ready(Some(Err(_))) => Stage::ClientGone,
            });
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Incoming(body) => body.is_end_stream(),
            Inner::Boxed(body) => body.is_end_stream(),
            Inner::Copied(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Incoming(body) => body.size_hint(),
            Inner::Boxed(body) => body.size_hint(),
            Inner::Copied(body) => body.size_hint(),
        }
    }
}

/// Where the sending of a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The client has to send more.
    AwaitsClient,
    /// The target has to take what is there.
    AwaitsTarget,
    /// All of it is sent.
    Sent,
    /// The client broke off.
    ClientGone,
}

/// Shared between the body, which the connection's task polls, and the exchange, which waits for the response.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Mutex<(Stage, Instant)>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((Stage::AwaitsTarget, Instant::now()))))
    }

    fn note(&self, stage: Stage) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Being polled again while nothing has come is no progress.
        if at.0 != stage || stage == Stage::AwaitsTarget {
            *at = (stage, Instant::now());
        }
    }

    /// The stage and since when it lasts.
    pub(crate) fn at(&self) -> (Stage, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
