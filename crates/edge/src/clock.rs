//! The time in the forms in which health and the access log are told it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// How long the system's clock is believed to run on as it did.
const BELIEVED: Duration = Duration::from_secs(1);

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

/// The time of day at a moment, mostly without asking for it.
pub(crate) fn of_day(moment: Instant) -> SystemTime {
    thread_local! {
        static ASKED: Cell<Asked> = const { Cell::new(None) };
    }
    let (time, asked) = reckon(ASKED.get(), moment, || (Instant::now(), SystemTime::now()));
    ASKED.set(asked);
    time
}

/// When the system's clock was last asked, and what it said.
type Asked = Option<(Instant, SystemTime)>;

/// From what was said within the last second, or else by asking.
fn reckon(asked: Asked, moment: Instant, ask: impl FnOnce() -> (Instant, SystemTime)) -> (SystemTime, Asked) {
    let since = |(at, time): (Instant, SystemTime)| {
        let since = moment.checked_duration_since(at).filter(|since| *since < BELIEVED)?;
        time.checked_add(since)
    };
    if let Some(time) = asked.and_then(since) {
        return (time, asked);
    }
    let (at, time) = ask();
    (time.checked_sub(at.saturating_duration_since(moment)).unwrap_or(time), Some((at, time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_once_a_second_and_for_what_lies_before() {
        let begin = Instant::now();
        let day = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
        let ms = Duration::from_millis;
        let known = Some((begin + ms(100), day + ms(100)));
        // The system's clock was set an hour ahead meanwhile.
        let ask = || (begin + ms(5_000), day + ms(3_605_000));
        for (moment, expect, asks) in [
            (100, 100, false),
            (350, 350, false),
            (1_099, 1_099, false),
            (1_100, 3_601_100, true),
            (5_000, 3_605_000, true),
            (99, 3_600_099, true),
        ] {
            let (time, asked) = reckon(known, begin + ms(moment), ask);
            assert_eq!((time, asked != known), (day + ms(expect), asks), "{moment} ms");
        }
        assert_eq!(reckon(None, begin + ms(5_000), ask), (day + ms(3_605_000), Some(ask())));
    }
}
