//! What is kept of a request over HTTP/2 until its answer begins, so that it can be sent again: hyper gives a request
//! back only if it never came to a connection.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::{Body as _, Frame, SizeHint};

use crate::request_body::{BoxError, RequestBody};

/// How many bytes of a body are kept. What is longer can't be sent again.
const KEPT: usize = 64 * 1024;

/// A request that can be sent, and sent again as long as all of it is here.
#[derive(Debug)]
pub(crate) struct Spare {
    head: Request<()>,
    /// Nothing for a request without a body.
    body: Option<Arc<Mutex<Source>>>,
}

impl Spare {
    pub(crate) fn new(request: Request<RequestBody>) -> Self {
        let (head, body) = request.into_parts();
        let body = (!body.is_empty()).then(|| Arc::new(Mutex::new(Source::new(body))));
        Self { head: Request::from_parts(head, ()), body }
    }

    pub(crate) fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request from its beginning. Whoever sends it already gets no more of its body.
    pub(crate) fn request(&self) -> Request<RequestBody> {
        let body = self.body.as_ref().map_or_else(RequestBody::empty, |source| {
            let copy = lock(source).begin();
            RequestBody::copied(Copied { source: Arc::clone(source), copy })
        });
        self.head.clone().map(|()| body)
    }

    /// Whether all of it is still here.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.as_ref().is_none_or(|source| lock(source).whole)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(source) = &self.body {
            lock(source).forget();
        }
    }
}

/// A body, and what was read of it.
#[derive(Debug)]
struct Source {
    rest: RequestBody,
    read: VecDeque<Piece>,
    /// How many bytes were read.
    size: usize,
    /// Whether all that was read is kept.
    whole: bool,
    /// The copy that is being sent, and how many pieces it has got of those that are kept.
    copy: usize,
    at: usize,
}

impl Source {
    fn new(body: RequestBody) -> Self {
        Self { rest: body, read: VecDeque::new(), size: 0, whole: true, copy: 0, at: 0 }
    }

    /// A copy from the beginning, instead of any before.
    fn begin(&mut self) -> usize {
        self.at = 0;
        self.copy += 1;
        self.copy
    }

    /// Keeps only what the copy has not got yet.
    fn forget(&mut self) {
        self.whole = false;
        self.read.drain(..self.at);
        self.at = 0;
    }

    /// The next of what was read before.
    fn next(&mut self) -> Option<Piece> {
        if !self.whole {
            return self.read.pop_front();
        }
        let piece = self.read.get(self.at)?.clone();
        self.at += 1;
        Some(piece)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(piece) = self.next() {
            return Poll::Ready(Some(Ok(piece.into_frame())));
        }
        let frame = ready!(Pin::new(&mut self.rest).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.keep(frame),
            Some(Err(_)) => self.forget(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        self.size += frame.data_ref().map_or(0, Bytes::len);
        if self.size > KEPT {
            self.forget();
        }
        if self.whole {
            self.read.extend(Piece::of(frame));
            self.at = self.read.len();
        }
    }

    fn left(&self) -> impl Iterator<Item = &Piece> {
        self.read.iter().skip(self.at)
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Piece {
    fn of(frame: &Frame<Bytes>) -> Option<Self> {
        let data = frame.data_ref().map(|data| Self::Data(data.clone()));
        data.or_else(|| frame.trailers_ref().map(|trailers| Self::Trailers(trailers.clone())))
    }

    fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }
}

/// The body of a [`Spare`] on its way.
#[derive(Debug)]
pub(crate) struct Copied {
    source: Arc<Mutex<Source>>,
    copy: usize,
}

impl Copied {
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut source = lock(&self.source);
        if source.copy != self.copy {
            return Poll::Ready(Some(Err("the request is sent elsewhere".into())));
        }
        source.poll(cx)
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let source = lock(&self.source);
        source.left().next().is_none() && source.rest.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let source = lock(&self.source);
        let left: u64 = source.left().map(Piece::len).sum();
        let rest = source.rest.size_hint();
        let mut size = SizeHint::new();
        size.set_lower(rest.lower() + left);
        if let Some(upper) = rest.upper() {
            size.set_upper(upper + left);
        }
        size
    }
}

fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// A request whose body comes in these pieces.
    fn spare<const N: usize>(pieces: [&'static str; N]) -> Spare {
        let pieces =
            pieces.map(|piece| Ok::<_, io::Error>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        let body = RequestBody::new(StreamBody::new(stream::iter(pieces)));
        Spare::new(Request::put("/orders").header("x-kept", "yes").body(body).expect("a request"))
    }

    async fn next(request: &mut Request<RequestBody>) -> Option<Result<Bytes, BoxError>> {
        let frame = request.body_mut().frame().await?;
        Some(frame.map(|frame| frame.into_data().expect("data")))
    }

    async fn rest(request: Request<RequestBody>) -> Bytes {
        request.into_body().collect().await.expect("a body").to_bytes()
    }

    #[tokio::test]
    async fn whoever_is_sent_anew_begins_anew_and_the_one_before_gets_no_more() {
        let spare = spare(["one ", "two ", "three"]);
        let mut first = spare.request();
        assert_eq!(next(&mut first).await.expect("a piece").expect("data"), "one ");
        let second = spare.request();
        assert!(next(&mut first).await.expect("an end").is_err());
        assert_eq!(second.headers()["x-kept"], "yes");
        assert_eq!(rest(second).await, "one two three");
        assert_eq!(rest(spare.request()).await, "one two three");
    }

    #[tokio::test]
    async fn what_is_not_kept_any_more_still_comes_to_its_end() {
        let spare = spare(["one ", "two ", "three"]);
        let mut first = spare.request();
        next(&mut first).await.expect("a piece").expect("data");
        next(&mut first).await.expect("a piece").expect("data");
        let mut second = spare.request();
        assert_eq!(next(&mut second).await.expect("a piece").expect("data"), "one ");
        drop(spare);
        assert_eq!(second.body().size_hint().lower(), "two ".len() as u64);
        assert_eq!(rest(second).await, "two three");
    }

    #[tokio::test]
    async fn so_much_is_kept_and_no_more() {
        const HALF: &str = match str::from_utf8(&[b'-'; KEPT / 2]) {
            Ok(half) => half,
            Err(_) => unreachable!(),
        };
        let kept = spare([HALF, HALF]);
        assert_eq!(rest(kept.request()).await.len(), KEPT);
        assert!(kept.is_whole());
        let long = spare([HALF, HALF, "!"]);
        assert_eq!(rest(long.request()).await.len(), KEPT + 1);
        assert!(!long.is_whole());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_whole() {
        let pieces = [Ok(Frame::data(Bytes::from_static(b"one"))), Err(io::Error::other("gone"))];
        let body = RequestBody::new(StreamBody::new(stream::iter(pieces)));
        let spare = Spare::new(Request::new(body));
        let mut request = spare.request();
        assert_eq!(next(&mut request).await.expect("a piece").expect("data"), "one");
        assert!(next(&mut request).await.expect("an end").is_err());
        assert!(!spare.is_whole());
    }
}
