//! When to start again, and when to give up: a counter without a clock.

use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Pauses between restarts: `initial`, then `factor` times as long for every further exit within the window, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// The first pause.
    pub initial: Duration,
    /// What the pause is multiplied with.
    pub factor: u32,
    /// The longest pause.
    pub max: Duration,
    /// When to stop trying.
    pub give_up: GiveUp,
}

impl Default for Backoff {
    /// 200 ms, doubled up to 10 s; gives up at the eighth exit within two minutes.
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            factor: 2,
            max: Duration::from_secs(10),
            give_up: GiveUp { failures: Some(8), window: Duration::from_secs(120) },
        }
    }
}

/// When a process that keeps ending counts as being in a crash loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUp {
    /// This many exits within the window; `None` tries for ever.
    pub failures: Option<u32>,
    /// How long an exit is remembered. An exit older than this no longer lengthens the pause either.
    pub window: Duration,
}

/// What to do after an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start again after this pause.
    RestartAfter(Duration),
    /// Do not start again: a crash loop.
    GiveUp {
        /// Exits within the window, the last one included.
        failures: u32,
    },
}

/// How many exits are remembered at most; more cannot lengthen the pause.
const REMEMBERED: usize = 64;

/// Remembers exits and decides after each.
#[derive(Debug, Clone)]
pub struct RestartCounter {
    policy: Backoff,
    exits: VecDeque<Instant>,
}

impl RestartCounter {
    /// A counter that has seen no exit.
    #[must_use]
    pub fn new(policy: Backoff) -> Self {
        Self { policy, exits: VecDeque::new() }
    }

    /// Records an exit at `now` and decides. `now` must not go backwards.
    pub fn exited(&mut self, now: Instant) -> Verdict {
        let GiveUp { failures, window } = self.policy.give_up;
        while self.exits.front().is_some_and(|exit| now.saturating_duration_since(*exit) >= window) {
            self.exits.pop_front();
        }
        let remembered = failures.map_or(REMEMBERED, |limit| (limit as usize).max(REMEMBERED));
        if self.exits.len() == remembered {
            self.exits.pop_front();
        }
        self.exits.push_back(now);
        let count = u32::try_from(self.exits.len()).unwrap_or(u32::MAX);
        match failures {
            Some(limit) if count >= limit => Verdict::GiveUp { failures: count },
            _ => Verdict::RestartAfter(self.policy.pause(count)),
        }
    }
}

impl Backoff {
    /// The pause after the `nth` exit within the window, counted from one.
    fn pause(&self, nth: u32) -> Duration {
        let factor = self.factor.max(1);
        let mut pause = self.initial;
        for _ in 1..nth {
            if pause >= self.max {
                break;
            }
            pause = pause.saturating_mul(factor);
            if factor == 1 {
                break;
            }
        }
        pause.min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(failures: Option<u32>) -> Backoff {
        Backoff {
            initial: Duration::from_millis(100),
            factor: 2,
            max: Duration::from_secs(1),
            give_up: GiveUp { failures, window: Duration::from_secs(10) },
        }
    }

    /// Exits at these milliseconds; the verdicts as text.
    fn check(failures: Option<u32>, exits: &[u64], expect: &str) {
        let start = Instant::now();
        let mut counter = RestartCounter::new(policy(failures));
        let verdicts: Vec<String> = exits
            .iter()
            .map(|at| match counter.exited(start + Duration::from_millis(*at)) {
                Verdict::RestartAfter(pause) => pause.as_millis().to_string(),
                Verdict::GiveUp { failures } => format!("give up at {failures}"),
            })
            .collect();
        assert_eq!(verdicts.join(", "), expect);
    }

    #[test]
    fn pauses_grow_to_the_limit() {
        check(None, &[0, 100, 200, 300, 400, 500, 600], "100, 200, 400, 800, 1000, 1000, 1000");
    }

    #[test]
    fn a_quiet_window_starts_afresh() {
        check(None, &[0, 100, 11_000, 11_100], "100, 200, 100, 200");
        check(Some(3), &[0, 9_999, 10_000], "100, 200, 200");
    }

    #[test]
    fn too_many_exits_in_a_window_are_a_crash_loop() {
        check(Some(3), &[0, 10, 20], "100, 200, give up at 3");
        check(Some(1), &[5], "give up at 1");
    }

    proptest! {
        #[test]
        fn pauses_stay_within_bounds(gaps in prop::collection::vec(0_u64..20_000, 0..300), factor in 0_u32..5) {
            let policy = Backoff { factor, ..policy(None) };
            let mut counter = RestartCounter::new(policy);
            let mut now = Instant::now();
            for gap in gaps {
                now += Duration::from_millis(gap);
                match counter.exited(now) {
                    Verdict::RestartAfter(pause) => prop_assert!(pause >= policy.initial && pause <= policy.max),
                    Verdict::GiveUp { .. } => prop_assert!(false, "it has no limit"),
                }
                prop_assert!(counter.exits.len() <= REMEMBERED);
            }
        }
    }
}
