//! What a server of HTTP/2 says of itself: how many streams it takes, and whether WebSockets on them.
//!
//! hyper knows it and does not tell, so it is overheard.

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

impl Default for Takes {
    fn default() -> Self {
        Self { streams: usize::MAX, connect: false }
    }
}

impl Takes {
    /// After these settings; what they do not name stays.
    fn changed(mut self, settings: &[u8]) -> Self {
        let (settings, _) = settings.as_chunks::<6>();
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                STREAMS => self.streams = usize::try_from(value).unwrap_or(usize::MAX),
                CONNECT_PROTOCOL => self.connect = value == 1,
                _ => {}
            }
        }
        self
    }
}

/// Becomes known with the server's first frame, which holds its settings (RFC 9113, 3.4), and follows all that it says
/// later.
pub(crate) type Heard = watch::Receiver<Option<Takes>>;

/// A stream whose frames are looked at as they pass.
pub(crate) struct Overheard<S> {
    stream: S,
    ear: Ear,
    tell: watch::Sender<Option<Takes>>,
}

/// Tells settings from all else.
#[derive(Default)]
struct Ear {
    /// What has come of a frame: its head, and the settings in it.
    part: Vec<u8>,
    /// How much passes unheard before the next frame.
    passing: usize,
    heard: Option<Takes>,
}

impl<S> Overheard<S> {
    pub(crate) fn new(stream: S) -> (Self, Heard) {
        let (tell, heard) = watch::channel(None);
        (Self { stream, ear: Ear::default(), tell }, heard)
    }

    fn hear(&mut self, bytes: &[u8]) {
        let before = self.ear.heard;
        self.ear.hear(bytes);
        if self.ear.heard != before {
            self.tell.send_replace(self.ear.heard);
        }
    }
}

impl Ear {
    fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let passed = self.passing.min(bytes.len());
                self.passing -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let missing = self.frame().map_or(HEAD, |(_, length)| HEAD + length) - self.part.len();
            let (some, rest) = bytes.split_at(missing.min(bytes.len()));
            self.part.extend_from_slice(some);
            bytes = rest;
            self.settle();
        }
    }

    /// The type of the frame and the length of what follows its head.
    fn frame(&self) -> Option<(u8, usize)> {
        let [a, b, c, kind, ..] = *self.part.first_chunk::<HEAD>()?;
        Some((kind, usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
    }

    /// Goes on to the next frame if this one has been heard.
    fn settle(&mut self) {
        let Some((kind, length)) = self.frame() else { return };
        if kind == SETTINGS && self.part.len() < HEAD + length {
            return;
        }
        // A first frame of another type says nothing, which is an error of the server.
        let takes = self.heard.unwrap_or_default();
        if kind == SETTINGS {
            self.heard = Some(takes.changed(&self.part[HEAD..]));
        } else {
            self.heard = Some(takes);
            self.passing = length;
        }
        self.part.clear();
    }
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

    /// However the bytes come in pieces.
    fn check(frames: &[Vec<u8>], streams: usize, connect: bool) {
        let bytes = frames.concat();
        for size in 1..=bytes.len() {
            let mut ear = Ear::default();
            for piece in bytes.chunks(size) {
                ear.hear(piece);
            }
            assert_eq!(ear.heard, Some(Takes { streams, connect }), "{frames:?} by {size}");
        }
    }

    #[test]
    fn what_the_first_frame_says() {
        check(&[frame(SETTINGS, &[])], usize::MAX, false);
        check(&[frame(SETTINGS, &[(3, 100), (8, 1)])], 100, true);
        check(&[frame(SETTINGS, &[(8, 1), (4, 65_536)])], usize::MAX, true);
        check(&[frame(SETTINGS, &[(8, 0), (3, 7), (3, 0)])], 0, false);
        check(&[frame(SETTINGS, &[(8, 1), (8, 0)])], usize::MAX, false);
        check(&[frame(SETTINGS, &[(1, 8), (0x0108, 1)])], usize::MAX, false);
        check(&[frame(0, &[(3, 1), (8, 1)])], usize::MAX, false);
    }

    #[test]
    fn nothing_is_known_before_the_first_frame_is_whole() {
        let mut ear = Ear::default();
        let (last, others) = frame(SETTINGS, &[(3, 1)]).split_last().map(|(l, o)| (*l, o.to_vec())).unwrap();
        ear.hear(&others);
        assert_eq!(ear.heard, None);
        ear.hear(&[last]);
        assert_eq!(ear.heard, Some(Takes { streams: 1, connect: false }));
    }

    #[test]
    fn what_is_said_later_holds() {
        let first = frame(SETTINGS, &[(3, 100), (8, 1)]);
        // What is no frame with settings only looks like one inside.
        let data = frame(0, &[(0x0000, 0x0604_0000), (0, 3), (0, 1)]);
        let empty = frame(SETTINGS, &[]);
        check(&[first.clone(), data.clone(), empty.clone()], 100, true);
        check(&[first.clone(), data.clone(), frame(SETTINGS, &[(3, 1)]), data.clone()], 1, true);
        check(&[first, frame(SETTINGS, &[(3, 0)]), empty, data, frame(SETTINGS, &[(3, 5)])], 5, true);
    }
}
