//! A client's socket with the limits that hyper does not have.
//!
//! hyper has one limit for the head of a request, and it runs while a connection is idle, too. Here a connection may be
//! idle for long, but a head that has begun must arrive soon; and a client that takes nothing of its answer is cut off.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// When the first byte came since a head was last waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstByte(Arc<Mutex<Option<Instant>>>);

impl FirstByte {
    fn came(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }

    fn await_next(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    first_byte: FirstByte,
    stall_timeout: Duration,
    /// Runs while the client takes nothing.
    stall: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, first_byte: FirstByte, stall_timeout: Duration) -> Self {
        Self { stream, first_byte, stall_timeout, stall: None }
    }

    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let limit = self.stall_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        stall.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.first_byte.came();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Gives hyper its time. The only limit that hyper is given is the one for heads, as the time that a connection may
/// be idle; once a head has begun the shorter limit holds.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    pub(crate) first_byte: FirstByte,
    pub(crate) head_timeout: Duration,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, idle: Instant) -> Pin<Box<dyn Sleep>> {
        self.first_byte.await_next();
        Box::pin(HeadSleep {
            first_byte: self.first_byte.clone(),
            head_timeout: self.head_timeout,
            idle,
            inner: Box::pin(tokio::time::sleep_until(idle.into())),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, idle: Instant) {
        *sleep = self.sleep_until(idle);
    }
}

struct HeadSleep {
    first_byte: FirstByte,
    head_timeout: Duration,
    idle: Instant,
    inner: Pin<Box<tokio::time::Sleep>>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // hyper polls after every read that did not complete the head, so the first byte is noticed in time.
        let deadline = this.first_byte.at().map_or(this.idle, |at| at + this.head_timeout);
        if this.inner.deadline().into_std() != deadline {
            this.inner.as_mut().reset(deadline.into());
        }
        this.inner.as_mut().poll(cx)
    }
}
