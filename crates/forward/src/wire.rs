//! One HTTP/1.1 connection to a target.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use fairway_http1::HeadScanner;
use fairway_http1::encode::Outgoing;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::error::Error;
use crate::stream::{Peer, Stream};
use crate::timer::Timer;
use crate::tls::Tls;

/// How much is read at once through the stack. A page with its head mostly fits.
const SOME: usize = 20 * 1024;
/// How much is read at once when more than that comes.
const MUCH: usize = 64 * 1024;

/// A connection that speaks HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    /// What was read and not yet understood.
    pub(crate) bytes: BytesMut,
    pub(crate) scanner: HeadScanner,
    pub(crate) timer: Timer,
    /// Whether the last read took all that it could.
    plenty: bool,
}

impl Wire {
    /// Connects.
    pub(crate) async fn dial(peer: Peer<'_>, limit: Option<Duration>) -> Result<Self, Error> {
        let stream = peer.connect(limit).await?;
        Ok(Self {
            stream,
            bytes: BytesMut::new(),
            scanner: HeadScanner::default(),
            timer: Timer::default(),
            plenty: false,
        })
    }

    /// Whether an idle connection is of use: the target has neither closed it nor said anything unasked. `certain` asks
    /// the system, too; otherwise only what the runtime has noticed counts.
    pub(crate) fn is_quiet(&mut self, certain: bool) -> bool {
        self.bytes.is_empty() && self.stream.is_quiet(certain)
    }

    /// Whether it is in TLS of this kind, or not in TLS.
    pub(crate) fn is_of(&self, tls: Option<&Tls>) -> bool {
        self.stream.is_of(tls)
    }

    /// Whether a write that failed has sent nothing.
    pub(crate) fn fails_whole(&self) -> bool {
        self.stream.fails_whole()
    }

    /// Reads more; 0 at the end.
    ///
    /// The first piece goes through the stack into memory of just its size: hundreds of connections that each read into
    /// a large buffer of their own would not fit into any cache, and would hold that memory while they are idle.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.plenty {
            self.bytes.reserve(MUCH);
            let count = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.bytes))?;
            self.plenty = count >= SOME;
            return Poll::Ready(Ok(count));
        }
        let mut space = [const { MaybeUninit::uninit() }; SOME];
        let mut piece = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        let count = piece.filled().len();
        self.plenty = count == SOME;
        self.bytes.extend_from_slice(piece.filled());
        Poll::Ready(Ok(count))
    }

    /// Writes all of it.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outgoing) -> Poll<io::Result<()>> {
        while out.left() > 0 {
            let stream = Pin::new(&mut self.stream);
            let wrote = match out.one_slice() {
                Some(bytes) => stream.poll_write(cx, bytes),
                None => stream.poll_write_vectored(cx, &out.slices()),
            };
            let wrote = ready!(wrote)?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            out.wrote(wrote);
        }
        Poll::Ready(Ok(()))
    }

    /// The stream itself, for a tunnel, and what was read of it already.
    pub(crate) fn into_parts(self) -> (BytesMut, Stream) {
        (self.bytes, self.stream)
    }
}
