//! An upgraded connection: bytes both ways until one side is done.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::idle::Idle;
use crate::target::{Closing, Ending, Guard};
use crate::websocket::{CLOSE_RESTART, Frames};

type Stream = TokioIo<Upgraded>;

/// Waits for both sides to switch and copies until the end. `websocket`: whether the frames can be followed.
pub(crate) async fn run<G: Guard>(
    client: OnUpgrade,
    target: OnUpgrade,
    mut guard: G,
    websocket: bool,
    idle: Option<Duration>,
) {
    let (mut client, mut target) = match tokio::join!(client, target) {
        (Ok(client), Ok(target)) => (TokioIo::new(client), TokioIo::new(target)),
        (Err(_), _) => return guard.ended(Ending::ClientGone),
        (_, Err(_)) => return guard.ended(Ending::Broken),
    };
    let mut tunnel = Tunnel {
        up: Flow::default(),
        down: Flow::default(),
        frames: websocket.then(Frames::default),
        idle: Idle::new(idle),
        closing: guard.closing(),
        farewell: None,
    };
    let ending = poll_fn(|cx| tunnel.poll(cx, &mut client, &mut target)).await;
    guard.ended(ending);
}

struct Tunnel {
    /// From the client to the target.
    up: Flow,
    /// From the target to the client.
    down: Flow,
    /// Where the target is within its frames; none if these are not WebSocket frames.
    frames: Option<Frames>,
    idle: Idle,
    closing: Option<Closing>,
    /// Runs once the client has been told goodbye: what the target sends is dropped from then on, and the client has
    /// this long to answer.
    farewell: Option<Idle>,
}

impl Tunnel {
    fn poll(&mut self, cx: &mut Context<'_>, client: &mut Stream, target: &mut Stream) -> Poll<Ending> {
        let mut moved = false;
        if let Some(closing) = &mut self.closing
            && let Poll::Ready(grace) = closing.as_mut().poll(cx)
        {
            self.closing = None;
            self.say_goodbye(grace);
        }
        let up = self.up.poll(cx, client, target, &mut moved, |_| Pass::All);
        let farewell = &mut self.farewell;
        let frames = &mut self.frames;
        let down = self.down.poll(cx, target, client, &mut moved, |bytes| {
            match (farewell.is_some(), frames.as_mut()) {
                (true, Some(frames)) => {
                    // The rest of the frame that had begun goes through, then the goodbye, then nothing.
                    let boundary = frames.first_boundary(bytes);
                    frames.follow(&bytes[..boundary]);
                    if frames.at_boundary() && boundary > 0 && !frames.is_closed() {
                        Pass::ThenGoodbye(boundary)
                    } else {
                        Pass::UpTo(boundary)
                    }
                }
                (true, None) => Pass::UpTo(0),
                (false, Some(frames)) => {
                    frames.follow(bytes);
                    Pass::All
                }
                (false, None) => Pass::All,
            }
        });
        match (up, down) {
            (Poll::Ready(Err(side)), _) => return Poll::Ready(side.of(Way::Up)),
            (_, Poll::Ready(Err(side))) => return Poll::Ready(side.of(Way::Down)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(if self.farewell.is_some() { Ending::Closed } else { Ending::Complete });
            }
            // The client has answered the goodbye and is gone; the target has nobody to talk to.
            (Poll::Ready(Ok(())), Poll::Pending) if self.farewell.is_some() => {
                return Poll::Ready(Ending::Closed);
            }
            _ => {}
        }
        if let Some(farewell) = &mut self.farewell {
            return farewell.poll(cx).map(|_| Ending::Closed);
        }
        if moved {
            self.idle.reset();
        }
        self.idle.poll(cx).map(|_| Ending::Idle)
    }

    fn say_goodbye(&mut self, grace: Duration) {
        self.farewell = Some(Idle::new(Some(grace)));
        match &self.frames {
            Some(frames) if frames.is_closed() => {}
            Some(frames) if frames.at_boundary() => self.down.waiting.extend(CLOSE_RESTART),
            // Within a frame: the goodbye follows its end.
            Some(_) => {}
            // Nobody knows how this protocol says goodbye.
            None => self.down.ended = true,
        }
    }
}

/// What of some bytes goes on.
enum Pass {
    All,
    UpTo(usize),
    ThenGoodbye(usize),
}

enum Way {
    Up,
    Down,
}

/// Where a flow broke.
enum Side {
    Reading,
    Writing,
}

impl Side {
    fn of(self, way: Way) -> Ending {
        match (self, way) {
            (Self::Reading, Way::Up) | (Self::Writing, Way::Down) => Ending::ClientGone,
            (Self::Reading, Way::Down) | (Self::Writing, Way::Up) => Ending::Broken,
        }
    }
}

/// One direction. It holds memory only while the receiver is slower than the sender.
#[derive(Default)]
struct Flow {
    waiting: Vec<u8>,
    written: usize,
    unflushed: bool,
    ended: bool,
    shut: bool,
}

impl Flow {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        moved: &mut bool,
        mut pass: impl FnMut(&[u8]) -> Pass,
    ) -> Poll<Result<(), Side>> {
        loop {
            if self.shut {
                return Poll::Ready(Ok(()));
            }
            if self.written < self.waiting.len() {
                let piece = &self.waiting[self.written..];
                let count = ready!(Pin::new(&mut *to).poll_write(cx, piece)).and_then(nonzero);
                self.written += count.map_err(|_| Side::Writing)?;
                self.unflushed = true;
                *moved = true;
                continue;
            }
            if !self.waiting.is_empty() {
                self.waiting = Vec::new();
                self.written = 0;
            }
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Side::Writing)?;
                self.shut = true;
                continue;
            }
            let mut space = [const { MaybeUninit::uninit() }; 8192];
            let mut piece = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *from).poll_read(cx, &mut piece) {
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Side::Writing)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Side::Reading)),
                Poll::Ready(Ok(())) => {}
            }
            *moved = true;
            let bytes = piece.filled();
            if bytes.is_empty() {
                self.ended = true;
                continue;
            }
            let bytes = match pass(bytes) {
                Pass::All => bytes,
                Pass::UpTo(end) => &bytes[..end],
                Pass::ThenGoodbye(end) => {
                    self.waiting.extend(&bytes[..end]);
                    self.waiting.extend(CLOSE_RESTART);
                    continue;
                }
            };
            // Straight on if the receiver takes it; only what it does not take is kept.
            let mut taken = 0;
            while taken < bytes.len() {
                match Pin::new(&mut *to).poll_write(cx, &bytes[taken..]) {
                    Poll::Ready(count) => taken += count.and_then(nonzero).map_err(|_| Side::Writing)?,
                    Poll::Pending => break,
                }
            }
            self.unflushed = true;
            self.waiting.extend(&bytes[taken..]);
        }
    }
}

fn nonzero(count: usize) -> io::Result<usize> {
    if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
}
