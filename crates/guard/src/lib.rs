//! What a request must pass at the edge before it reaches its service, and what its answer gets on the way back.
//!
//! # Design
//!
//! Everything here is a function of its arguments: the request's head, the client's address, the time, random numbers.
//! Only [`Compiled`] remembers anything, and only how often whom was let in.
//!
//! A route's guard ([`fairway_model::traffic::Guard`]) is compiled once for a table and asked twice for a request:
//! [`Compiled::before`] says whether it goes on, and [`Compiled::after`] completes the head of its answer, with the few
//! bytes that the first has left for the second ([`Passed`]). A guard that guards nothing costs one branch each time, and
//! what is not refused costs no allocation but for the headers that are added.
//!
//! The order of the questions: HTTPS, then the network, then maintenance, then preflight requests of browsers (which
//! carry no credentials, so they come before anything that asks for some), then the rate, then name and password (after
//! the rate, so that guessing is limited), then the length of the body. Answers of the edge carry CORS, HSTS and
//! security headers like any other, so that a page can read that it was refused, and why.
//!
//! The rest is what every request needs before a route is known: who asks ([`client_address`], [`client_https`]), what it
//! is called ([`request_id`], [`Trace`], [`forwarded_header`]), and whether its path means the same to everybody
//! ([`find_unambiguous`]).
//!
//! Compressing is the edge's business, with an [`Encoder`] from here.
//!
//! # What it does not do
//!
//! * Compressed answers have weak entity tags, so `If-Match` with one fails at a service that compares strongly, as it
//!   does behind any proxy that compresses. Leave compression off for routes that are edited by `If-Match`.
//! * Basic auth and a service's own `Authorization` do not go together: a request has room for one of them.
//! * Rates are counted by each edge for itself.

mod asked;
mod auth;
mod client;
mod compiled;
mod compression;
mod cors;
mod encoder;
mod forwarded;
mod headers;
mod path;
mod rate;
mod trace;

pub use asked::{Answer, Asked, Passed, Verdict};
pub use client::{client_address, client_https};
pub use compiled::{Compiled, Problems};
pub use compression::Encoding;
pub use encoder::Encoder;
pub use forwarded::forwarded_header;
pub use path::{Readings, find_unambiguous, path_problem, readings};
pub use trace::{TRACEPARENT, TRACESTATE, Trace, X_REQUEST_ID, digits, request_id};
