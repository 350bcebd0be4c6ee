//! The first frame of a server of HTTP/2: how many streams it takes, and whether WebSockets on them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// How long the head of a frame is (RFC 9113, 4.1).
const HEAD: usize = 9;
/// The type of frames with settings.
const SETTINGS: u8 = 4;
/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, 6.5.2); without it there is no limit.
const STREAMS: u16 = 3;
/// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, 3).
const CONNECT_PROTOCOL: u16 = 8;

/// What a server takes on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Takes {
    /// Streams at the same time.
    pub(crate) streams: usize,
    /// Whether WebSockets may be among them.
    pub(crate) connect: bool,
}

/// Becomes known with the server's first frame, which holds its settings (RFC 9113, 3.4). What it says later is not
/// heard.
pub(crate) type Heard = watch::Receiver<Option<Takes>>;

/// A stream whose first frame is looked at as it passes.
pub(crate) struct Overheard<S> {
    stream: S,
    ear: Option<Ear>,
}

struct Ear {
    heard: Vec<u8>,
    tell: watch::Sender<Option<Takes>>,
}

impl<S> Overheard<S> {
    pub(crate) fn new(stream: S) -> (Self, Heard) {
        let (tell, heard) = watch::channel(None);
        (Self { stream, ear: Some(Ear { heard: Vec::new(), tell }) }, heard)
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Some(ear) = &mut self.ear else { return };
        ear.heard.extend_from_slice(bytes);
        if let Some(takes) = takes(&ear.heard) {
            ear.tell.send_replace(Some(takes));
            self.ear = None;
        }
    }
}

/// What the first frame says; nothing as long as it is not whole.
fn takes(bytes: &[u8]) -> Option<Takes> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    if head[3] != SETTINGS {
        return Some(Takes { streams: usize::MAX, connect: false });
    }
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let (settings, _) = rest.get(..length)?.as_chunks::<6>();
    let last = |name: u16| {
        let mut values = settings.iter().filter(|[a, b, ..]| [*a, *b] == name.to_be_bytes());
        values.next_back().map(|[_, _, value @ ..]| u32::from_be_bytes(*value))
    };
    let streams = last(STREAMS).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    Some(Takes { streams, connect: last(CONNECT_PROTOCOL) == Some(1) })
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.hear(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of this type with these settings.
    fn frame(kind: u8, settings: &[(u16, u32)]) -> Vec<u8> {
        let length = u8::try_from(settings.len() * 6).unwrap();
        let mut bytes = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        for (name, value) in settings {
            bytes.extend(name.to_be_bytes());
            bytes.extend(value.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn what_the_first_frame_says() {
        let check = |frame: Vec<u8>, streams: usize, connect: bool| {
            let expect = Takes { streams, connect };
            for part in 0..frame.len() {
                let early = takes(&frame[..part]);
                assert!(early.is_none() || early == Some(expect) && frame[3] != SETTINGS, "{part}");
            }
            assert_eq!(takes(&frame), Some(expect), "{frame:?}");
            assert_eq!(takes(&[frame, vec![0; 20]].concat()), Some(expect));
        };
        check(frame(SETTINGS, &[]), usize::MAX, false);
        check(frame(SETTINGS, &[(3, 100), (8, 1)]), 100, true);
        check(frame(SETTINGS, &[(8, 1), (4, 65_536)]), usize::MAX, true);
        check(frame(SETTINGS, &[(8, 0), (3, 7), (3, 0)]), 0, false);
        check(frame(SETTINGS, &[(8, 1), (8, 0)]), usize::MAX, false);
        check(frame(SETTINGS, &[(1, 8), (0x0108, 1)]), usize::MAX, false);
        check(frame(0, &[(3, 1), (8, 1)]), usize::MAX, false);
    }
}
