//! Real threads on one roster, as the workers of an edge.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use fairway_health::{Change, Outcome, Rules};
use fairway_model::traffic::Outliers;
use support::{OK, ask, choose, kill, roster};

/// An ejection of no length: a trial is due at all times, and all threads want it.
#[test]
fn one_trial_at_a_time_among_threads() {
    let outliers = Outliers { consecutive_failures: 1, eject_ms: 0, ..Outliers::default() };
    let roster = Arc::new(roster(&[1, 1], Rules { outliers, ..Rules::default() }));
    kill(&roster, 0, 0);
    let (trying, trials, clock) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let begin = Barrier::new(4);
    let work = |thread: u64| {
        begin.wait();
        for round in 0..20_000 {
            let now = clock.fetch_add(1, Ordering::Relaxed) / 100;
            let choice = choose(&roster, &ask(round * 2, now));
            let Some(trial) = choice.trial else {
                // The other one is well, and whoever meets this one while it is in takes it out again.
                let outcome = if choice.index == 0 { Outcome::Refused } else { OK };
                roster.report(choice.index, outcome, None, now);
                continue;
            };
            assert_eq!((choice.index, choice.unfit), (0, false));
            assert_eq!(trying.fetch_add(1, Ordering::SeqCst), 0, "two trials at a time");
            trials.fetch_add(1, Ordering::Relaxed);
            // Until here the trial is this thread's alone.
            trying.fetch_sub(1, Ordering::SeqCst);
            match (round + thread) % 3 {
                0 => drop(trial),
                1 => {
                    let change = roster.report(0, Outcome::Broken, Some(trial), now);
                    assert!(matches!(change, Some(Change::Ejected { .. })), "{change:?}");
                }
                _ => assert_eq!(roster.report(0, OK, Some(trial), now), Some(Change::Readmitted)),
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
    assert!(trials.load(Ordering::Relaxed) > 1_000, "{trials:?}");
    assert!(!roster.overview().panic);
}
