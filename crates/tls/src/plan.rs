//! When a certificate is asked for next: a function of its dates, of what failed, and of a random number.

/// Seconds before the first attempt is repeated.
const FIRST_BACKOFF: u64 = 60;
/// Seconds between attempts that keep failing.
const MOST_BACKOFF: u64 = 6 * 60 * 60;

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
