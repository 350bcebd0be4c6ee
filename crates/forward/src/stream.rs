//! The bytes between this side and a target, in TLS or not.

use std::io::{self, IoSlice, Read};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::tls::{Tls, TlsError};

/// Whom to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<&'a Tls>,
}

impl Peer<'_> {
    /// A connection without delay for small messages. The limit holds for all of it.
    pub(crate) async fn connect(self, limit: Option<Duration>) -> Result<Stream, Error> {
        let Some(after) = limit else { return self.dial().await };
        let address = self.address;
        timeout(after, self.dial()).await.map_err(|_| Error::ConnectTimeout { address, after })?
    }

    async fn dial(self) -> Result<Stream, Error> {
        let Self { address, tls } = self;
        let refused = |source| Error::Refused { address, source };
        let stream = TcpStream::connect(address).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let Some(tls) = tls else { return Ok(Stream::Clear(stream)) };
        let secured = tls.secure(stream).await;
        let stream = secured.map_err(|TlsError { fault, source }| Error::Tls { address, fault, source })?;
        Ok(Stream::Secure(Box::new(Secure { stream, tls: tls.clone(), unflushed: false })))
    }
}

/// A connection to a target.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(TcpStream),
    Secure(Box<Secure>),
}

impl Stream {
    /// Whether it was made with this.
    pub(crate) fn is_of(&self, tls: Option<&Tls>) -> bool {
        match (self, tls) {
            (Self::Clear(_), None) => true,
            (Self::Secure(secure), Some(tls)) => secure.tls == *tls,
            _ => false,
        }
    }

    /// Whether a write that failed has sent nothing. What TLS made of it may have gone in part.
    pub(crate) fn fails_whole(&self) -> bool {
        matches!(self, Self::Clear(_))
    }

    /// Whether the target has neither closed it nor said anything unasked. `certain` asks the system, too; otherwise only
    /// what the runtime has noticed counts.
    pub(crate) fn is_quiet(&mut self, certain: bool) -> bool {
        match self {
            Self::Clear(stream) => {
                let mut byte = [0; 1];
                would_block(&stream.try_read(&mut byte))
                    && (!certain || would_block(&peek(stream, &mut byte)))
            }
            Self::Secure(secure) => secure.is_quiet(),
        }
    }
}

fn would_block(read: &io::Result<usize>) -> bool {
    matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn peek(stream: &TcpStream, byte: &mut [u8]) -> io::Result<usize> {
    let (count, _) = recv(stream, byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(count)
}

/// A connection in TLS.
#[derive(Debug)]
pub(crate) struct Secure {
    stream: TlsStream<TcpStream>,
    tls: Tls,
    /// Whether records of what was written may still be here.
    unflushed: bool,
}

impl Secure {
    /// Reads what the system has: tickets for later sessions may come at any time, and are no words.
    fn is_quiet(&mut self) -> bool {
        let (socket, session) = self.stream.get_mut();
        loop {
            match session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
                _ => return false,
            }
            match session.read_tls(&mut Now(socket)) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// Reads without waiting, whatever the runtime has noticed.
struct Now<'a>(&'a TcpStream);

impl Read for Now<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (count, _) = recv(self.0, buf, RecvFlags::DONTWAIT)?;
        Ok(count)
    }
}

impl AsyncRead for Secure {
    /// Whoever waits for an answer has sent all of the question.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // What can't be sent is no reason not to read what was answered.
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(secure) => Pin::new(&mut **secure).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(secure) => {
                secure.unflushed = true;
                Pin::new(&mut secure.stream).poll_write(cx, buf)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Secure(secure) => {
                secure.unflushed = true;
                Pin::new(&mut secure.stream).poll_write_vectored(cx, bufs)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Secure(secure) => secure.stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_shutdown(cx),
        }
    }
}
