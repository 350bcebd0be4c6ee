//! Where requests go, and who watches them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use http::StatusCode;

use crate::error::Error;

/// Completes when an exchange that would not end by itself should end, with the time that a client has to answer a
/// goodbye.
pub type Closing = Pin<Box<dyn Future<Output = Duration> + Send>>;

/// Gives addresses to try, one after the other.
pub trait Targets: Send {
    /// What accompanies an exchange with one of them.
    type Guard: Guard;

    /// What to do next. It is asked when the request is ready to be sent, and again only when no connection could be made
    /// to the address before, when nobody there has looked at it or it may be repeated, or when a pause is over.
    fn next(&mut self) -> Next<Self::Guard>;

    /// Whether a request that harms nobody when it is sent twice may be, because the connection that it was sent on ended
    /// without an answer. A budget may say no.
    fn may_repeat(&mut self) -> bool {
        true
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Next<G> {
    /// Try this address.
    Target(Target<G>),
    /// Wait, then ask again.
    Pause(Duration),
    /// Give up.
    Nobody,
}

impl<G> From<Option<Target<G>>> for Next<G> {
    fn from(target: Option<Target<G>>) -> Self {
        target.map_or(Self::Nobody, Self::Target)
    }
}

/// An address to try.
#[derive(Debug)]
pub struct Target<G> {
    /// Where to connect to.
    pub address: SocketAddr,
    /// Lives as long as the exchange with this address.
    pub guard: G,
}

/// Accompanies one exchange with one address: created before it begins, dropped when it is over.
pub trait Guard: Send + Unpin + 'static {
    /// The head of the response has arrived.
    fn responded(&mut self, _status: StatusCode) {}
    /// The exchange has become a tunnel.
    fn upgraded(&mut self) {}
    /// No connection could be made, or it ended without an answer; the exchange goes on elsewhere.
    fn moved_on(&mut self, _error: &Error) {}
    /// The exchange failed before the head of a response.
    fn failed(&mut self, _error: &Error) {}
    /// The exchange ended after the head of its response. Called once; if not, the exchange was given up before.
    fn ended(&mut self, _ending: Ending) {}
    /// Asked for at most once, for event streams and tunnels: when the future completes they are ended in their own
    /// way.
    fn closing(&self) -> Option<Closing> {
        None
    }
    /// Whether the connection is worth keeping once the exchange is complete.
    fn keeps_connection(&self) -> bool {
        true
    }
}

/// How an exchange ended after the head of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it went through.
    Complete,
    /// It was ended because [`Guard::closing`] said so.
    Closed,
    /// The client went away, or whoever held the body dropped it.
    ClientGone,
    /// The target broke off.
    Broken,
    /// Nothing came for too long.
    Idle,
}

impl Guard for () {}

impl Targets for &[SocketAddr] {
    type Guard = ();

    fn next(&mut self) -> Next<()> {
        let Some((first, rest)) = self.split_first() else { return Next::Nobody };
        *self = rest;
        Next::Target(Target { address: *first, guard: () })
    }
}

impl Targets for SocketAddr {
    type Guard = ();

    fn next(&mut self) -> Next<()> {
        // Port 0 marks the address as used: nothing can be connected to on it.
        let address = std::mem::replace(self, SocketAddr::from(([0, 0, 0, 0], 0)));
        (address.port() != 0).then_some(Target { address, guard: () }).into()
    }
}
