//! An upgraded connection: bytes both ways until one side is done.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::duplex::Duplex;
use crate::idle::Idle;
use crate::target::{Closing, Ending, Guard};
use crate::websocket::{CLOSE_RESTART, Frames};

/// How long one side of a WebSocket may stay when the other one is gone.
const LINGER: Duration = Duration::from_secs(5);

type ClientStream = Box<dyn Duplex>;

/// Where the client's side of a tunnel comes from.
pub(crate) enum Client {
    /// hyper's server gives it once it has sent the response.
    Hyper(OnUpgrade),
    /// Another server gives it through a [`Takeover`].
    Given(oneshot::Receiver<ClientStream>),
}

/// Waits in the extensions of a response 101 for the stream of the client's connection.
#[derive(Clone)]
pub struct Takeover(Arc<Mutex<Option<oneshot::Sender<ClientStream>>>>);

impl Takeover {
    pub(crate) fn new(give: oneshot::Sender<ClientStream>) -> Self {
        Self(Arc::new(Mutex::new(Some(give))))
    }

    /// Gives the stream, once the head of the response is written. The tunnel runs on its own from then on.
    pub fn give(self, stream: impl Duplex + 'static) {
        if let Some(give) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody takes it: the tunnel's task was ended with its runtime.
            let _ = give.send(Box::new(stream));
        }
    }
}

impl std::fmt::Debug for Takeover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Takeover").finish_non_exhaustive()
    }
}

/// Waits for the client's side and copies until the end. `websocket`: whether the frames can be followed.
pub(crate) async fn run<G: Guard>(
    client: Client,
    mut target: impl Duplex,
    mut guard: G,
    websocket: bool,
    idle: Option<Duration>,
) {
    let client: Option<ClientStream> = match client {
        Client::Hyper(client) => client.await.ok().map(|client| Box::new(TokioIo::new(client)) as _),
        Client::Given(client) => client.await.ok(),
    };
    let Some(mut client) = client else { return guard.ended(Ending::ClientGone) };
    let mut tunnel = Tunnel {
        up: Flow::default(),
        down: Flow::default(),
        frames: websocket.then(Frames::default),
        said: websocket.then(Frames::default),
        idle: Idle::new(idle),
        closing: guard.closing(),
        farewell: None,
        linger: None,
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
    /// The same of the client.
    said: Option<Frames>,
    idle: Idle,
    closing: Option<Closing>,
    /// Runs once the client is told goodbye: it has this long to answer.
    farewell: Option<Idle>,
    /// Runs once one side is done.
    linger: Option<Idle>,
}

impl Tunnel {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut ClientStream,
        target: &mut impl Duplex,
    ) -> Poll<Ending> {
        let mut moved = false;
        if let Some(closing) = &mut self.closing
            && let Poll::Ready(grace) = closing.as_mut().poll(cx)
        {
            self.closing = None;
            self.say_goodbye(grace);
        }
        let said = &mut self.said;
        let up = self.up.poll(cx, client, target, &mut moved, |bytes| {
            if let Some(frames) = said.as_mut() {
                frames.follow(bytes);
            }
            Pass::All
        });
        let leaving = self.farewell.is_some();
        let frames = &mut self.frames;
        let down = self.down.poll(cx, target, client, &mut moved, |bytes| {
            let Some(frames) = frames.as_mut() else { return Pass::All };
            if !leaving {
                frames.follow(bytes);
                return Pass::All;
            }
            // The rest of the frame that had begun, then the goodbye, then nothing.
            let boundary = frames.first_boundary(bytes);
            frames.follow(&bytes[..boundary]);
            if frames.at_boundary() { Pass::ThenGoodbye(boundary) } else { Pass::All }
        });
        match (up, down) {
            (Poll::Ready(Err(side)), _) => return Poll::Ready(side.of(Way::Up)),
            (_, Poll::Ready(Err(side))) => return Poll::Ready(side.of(Way::Down)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(if self.farewell.is_some() { Ending::Closed } else { Ending::Complete });
            }
            // Both have said goodbye and all of it is delivered.
            (Poll::Pending, Poll::Ready(Ok(())))
                if self.up.is_empty() && self.said.as_ref().is_some_and(Frames::is_closed) =>
            {
                return Poll::Ready(if self.farewell.is_some() { Ending::Closed } else { Ending::Complete });
            }
            // The client has answered the goodbye and is gone; the target has nobody to talk to.
            (Poll::Ready(Ok(())), Poll::Pending) if self.farewell.is_some() => {
                return Poll::Ready(Ending::Closed);
            }
            // One side of a WebSocket is done; the other one has nobody to talk to and should notice.
            (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) if self.frames.is_some() => {
                self.linger.get_or_insert_with(|| Idle::new(Some(LINGER)));
            }
            _ => {}
        }
        if let Some(farewell) = &mut self.farewell {
            return farewell.poll(cx).map(|_| Ending::Closed);
        }
        if let Some(linger) = &mut self.linger {
            return linger.poll(cx).map(|_| Ending::Complete);
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
            Some(frames) if frames.at_boundary() => self.down.goodbye(),
            // Within a frame: the goodbye follows its end.
            Some(_) => {}
            // Nobody knows how this protocol says goodbye.
            None => self.down.ended = true,
        }
    }
}

/// What of some bytes goes on.
enum Pass {
    /// All of it.
    All,
    /// So many of them, then the goodbye, then the end.
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
    /// Whether everything that was read is written.
    fn is_empty(&self) -> bool {
        self.written == self.waiting.len()
    }

    /// The close frame, and then the end: a client waits for the server to close the connection first.
    fn goodbye(&mut self) {
        self.waiting.extend(CLOSE_RESTART);
        self.ended = true;
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        moved: &mut bool,
        mut pass: impl FnMut(&[u8]) -> Pass,
    ) -> Poll<Result<(), Side>> {
        loop {
            if self.shut {
                return Poll::Ready(Ok(()));
            }
            if !self.is_empty() {
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
                Pass::ThenGoodbye(end) => {
                    self.waiting.extend(&bytes[..end]);
                    self.goodbye();
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
