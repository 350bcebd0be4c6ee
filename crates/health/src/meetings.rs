//! What happens when threads meet, in every order that the memory model of the language allows.

use std::sync::Arc;

use fairway_model::traffic::Outliers;
use loom::thread;

use crate::{
    Budget, Change, Condition, Outcome, ProbeRules, Reason, Rules, Standing, TRIAL_PATIENCE_MS, Trial,
};

const OK: Outcome = Outcome::Answered { status: 200 };

fn rules(consecutive_failures: u32) -> Rules {
    let outliers = Outliers { consecutive_failures, eject_ms: 1_000, ..Outliers::default() };
    Rules { outliers, slow_start_ms: 1_000, ..Rules::default() }
}

/// An instance whose trial is due at 1000.
fn ejected(rules: &Rules) -> Arc<Condition> {
    let condition = Arc::new(Condition::new());
    for _ in 0..rules.outliers.consecutive_failures {
        condition.report(rules, Outcome::Refused, None, 0);
    }
    assert_eq!(condition.standing(rules, 0), Standing::Ejected { for_ms: 1_000 });
    condition
}

/// Runs two things at once, and returns what came of them.
fn meet<A: 'static, B: 'static>(
    one: impl FnOnce() -> A + 'static,
    other: impl FnOnce() -> B + 'static,
) -> (A, B) {
    let thread = thread::spawn(one);
    let other = other();
    (thread.join().unwrap(), other)
}

/// The same for two threads that look for a trial.
fn both_claim(condition: &Arc<Condition>, now: [u64; 2]) -> (Option<Trial>, Option<Trial>) {
    let [one, other] = [Arc::clone(condition), Arc::clone(condition)];
    meet(move || one.claim(&rules(1), now[0]), move || other.claim(&rules(1), now[1]))
}

#[test]
fn one_of_two_gets_the_trial() {
    loom::model(|| {
        let condition = ejected(&rules(1));
        let trials = both_claim(&condition, [1_000, 1_001]);
        assert!(trials.0.is_some() != trials.1.is_some(), "{trials:?}");
        assert_eq!(condition.standing(&rules(1), 1_001), Standing::OnTrial);
        drop(trials);
        assert!(condition.claim(&rules(1), 1_001).is_some(), "given back");
    });
}

#[test]
fn one_of_three_gets_the_trial() {
    loom::model(|| {
        let condition = ejected(&rules(1));
        let [a, b] = [Arc::clone(&condition), Arc::clone(&condition)];
        let a = thread::spawn(move || a.claim(&rules(1), 1_000));
        let b = thread::spawn(move || b.claim(&rules(1), 1_000));
        let trials = [condition.claim(&rules(1), 1_000), a.join().unwrap(), b.join().unwrap()];
        assert_eq!(trials.iter().flatten().count(), 1, "{trials:?}");
    });
}

#[test]
fn a_trial_that_is_given_back_meets_the_next() {
    loom::model(|| {
        let condition = ejected(&rules(1));
        let trial = condition.claim(&rules(1), 1_000).unwrap();
        let next = Arc::clone(&condition);
        // At the same time, so that the words are alike.
        let ((), next) = meet(move || drop(trial), move || next.claim(&rules(1), 1_000));
        assert_eq!(condition.claim(&rules(1), 1_000).is_some(), next.is_none());
    });
}

