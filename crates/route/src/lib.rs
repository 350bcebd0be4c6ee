//! The route table as one immutable value: matching by host and path, weights, generations and cut-over.
//!
//! # Design
//!
//! A [`Table`] is everything an edge needs to know about one environment: where it listens, which services
//! there are, which instances serve them and which requests reach which service. It is a value: it is built
//! by whoever decides, sent whole, checked whole and swapped whole. Nothing in it is ever edited in place.
//!
//! * [`Table::check`] lists what is wrong, entry by entry. A broken entry is a problem of that entry only:
//!   [`Compiled::new`] leaves it out and keeps the others.
//! * [`Position`] orders tables of one environment: `(generation, revision)`, compared lexicographically.
//!   [`admit`] says what a receiver does with a table that arrives: take it, ignore it because it is there
//!   already, or refuse it because it is from the past.
//! * [`Matcher`] answers "which entry does this host and path reach"; it is generic in what it points to, so
//!   that an edge that serves several environments on one address can merge them into one matcher.
//! * [`Wheel`] spreads requests over weighted instances as a pure function of a number.
//! * [`diff`] says in words what moved between two tables.
//!
//! # Matching
//!
//! Among the routes that match both host and path, the most specific host wins (exact name, then the longest
//! `*.suffix`, then any), and among those the longest path. A path is a prefix that ends at a segment boundary
//! (`/api` matches `/api` and `/api/x`, not `/apis`); written `=/api` it matches only itself, and wins over the
//! prefix of the same length. Paths are compared as they are on the wire: nothing is decoded or collapsed.

mod admit;
mod check;
mod compiled;
mod decode;
mod diff;
mod host;
mod matcher;
mod path;
mod table;
mod wheel;

pub use admit::{Admission, Position, admit};
pub use check::{Entry, Fault, Problem};
pub use compiled::{Compiled, CompiledRoute};
pub use decode::{DecodeError, Decoded, decode};
pub use diff::{Change, diff};
pub use host::{HostError, HostPattern, normalise_host};
pub use matcher::{Conflict, Matcher, MatcherBuilder, Miss};
pub use path::{PathError, PathPattern};
pub use table::{Backend, FORMAT, Route, Service, Stub, Table, Timeouts};
pub use wheel::Wheel;
