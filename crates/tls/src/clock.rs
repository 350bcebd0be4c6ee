//! The one door to the wall clock. Certificates are bound to it, so due times are too: a machine that slept renews
//! when it wakes, not when a timer that stood still says so.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    since_epoch().as_secs()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    since_epoch().as_millis().try_into().unwrap_or(u64::MAX)
}

fn since_epoch() -> Duration {
    // A clock before 1970 is a clock that was never set: everything is then not yet valid, and nothing panics.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A time as people read it: `2026-02-11 09:30 UTC`.
pub(crate) fn readable(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|s| time::OffsetDateTime::from_unix_timestamp(s).ok());
    match moment {
        Some(t) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02} UTC",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute()
        ),
        None => format!("{seconds} s after 1970"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn readable() {
        assert_eq!(super::readable(0), "1970-01-01 00:00 UTC");
        assert_eq!(super::readable(1_900_000_000), "2030-03-17 17:46 UTC");
        assert_eq!(super::readable(u64::MAX), "18446744073709551615 s after 1970");
    }
}
