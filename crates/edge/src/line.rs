//! A client's connection as bytes: plain or TLS, with what was read of it and not yet understood.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fairway_forward::Timer;
use fairway_http1::encode::Outgoing;
use fairway_http1::{BodyDecoder, Decoded, Framing};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

/// A socket, with or without TLS.
#[derive(Debug)]
pub(crate) enum Io {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What is wrong with the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// It came too slowly.
    Slow,
    /// It is larger than the route allows.
    TooLarge,
    /// Its chunks are malformed.
    Malformed,
    /// The client went away in the middle of it.
    Gone,
}

/// A connection of HTTP/1.1. The server and the body of the request under way share it; they are polled by one task.
#[derive(Debug)]
pub(crate) struct Line {
    io: Option<Io>,
    pub(crate) bytes: BytesMut,
    /// Whether the client will send nothing more.
    pub(crate) ended: bool,
    pub(crate) decoder: BodyDecoder,
    pub(crate) fault: Option<BodyFault>,
    /// How many bytes of the body have come, and how many may.
    pub(crate) received: u64,
    pub(crate) allowed: u64,
    pub(crate) timer: Timer,
    /// How long a client may take for the next piece of a body, or refuse to take any byte of its answer.
    stall_timeout: Duration,
    /// Since when nothing moved.
    stalled: Option<Instant>,
}

/// How the two of them hold it.
#[derive(Clone, Debug)]
pub(crate) struct SharedLine(Arc<Mutex<Line>>);

impl SharedLine {
    pub(crate) fn new(io: Io, bytes: BytesMut, stall_timeout: Duration) -> Self {
        Self(Arc::new(Mutex::new(Line {
            io: Some(io),
            bytes,
            ended: false,
            decoder: BodyDecoder::new(Framing::Empty),
            fault: None,
            received: 0,
            allowed: u64::MAX,
            timer: Timer::default(),
            stall_timeout,
            stalled: None,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Reads a little, through the stack: a connection that waits holds no memory for what may come.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(0)) };
        let mut space = [const { MaybeUninit::uninit() }; 8192];
        let mut piece = ReadBuf::uninit(&mut space);
        ready!(Pin::new(io).poll_read(cx, &mut piece))?;
        let count = piece.filled().len();
        self.bytes.extend_from_slice(piece.filled());
        self.ended |= count == 0;
        Poll::Ready(Ok(count))
    }

    /// Reads much.
    fn poll_fill_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(0)) };
        self.bytes.reserve(32 * 1024);
        let count = ready!(poll_read_buf(Pin::new(io), cx, &mut self.bytes))?;
        self.ended |= count == 0;
        Poll::Ready(Ok(count))
    }

    /// Ready when the client is gone. What it says meanwhile is kept, a little of it.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.bytes.is_empty() && self.decoder.is_over() && !self.ended {
            if ready!(self.poll_fill(cx)).is_err() {
                return Poll::Ready(());
            }
        }
        if self.ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Writes all of it; an error if the client takes nothing for too long.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outgoing) -> Poll<io::Result<()>> {
        while out.left() > 0 {
            let Some(io) = &mut self.io else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
            match Pin::new(io).poll_write_vectored(cx, &out.slices()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    out.wrote(count);
                    self.stalled = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_stall(cx).map(Err),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Pushes out what TLS holds back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(Io::Tls(stream)) => match Pin::new(stream).poll_flush(cx) {
                Poll::Pending => self.poll_stall(cx).map(Err),
                flushed => {
                    self.stalled = None;
                    flushed
                }
            },
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let since = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.timer.poll(cx, since + self.stall_timeout));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Says that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_shutdown(cx))
    }

    /// The stream, for a tunnel, and what was read of it already.
    pub(crate) fn take(&mut self) -> Option<(Bytes, Io)> {
        Some((std::mem::take(&mut self.bytes).freeze(), self.io.take()?))
    }

    /// A body begins.
    pub(crate) fn begin_body(&mut self, framing: Framing) {
        self.decoder = BodyDecoder::new(framing);
        self.fault = None;
        self.received = 0;
        self.allowed = u64::MAX;
        self.stalled = None;
    }
}

/// The body of a request as it comes over a line.
#[derive(Debug)]
pub(crate) struct LineBody(SharedLine);

impl LineBody {
    pub(crate) fn new(line: SharedLine) -> Self {
        Self(line)
    }
}

/// The reason is in [`Line::fault`].
#[derive(Debug, thiserror::Error)]
#[error("the body of the request can't be read: {0:?}")]
pub(crate) struct Unreadable(BodyFault);

impl Body for LineBody {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        let mut guard = self.0.lock();
        let line = &mut *guard;
        let fault = loop {
            if let Some(fault) = line.fault {
                break fault;
            }
            match line.decoder.decode(&mut line.bytes) {
                Ok(Decoded::Data(data)) => {
                    line.received += data.len() as u64;
                    if line.received > line.allowed {
                        break BodyFault::TooLarge;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(_) => break BodyFault::Malformed,
            }
            match line.poll_fill_body(cx) {
                Poll::Ready(Ok(count)) if count > 0 => line.stalled = None,
                Poll::Ready(_) => break BodyFault::Gone,
                Poll::Pending => {
                    ready!(line.poll_stall(cx));
                    break BodyFault::Slow;
                }
            }
        };
        line.fault = Some(fault);
        Poll::Ready(Some(Err(Unreadable(fault))))
    }

    fn is_end_stream(&self) -> bool {
        let line = self.0.lock();
        line.decoder.is_over() && line.fault.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().decoder.left().map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
