//! Handing the listeners over to a successor, so that an upgrade loses no connection.
//!
//! # How it goes
//!
//! A running edge listens on `<home>/edge/handover.sock` (this user only). Both sides speak lines of JSON ([`Asks`] is
//! what the successor says, [`Says`] what the predecessor answers):
//!
//! ```text
//! successor                                      predecessor
//! hello {formats, version, pid}  ──────────────▶ its tables stand still from here on
//!                 ◀── bequest {format, version, pid, listeners, descriptors}, with the descriptors (SCM_RIGHTS)
//! reads the stored tables, prepares its sockets
//! ready                          ──────────────▶
//!                                ◀────────────── yours {stats}
//! accepts, moves its control socket into place
//! serving                        ──────────────▶ stops accepting and lets go of the lock
//! ```
//!
//! * **Sockets, not addresses, change hands.** They are never closed, so whoever is in a queue stays in it and is
//!   accepted by one of the two. Ports that the edge chose stay what they are.
//! * **The home has one owner at any moment.** The descriptor of the locked file goes with the listeners, so there is
//!   no moment without a lock.
//! * **Until `serving` nothing has happened.** A successor that ends before it, however it ends, leaves a predecessor
//!   that serves on; one that is not `ready` in time is refused. A predecessor that dies once everything was
//!   sent leaves a successor that has everything.
//! * **One at a time.** Another successor is refused while one is being served, and afterwards.
//!
//! # Afterwards
//!
//! The predecessor departs: connections of HTTP/1.1 are told `connection: close` with their next answer, those
//! without a request are closed only in the second half of the shutdown grace, one after the other; HTTP/2 gets
//! GOAWAY; WebSockets get 1012 and event streams their end, spread as their tables say. What is under way may take
//! the hand-over grace. Until it ends it *follows*: the two keep their connection, and
//!
//! * every table that the successor takes is read by the predecessor before the successor answers, so that instances
//!   that left get no new request from either of them;
//! * what is in flight in the predecessor is told ten times a second and with each table, and is part of the
//!   successor's stats: an instance is not idle before it is idle in both;
//! * a request to close an instance, or to end, reaches both.
//!
//! Counters are not handed over: those of the successor start at zero.

mod bequeath;
mod depart;
mod inherit;
mod predecessor;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fairway_protocol::edge::Stats;
use serde::{Deserialize, Serialize};

pub(crate) use bequeath::{Estate, HandoverSocket};
pub(crate) use depart::Heir;
pub(crate) use inherit::{Inheritance, TakeOver, take_over};
pub(crate) use predecessor::Predecessor;

use crate::state::DoorKey;

/// Format of what is said. A predecessor is asked in all that its successor knows and chooses one.
const FORMAT: u32 = 1;
/// How long either side waits for the next word of the other until the hand-over is done.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the predecessor says what is in flight.
const REPORT: Duration = Duration::from_millis(100);

fn socket_in(home: &Path) -> PathBuf {
    home.join("edge").join("handover.sock")
}

/// What a successor says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asks {
    /// It would like to have the listeners.
    Hello { formats: Vec<u32>, version: String, pid: u32 },
    /// It could serve at once.
    Ready,
    /// It accepts, and its control socket is in place.
    Serving,
    /// The stored tables have changed.
    Follow { number: u64 },
    /// An instance is to be closed.
    Close { environment: String, id: String, grace_ms: u64 },
    /// It ends, and nobody comes after it.
    End { grace_ms: u64 },
}

/// What a predecessor says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Says {
    /// What there is to inherit. The descriptors are that of the lock and then the sockets, in the order of listeners.
    Bequest { format: u32, version: String, pid: u32, listeners: Vec<Bequeathed>, descriptors: usize },
    /// Nothing changes hands.
    Refused { why: String },
    /// Everything belongs to the successor now; this is in flight here.
    Yours { stats: Stats },
    /// This is in flight here.
    Stats { stats: Stats },
    /// The tables of that number are followed, and this is in flight here.
    Followed { number: u64, stats: Stats },
}

/// One listener.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Bequeathed {
    /// For a port that the edge chose: whose listener it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Owner>,
    /// What was asked for.
    address: SocketAddr,
    /// Where it is.
    bound: SocketAddr,
    /// How many sockets share the address.
    sockets: usize,
}

/// A listener of an environment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Owner {
    environment: String,
    listener: String,
}

impl Bequeathed {
    fn new(key: &DoorKey, bound: SocketAddr, sockets: usize) -> Self {
        let of = match key {
            DoorKey::Address(_) => None,
            DoorKey::Chosen(environment, listener, _) => {
                Some(Owner { environment: environment.clone(), listener: listener.clone() })
            }
        };
        Self { of, address: key.address(), bound, sockets }
    }

    fn key(&self) -> DoorKey {
        match &self.of {
            None => DoorKey::Address(self.address),
            Some(Owner { environment, listener }) => {
                DoorKey::Chosen(environment.clone(), listener.clone(), self.address)
            }
        }
    }
}

/// What of these numbers a successor has to know: whatever is in flight.
fn in_flight(mut stats: Stats) -> Stats {
    stats.environments.retain(|_, environment| {
        environment.services.retain(|_, service| {
            service.instances.retain(|_, instance| instance.in_flight > 0);
            !service.instances.is_empty() || service.waiting > 0
        });
        !environment.services.is_empty()
    });
    stats
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
