//! What probes say: up or down, each after so many in a row.

use crate::sync::{AtomicU64, Ordering};

use crate::outcome::Change;
use crate::rules::ProbeRules;

/// Whether the status of a probe's answer says that the instance is well. A redirect does not: it leads to something else,
/// such as a page to log in that is always there.
#[must_use]
pub fn is_well(status: u16) -> bool {
    (200..300).contains(&status)
}

/// In the lowest bit whether it is down, above it how many in a row have spoken against that.
#[derive(Debug, Default)]
pub(crate) struct Probes(AtomicU64);

impl Probes {
    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::Acquire) & 1 == 0
    }

    /// Notes one answer.
    pub(crate) fn note(&self, rules: ProbeRules, good: bool) -> Option<Change> {
        let mut change = None;
        let next = |word: u64| {
            let (down, against) = (word & 1 == 1, word >> 1);
            change = None;
            if good != down {
                // It agrees with what is known, and whatever spoke against that was not in a row.
                return Some(u64::from(down));
            }
            let against = against + 1;
            let needed = if down { rules.rise } else { rules.fall }.max(1);
            if against < u64::from(needed) {
                return Some(against << 1 | u64::from(down));
            }
            change = Some(match down {
                true => Change::ProbedUp { after: needed },
                false => Change::ProbedDown { after: needed },
            });
            Some(u64::from(!down))
        };
        let changed = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        changed.expect("there is a next word for every word");
        change
    }

    /// Up, as if nothing had been said.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Release);
    }
}
