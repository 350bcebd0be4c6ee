//! One HTTP/1.1 connection to a target.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use fairway_http1::HeadScanner;
use fairway_http1::encode::Outgoing;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::io::poll_read_buf;

use crate::error::Error;
use crate::timer::Timer;

/// How much is read at once through the stack. A page with its head mostly fits.
const SOME: usize = 20 * 1024;
/// How much is read at once when more than that comes.
const MUCH: usize = 64 * 1024;

/// A connection that speaks HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// What was read and not yet understood.
    pub(crate) bytes: BytesMut,
    pub(crate) scanner: HeadScanner,
    pub(crate) timer: Timer,
    /// Whether the last read took all that it could.
    plenty: bool,
}

impl Wire {
    /// Connects.
    pub(crate) async fn dial(address: SocketAddr, limit: Option<Duration>) -> Result<Self, Error> {
        let stream = connect(address, limit).await?;
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
    pub(crate) fn is_quiet(&self, certain: bool) -> bool {
        let mut byte = [0; 1];
        let quiet =
            |read: io::Result<usize>| matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.bytes.is_empty()
            && quiet(self.stream.try_read(&mut byte))
            && (!certain
                || quiet(
                    rustix::net::recv(
                        &self.stream,
                        &mut byte[..],
                        rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT,
                    )
                    .map(|(count, _)| count)
                    .map_err(io::Error::from),
                ))
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
            let wrote = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &out.slices()))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            out.wrote(wrote);
        }
        Poll::Ready(Ok(()))
    }

    /// The stream itself, for a tunnel, and what was read of it already.
    pub(crate) fn into_parts(self) -> (BytesMut, TcpStream) {
        (self.bytes, self.stream)
    }
}

/// A connection without delay for small messages.
pub(crate) async fn connect(address: SocketAddr, limit: Option<Duration>) -> Result<TcpStream, Error> {
    let connecting = TcpStream::connect(address);
    let connected = match limit {
        Some(after) => {
            timeout(after, connecting).await.map_err(|_| Error::ConnectTimeout { address, after })?
        }
        None => connecting.await,
    };
    let refused = |source| Error::Refused { address, source };
    let stream = connected.map_err(refused)?;
    stream.set_nodelay(true).map_err(refused)?;
    Ok(stream)
}
