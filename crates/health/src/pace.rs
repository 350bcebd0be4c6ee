//! How long to wait before something is done again, so that not everybody does it at once.

use crate::mix::{below, mix};

/// The first pause before a request dials again, and the longest, in milliseconds.
const FIRST_PAUSE: u64 = 10;
const LONGEST_PAUSE: u64 = 200;

/// About so many milliseconds: spread by a tenth, from 95 to 105 of 100. Another seed, another moment; give the
/// [`hash`](crate::hash) of an instance's id plus the number of its probe.
#[must_use]
pub fn spread(ms: u64, seed: u64) -> u64 {
    let tenth = ms / 10;
    (ms - tenth / 2).saturating_add(below(mix(seed), tenth.saturating_add(1)))
}

/// After how many milliseconds a request that nobody accepted dials again: soon at first, then every 0.1 to 0.2 s, and
/// a last time when its patience ends. None when that is over.
///
/// `again` is how often it has dialled again already, `waited_ms` how long it has been there. Another seed (the number
/// of the request), another moment: those that wait for a restart do not fall on the new instance together.
#[must_use]
pub fn redial(again: u32, waited_ms: u64, patience_ms: u64, seed: u64) -> Option<u64> {
    let left = patience_ms.checked_sub(waited_ms).filter(|left| *left > 0)?;
    let pause =
        FIRST_PAUSE.checked_shl(again).filter(|pause| *pause < LONGEST_PAUSE).unwrap_or(LONGEST_PAUSE);
    let pause = pause / 2 + below(mix(seed ^ u64::from(again) << 48), pause / 2 + 1);
    Some(pause.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn redials_go_on_until_patience_ends() {
        let (mut waited, mut again) = (0, 0);
        while let Some(pause) = redial(again, waited, 2_000, 7) {
            assert!((1..=200).contains(&pause), "{pause}");
            waited += pause;
            again += 1;
        }
        assert_eq!(waited, 2_000, "the last one is at the end");
        assert!((12..30).contains(&again), "{again}");
        assert_eq!(redial(0, 0, 0, 7), None, "no patience");
        assert_eq!(redial(u32::MAX, 5_000, 2_000, 7), None);
    }

    #[test]
    fn requests_that_wait_together_dial_apart() {
        let mut pauses: Vec<u64> = (0..100).filter_map(|request| redial(6, 0, 2_000, request)).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 50, "{pauses:?}");
    }

    proptest! {
        #[test]
        fn a_spread_pause_is_about_as_long(ms in any::<u64>(), seed in any::<u64>()) {
            let spread = spread(ms, seed);
            prop_assert!(spread >= ms - ms / 20 && spread <= ms.saturating_add(ms / 20 + 1));
        }
    }
}
