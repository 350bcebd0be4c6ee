//! The time in the form in which health is told it.

use std::sync::OnceLock;
use std::time::Instant;

/// Milliseconds since this was first asked, which is when the process began to serve.
pub(crate) fn now() -> u64 {
    at(Instant::now())
}

/// The same for a moment that is known already: asking for the time costs.
pub(crate) fn at(moment: Instant) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = moment.saturating_duration_since(*START.get_or_init(|| moment));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
