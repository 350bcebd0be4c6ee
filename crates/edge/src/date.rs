//! The `Date` header, made once a second on each thread.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

thread_local! {
    static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Gives what RFC 9110, 5.6.7 wants it to be now.
pub(crate) fn with_now<T>(take: impl FnOnce(&[u8]) -> T) -> T {
    // The system's clock as of its last tick: good to a few milliseconds, and much cheaper.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let second = u64::try_from(now.tv_sec).unwrap_or(0);
    LAST.with_borrow_mut(|(at, text)| {
        if *at != second {
            *at = second;
            *text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        }
        take(text.as_bytes())
    })
}
