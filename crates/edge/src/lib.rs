//! The data plane: listeners, an atomically swapped route table, counting of exchanges in flight, drain and metrics.
//!
//! # Design
//!
//! One process serves the route tables of many environments. It is told what to do over a Unix socket
//! ([`fairway_protocol::edge`] has the requests, [`client::Client`] sends them) and goes on without whoever told it.
//!
//! * **One value.** Everything a request needs to find its way is one immutable value behind an atomic pointer. A new
//!   table is checked, its listeners are bound and it is stored on disk; then the pointer moves, and that moves all
//!   services at once.
//! * **No request falls between.** A request loads the value, adds itself to the counter of the instance that it
//!   chose, and only then looks whether that instance still takes requests. If not, it takes itself off the counter
//!   and starts over with the new value. A swap first moves the pointer and then marks the instances that left. So
//!   whoever reads a counter after the swap either sees the request or the request sees the mark.
//! * **Receivers refuse the past.** Tables carry generation and revision; an older one is refused, also after a
//!   restart and after the environment was removed.
//! * **State on disk** is the last good table of each environment and the one before it, each replaced as a whole.
//!   On start they serve at once. A file that can't be read costs its environment the step back to the one before it
//!   and the other environments nothing.
//! * **An upgrade is not an outage.** A successor in the same home takes the listening sockets over while it and the one
//!   before it both run (`--take-over`); what is under way ends where it began. Counters of a successor start at zero.
//! * **A broken entry is alone.** Tables from the socket must be without fault; from a stored one whatever is sound
//!   is served.
//!
//! Start reading at [`Edge`]; a request's way is `listener` → `connection` → `proxy` → `fairway_forward`.

pub mod access_log;
mod answer;
mod apply;
mod choice;
pub mod client;
mod clock;
mod connection;
mod control;
mod date;
mod edge;
mod error;
mod h1;
mod h2;
mod handover;
mod handshakes;
mod histogram;
mod instance;
mod line;
mod listener;
mod look;
mod metrics;
pub mod otlp;
mod own;
mod probe;
mod process;
mod process_metrics;
mod proxy;
mod queue;
mod record;
mod regime;
mod reread;
mod restore;
mod settings;
mod state;
mod stats;
mod sticky;
mod store;
mod trust;
mod visitor;
mod wait;
mod websocket;
mod worker;

pub use edge::Edge;
pub use error::{EdgeError, StoreError};
pub use process::{log_to_stderr, run, run_blocking};
pub use settings::Settings;
