//! The time in the form in which health is told it.

use std::sync::OnceLock;
use std::time::Instant;

/// Milliseconds since this was first asked, which is when the process began to serve.
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
