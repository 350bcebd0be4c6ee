//! The atomics of this crate. In its unit tests they are those of loom, which runs a model in every order in which its
//! threads can meet; they work only within `loom::model`. So tests within the sources are either models or about plain
//! values, and everything else is in `tests/`, where the atomics are the real ones.

#[cfg(test)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
