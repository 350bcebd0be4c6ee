//! When a certificate is asked for next: a function of its dates, of what its server suggests, of what failed, and of a random
//! number.

/// Seconds before the first attempt is repeated.
const FIRST_BACKOFF: u64 = 60;
/// Seconds between attempts that keep failing.
const MOST_BACKOFF: u64 = 6 * 60 * 60;
/// Seconds for which a new certificate is good whatever its server suggests: one that always wants another is asked once
/// a day.
const FRESH: u64 = 24 * 60 * 60;

/// When to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// At once.
    Now,
    /// At this second since 1970, which is in the future.
    At(u64),
}

/// What was tried since it last worked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many attempts failed, one after the other.
    pub failed: u32,
    /// When the last of them ended, in seconds since 1970.
    pub last: u64,
}

/// When to ask for a certificate that replaces the one that is valid from `not_before` to `not_after` (seconds since
/// 1970; both 0: there is none).
///
/// It is due when a third of its lifetime is left, or up to a twentieth of the lifetime earlier: `jitter`, in `0..1`,
/// says how much, so that the edges that got theirs on the same day do not ask in the same minute. After a failure
/// the next attempt waits a minute, then twice as long each time up to six hours, again shortened by the jitter by up
/// to a quarter (never below the minute).
pub fn plan_renewal(now: u64, not_before: u64, not_after: u64, attempts: Attempts, jitter: f64) -> When {
    let lifetime = not_after.saturating_sub(not_before);
    let early = share(lifetime / 20, jitter);
    let due = not_after.saturating_sub(lifetime / 3).saturating_sub(early);
    when(now, due, attempts, jitter)
}

/// The time in which a server wants a certificate to be replaced (RFC 9773, 4.2), in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first second.
    pub start: u64,
    /// Its last second.
    pub end: u64,
}

impl Window {
    /// When to ask for a certificate that replaces the one that is valid from `not_before` to `not_after`: somewhere in
    /// the window, by the jitter, but not on its first day (or twentieth), and after a failure as [`plan_renewal`] has
    /// it. None: by this window there would be none in time.
    pub fn plan(
        self,
        now: u64,
        not_before: u64,
        not_after: u64,
        attempts: Attempts,
        jitter: f64,
    ) -> Option<When> {
        let Self { start, end } = self;
        if start >= end || end > not_after {
            return None;
        }
        let fresh = FRESH.min(not_after.saturating_sub(not_before) / 20);
        let due = (start + share(end - start, jitter)).max(not_before.saturating_add(fresh));
        Some(when(now, due, attempts, jitter))
    }
}

fn when(now: u64, due: u64, attempts: Attempts, jitter: f64) -> When {
    let allowed = match attempts.failed {
        0 => 0,
        // A clock that was set back must not turn a minute into years: nothing waits longer than from now.
        failed => attempts.last.min(now).saturating_add(backoff(failed, jitter)),
    };
    let at = due.max(allowed);
    if at <= now { When::Now } else { When::At(at) }
}

