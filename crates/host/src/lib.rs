//! The client of one host's agent: a target over a Unix socket.
//!
//! # Design
//!
//! [`Host`] speaks [`fairway_protocol::agent`] and is a [`fairway_target::Target`]. It holds no state that matters:
//! everything it asks may be asked again, by it or by another one, and ends in the same world. So a connection that
//! breaks, or an agent that is killed and started again in the middle of a call, is a reason to ask again for a
//! while ([`Host::with_patience`]) and not an error.
//!
//! Waiting for a release is asking for its next event and waiting for the answer. The same question tells the agent
//! that the caller lives; who drops the future stops asking, and the agent gives a release up that has not switched.
//!
//! [`Host::local`] also starts the agent, detached, when none answers.

mod error;
mod host;
mod logs;
mod start;
mod target;
mod wire;

pub use error::HostError;
pub use host::{Host, Instances};
pub use logs::{LogQuery, LogStream};
