//! The whole shop as its users meet it: the real programs, a real PostgreSQL, through the gateway.
//!
//! [`Shop`] starts the four programs as they are delivered, each with its own database. [`Story`] plays people who
//! talk to the gateway, and writes down what was said; what is different each time (ids, times, tokens) has a name in
//! the transcript, the same one each time.

mod redact;
mod shop;
mod story;

pub use redact::Redactor;
pub use shop::{Shop, programs};
pub use story::Story;