fn backoff(failed: u32, jitter: f64) -> u64 {
    let doubled = 1_u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
    let full = FIRST_BACKOFF.saturating_mul(doubled).min(MOST_BACKOFF);
    (full - share(full / 4, jitter)).max(FIRST_BACKOFF)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a duration: rounding does not matter, and the range is clamped"
)]
fn share(of: u64, jitter: f64) -> u64 {
    // NaN clamps to NaN, which casts to 0.
    ((of as f64 * jitter.clamp(0.0, 1.0)) as u64).min(of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn table() {
        let failed = |failed, last| Attempts { failed, last };
        let none = Attempts::default();
        for (now, not_before, not_after, attempts, jitter, expect) in [
            // there is none yet
            (1_000, 0, 0, none, 0.5, When::Now),
            (1_000, 0, 0, failed(1, 1_000), 0.0, When::At(1_060)),
            (1_060, 0, 0, failed(1, 1_000), 0.0, When::Now),
            (1_000, 0, 0, failed(2, 1_000), 0.0, When::At(1_120)),
            (1_000, 0, 0, failed(2, 1_000), 1.0, When::At(1_090)),
            (1_000, 0, 0, failed(30, 1_000), 0.0, When::At(1_000 + 6 * 3_600)),
            (1_000, 0, 0, failed(u32::MAX, 1_000), 0.0, When::At(1_000 + 6 * 3_600)),
            // 90 days: due after 60, or up to 4.5 earlier
            (10 * DAY, 0, 90 * DAY, none, 0.0, When::At(60 * DAY)),
            (10 * DAY, 0, 90 * DAY, none, 1.0, When::At(55 * DAY + DAY / 2)),
            (60 * DAY, 0, 90 * DAY, none, 0.0, When::Now),
            // due, and failing
            (61 * DAY, 0, 90 * DAY, failed(3, 61 * DAY), 0.0, When::At(61 * DAY + 240)),
            // a failure that is older than the certificate changes nothing
            (10 * DAY, 0, 90 * DAY, failed(1, 5 * DAY), 0.0, When::At(60 * DAY)),
            // expired while the machine slept
            (200 * DAY, 0, 90 * DAY, none, 0.5, When::Now),
            // the clock was set back by years: a minute stays a minute
            (1_000, 0, 0, failed(1, 400 * DAY), 0.0, When::At(1_060)),
        ] {
            let planned = plan_renewal(now, not_before, not_after, attempts, jitter);
            assert_eq!(
                planned, expect,
                "now {now}, {not_before}..{not_after}, {attempts:?}, jitter {jitter}"
            );
        }
    }

    #[test]
    fn a_window_is_kept_to() {
        let failed = Attempts { failed: 1, last: 1_000 };
        for (now, window, attempts, jitter, expect) in [
            (10, (100, 200), Attempts::default(), 0.0, Some(When::At(100))),
            (10, (100, 200), Attempts::default(), 0.5, Some(When::At(150))),
            (160, (100, 200), Attempts::default(), 0.5, Some(When::Now)),
            // from before there was the certificate
            (10, (1, 2), Attempts::default(), 0.0, Some(When::At(100))),
            // what is revoked soon
            (1_000, (100, 200), Attempts::default(), 1.0, Some(When::Now)),
            (1_000, (100, 200), failed, 0.0, Some(When::At(1_060))),
            // nonsense
            (10, (200, 200), Attempts::default(), 0.5, None),
            (10, (200, 100), Attempts::default(), 0.5, None),
            (10, (100, 2_001), Attempts::default(), 0.5, None),
        ] {
            let (start, end) = window;
            let planned = Window { start, end }.plan(now, 0, 2_000, attempts, jitter);
            assert_eq!(planned, expect, "now {now}, {window:?}, {attempts:?}, jitter {jitter}");
        }
    }

    proptest! {
        #[test]
        fn never_later_than_a_third_of_the_lifetime_and_never_sooner_than_backoff(
            now in 0_u64..4_000_000_000,
            not_before in 0_u64..4_000_000_000,
            lifetime in 0_u64..400_000_000,
            failed in 0_u32..40,
            last in 0_u64..4_000_000_000,
            jitter in 0.0_f64..1.0,
        ) {
            let not_after = not_before + lifetime;
            let attempts = Attempts { failed, last };
            let planned = plan_renewal(now, not_before, not_after, attempts, jitter);
            let latest_due = not_after - lifetime / 3;
            if let When::At(at) = planned {
                prop_assert!(at > now);
                // Whatever else: it is asked for with a third left, or as soon as backing off allows.
                prop_assert!(at <= latest_due.max(now + MOST_BACKOFF));
                // And it is not asked for again and again while it is fresh.
                if failed == 0 {
                    prop_assert!(at >= not_before + lifetime / 2);
                }
            }
            if failed > 0 && last <= now && now < last + FIRST_BACKOFF {
                prop_assert!(planned >= When::At(last + FIRST_BACKOFF));
            }
        }

        #[test]
        fn more_failures_never_mean_sooner(failed in 1_u32..40, jitter in 0.0_f64..1.0) {
            let at = |failed| plan_renewal(1_000, 0, 0, Attempts { failed, last: 1_000 }, jitter);
            prop_assert!(at(failed) <= at(failed + 1));
        }
    }
}
