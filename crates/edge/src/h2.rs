//! HTTP/2 with a client (RFC 9113): hyper's server, with the limits that it does not have.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use fairway_forward::{Inbound, Prefixed};
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use crate::connection::Door;
use crate::line::SharedLine;
use crate::proxy::{self, Asking};
use crate::visitor::{Presence, Signal};

/// How a client says that it speaks HTTP/2 and knows that we do (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams of one connection at once.
const STREAMS: u32 = 250;
/// How much a client may send on one stream before its instance has taken it.
const WINDOW: u32 = 256 * 1024;

/// Whether the client begins with the preface of HTTP/2; none when it ends before that is clear. What it sent stays on
/// the line.
pub(crate) async fn is_chosen(door: &Door, line: &SharedLine, presence: &Presence) -> Option<bool> {
    let begun = Instant::now();
    poll_fn(|cx| {
        let mut guard = line.lock();
        let line = &mut *guard;
        loop {
            let common = line.bytes.len().min(PREFACE.len());
            if line.bytes[..common] != PREFACE[..common] {
                return Poll::Ready(Some(false));
            }
            if common == PREFACE.len() {
                return Poll::Ready(Some(true));
            }
            match line.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        let told = presence.visitor.heed(cx);
        if told == Signal::Cut || (told == Signal::Finish && line.bytes.is_empty()) {
            return Poll::Ready(None);
        }
        let settings = &door.shared.settings;
        let limit = if line.bytes.is_empty() { settings.keep_alive } else { settings.head_timeout };
        line.timer.poll(cx, begun + limit).map(|()| None)
    })
    .await
}

/// Serves a connection until it ends.
pub(crate) async fn serve(door: Arc<Door>, line: SharedLine, presence: Presence) {
    let Some((before, io)) = line.lock().take() else { return };
    let settings = &door.shared.settings;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 4)
        .max_header_list_size(u32::try_from(settings.head_bytes).unwrap_or(u32::MAX))
        // A client that vanished without a word, or takes nothing, is noticed.
        .keep_alive_interval(settings.keep_alive / 3)
        .keep_alive_timeout(settings.head_timeout);
    // Odd while a stream is open: see the loop below.
    let busy = Arc::new(Busy::default());
    let service = service_fn(|request: Request<Incoming>| {
        let door = Arc::clone(&door);
        let counted = Busy::begin(&busy);
        async move {
            let stream = door.worker.visitors.welcome();
            let asking = Asking { door: &door, visitor: &stream.visitor, interim: None, line: None };
            let reply = proxy::answer(asking, Box::new(Inbound::from(request))).await;
            Ok::<_, Infallible>(reply.into_response().map(|body| body.of_stream(stream, counted)))
        }
    });
    let stream = TokioIo::new(Prefixed::new(before, io));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut told = Signal::Stay;
    let mut idle = pin!(tokio::time::sleep(settings.keep_alive));
    let ended = poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        let now = presence.visitor.heed(cx);
        if now > told {
            told = now;
            if now == Signal::Cut {
                return Poll::Ready(None);
            }
            connection.as_mut().graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        if idle.as_mut().poll(cx).is_ready() {
            let rest = settings.keep_alive.saturating_sub(busy.idle_for());
            if rest.is_zero() && told == Signal::Stay {
                told = Signal::Finish;
                connection.as_mut().graceful_shutdown();
                cx.waker().wake_by_ref();
            }
            idle.as_mut().reset(Instant::now() + rest.max(Duration::from_secs(1)));
        }
        Poll::Pending
    })
    .await;
    if let Some(Err(error)) = ended {
        tracing::debug!(client = %door.client, %error, "connection ended");
    }
}

/// What hyper lets through and a server of HTTP/1.1 behind could take for something else; and cookies that came in
/// pieces, of which HTTP/1.1 has one header (RFC 9113, 8.2.3).
pub(crate) fn check(request: &mut Inbound, most_fields: usize) -> Result<(), (StatusCode, &'static str)> {
    let bad = |words| Err((StatusCode::BAD_REQUEST, words));
    if request.headers().len() > most_fields {
        return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many header fields"));
    }
    if let Some(authority) = request.uri().authority() {
        if authority.as_str().contains('@') {
            return bad("the authority names a user");
        }
        let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        if !request.headers().get_all(HOST).iter().all(same) {
            return bad("the Host header is not the authority");
        }
    }
    let digits =
        |length: &HeaderValue| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if !request.headers().get_all(CONTENT_LENGTH).iter().all(digits) {
        return bad("the Content-Length of the request is not a number");
    }
    let cookies: Vec<&[u8]> = request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(one) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        request.headers_mut().insert(COOKIE, one);
    }
    Ok(())
}

/// Whether streams are open on a connection, and since when none is.
#[derive(Debug)]
pub(crate) struct Busy {
    begun: Instant,
    open: AtomicU64,
    /// Milliseconds after `begun`.
    last: AtomicU64,
}

impl Default for Busy {
    fn default() -> Self {
        Self { begun: Instant::now(), open: AtomicU64::new(0), last: AtomicU64::new(0) }
    }
}

impl Busy {
    fn begin(self: &Arc<Self>) -> Counted {
        self.open.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    fn idle_for(&self) -> Duration {
        if self.open.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Busy>);

impl Drop for Counted {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(now, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