#[test]
fn a_lost_trial_does_not_decide_about_the_next() {
    loom::model(|| {
        let condition = ejected(&rules(1));
        let lost = condition.claim(&rules(1), 1_000).unwrap();
        let late = 1_000 + TRIAL_PATIENCE_MS;
        let next = Arc::clone(&condition);
        let failed = move || {
            next.claim(&rules(1), late).map(|trial| {
                let change = next.report(&rules(1), Outcome::Broken, Some(trial), late);
                assert!(change.is_some(), "nobody else may settle it");
            })
        };
        let old = Arc::clone(&condition);
        let (answered, failed) = meet(move || old.report(&rules(1), OK, Some(lost), late), failed);
        // Either the lost one was in time and there was no next, or the next one decided.
        match (answered, failed) {
            (Some(Change::Readmitted), None) => assert!(condition.is_fit(&rules(1))),
            (None, Some(())) => assert!(!condition.is_fit(&rules(1))),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn two_failures_at_once_eject_once() {
    loom::model(|| {
        let condition = Arc::new(Condition::new());
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        let fail = |condition: Arc<Condition>| move || condition.report(&rules(1), Outcome::Refused, None, 0);
        let (one, other) = meet(fail(one), fail(other));
        assert!(one.is_some() != other.is_some(), "{one:?} {other:?}");
        assert_eq!(condition.ejections(), 1);
        assert_eq!(condition.standing(&rules(1), 0), Standing::Ejected { for_ms: 1_000 });
    });
}

#[test]
fn no_failure_of_a_row_is_lost() {
    loom::model(|| {
        let condition = Arc::new(Condition::new());
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        let fail = |condition: Arc<Condition>| move || condition.report(&rules(2), Outcome::Refused, None, 0);
        let (one, other) = meet(fail(one), fail(other));
        let expect = Change::Ejected { reason: Reason::Failures(2), for_ms: 1_000 };
        assert!([(Some(expect), None), (None, Some(expect))].contains(&(one, other)), "{one:?} {other:?}");
    });
}

/// Whoever sees it in after an ejection sees its slow start, too, and a single late failure does not end that.
#[test]
fn a_return_meets_a_look_and_a_late_failure() {
    loom::model(|| {
        let condition = ejected(&rules(2));
        let trial = condition.claim(&rules(2), 1_000).unwrap();
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        let look = move || {
            if other.is_fit(&rules(2)) {
                assert_eq!(other.share(&rules(2), 1_000), 100);
            }
            other.report(&rules(2), Outcome::Broken, None, 1_000)
        };
        let (back, late) = meet(move || one.report(&rules(2), OK, Some(trial), 1_000), look);
        assert_eq!((back, late), (Some(Change::Readmitted), None));
        assert_eq!(condition.standing(&rules(2), 1_000), Standing::Starting { share: 100 });
    });
}

#[test]
fn an_answer_in_a_panic_meets_the_trial() {
    loom::model(|| {
        let condition = ejected(&rules(1));
        let watch = condition.watch().unwrap();
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        let fails = move || {
            let trial = other.claim(&rules(1), 1_000)?;
            Some(other.report(&rules(1), Outcome::Broken, Some(trial), 1_000).expect("its own trial"))
        };
        let (back, fails) = meet(move || one.report(&rules(1), OK, Some(watch), 1_000), fails);
        // Whoever was first has it, and the other one is not heard.
        match (back, fails) {
            (Some(Change::Readmitted), None) => assert!(condition.is_fit(&rules(1))),
            (None, Some(Change::Ejected { for_ms: 2_000, .. })) => assert!(!condition.is_fit(&rules(1))),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn probes_change_their_mind_once() {
    loom::model(|| {
        let rules = Rules { probe: Some(ProbeRules { rise: 1, fall: 2 }), ..rules(1) };
        let condition = Arc::new(Condition::new());
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        let (one, other) = meet(move || one.probe(&rules, false, 0), move || other.probe(&rules, false, 0));
        assert!(one.is_some() != other.is_some(), "{one:?} {other:?}");
        assert_eq!(condition.standing(&rules, 0), Standing::Down);
    });
}

/// Whoever sees it up again sees its slow start, too.
#[test]
fn coming_up_meets_a_look() {
    loom::model(|| {
        let rules = Rules { probe: Some(ProbeRules { rise: 1, fall: 1 }), ..rules(1) };
        let condition = Arc::new(Condition::new());
        assert!(condition.probe(&rules, false, 0).is_some());
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        let look = move || assert!(!other.is_fit(&rules) || other.share(&rules, 500) == 100);
        meet(move || one.probe(&rules, true, 500), look);
        assert_eq!(condition.standing(&rules, 500), Standing::Starting { share: 100 });
    });
}

/// What a trial finds out about a process that is gone says nothing about its successor.
#[test]
fn a_trial_meets_a_successor() {
    loom::model(|| {
        let condition = ejected(&rules(1));
        let trial = condition.claim(&rules(1), 1_000).unwrap();
        let [one, other] = [Arc::clone(&condition), Arc::clone(&condition)];
        meet(
            move || one.report(&rules(1), Outcome::Broken, Some(trial), 1_000),
            move || other.replaced(1_000),
        );
        assert_eq!(condition.standing(&rules(1), 1_000), Standing::Starting { share: 100 });
    });
}

#[test]
fn the_last_repetition_goes_to_one() {
    loom::model(|| {
        let budget = Arc::new(Budget::new());
        for _ in 0..9 {
            assert!(budget.retry(20, 500));
        }
        let [one, other] = [Arc::clone(&budget), Arc::clone(&budget)];
        let (one, other) = meet(move || one.retry(20, 500), move || other.retry(20, 600));
        assert!(one != other, "{one} {other}");
        assert_eq!(budget.spent(999), (0, 10));
    });
}

#[test]
fn requests_at_the_begin_of_a_second_are_all_counted() {
    loom::model(|| {
        let budget = Arc::new(Budget::new());
        budget.request(3_000);
        // Ten seconds later the same slot begins anew.
        let [one, other] = [Arc::clone(&budget), Arc::clone(&budget)];
        let note = |budget: Arc<Budget>| move || budget.request(13_000);
        meet(note(one), note(other));
        assert_eq!(budget.spent(13_000), (2, 0));
    });
}
