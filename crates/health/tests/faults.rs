//! The faults of other proxies' health logic, each as a test that passes here.

mod support;

use std::sync::Arc;

use fairway_health::{
    Ask, Change, Choice, Condition, Outcome, Overview, Pick, ProbeRules, Reason, Refusal, Rules, Standing,
    is_well,
};
use fairway_model::traffic::Outliers;
use support::{OK, ask, choose, kill, roster, roster_of};

/// F5, F6: a single instance that dies is still probed and still asked; the edge never answers 503 for it by itself.
#[test]
fn f6_a_single_instance_is_never_ejected_into_a_503() {
    let rules = Rules { probe: Some(ProbeRules { rise: 2, fall: 3 }), ..Rules::default() };
    let roster = roster(&[1], rules);
    let mut changes = Vec::new();
    for number in 0..100 {
        let now = number * 100;
        let choice = choose(&roster, &ask(number, now));
        assert_eq!(choice.index, 0);
        changes.extend(roster.report(0, Outcome::Refused, choice.trial, now));
        changes.extend(roster.probe(0, false, now));
    }
    assert_eq!(roster.overview(), Overview { serving: 1, out: 1, panic: true });
    // It is said, once, and not for each request.
    assert_eq!(changes[0], Change::ProbedDown { after: 3 });
    assert_eq!(changes[1], Change::Ejected { reason: Reason::Failures(5), for_ms: 5_000 });
    assert_eq!(changes.len(), 2, "{changes:?}");
    // It is back: probes and the first answer tell, nobody waits for the end of an ejection.
    assert_eq!(roster.probe(0, true, 10_000), None);
    assert_eq!(roster.probe(0, true, 10_000), Some(Change::ProbedUp { after: 2 }));
    let choice = choose(&roster, &ask(100, 10_000));
    assert_eq!(roster.report(0, OK, choice.trial, 10_000), Some(Change::Readmitted));
    assert_eq!(roster.standing(0, 10_000), Standing::Fit);
}

/// F7: one failed probe ejected and one good one admitted; all of them unhealthy was a 503.
#[test]
fn f7_flapping_instances_neither_leave_nor_come_back_at_once() {
    let rules = Rules { probe: Some(ProbeRules { rise: 2, fall: 3 }), ..Rules::default() };
    let roster = roster(&[1, 1], rules);
    for now in 0..10 {
        for good in [false, false, true] {
            assert_eq!(roster.probe(0, good, now), None);
        }
    }
    assert_eq!(roster.overview().out, 0);
    for _ in 0..2 {
        assert_eq!(roster.probe(0, false, 20), None);
    }
    assert_eq!(roster.probe(0, false, 20), Some(Change::ProbedDown { after: 3 }));
    assert_eq!(roster.probe(0, false, 20), None, "said once");
    assert!((0..100).all(|number| choose(&roster, &ask(number, 20)).index == 1));
    for good in [true, false, true, false] {
        assert_eq!(roster.probe(0, good, 30), None);
    }
    assert_eq!(roster.standing(0, 30), Standing::Down);
    // And both: a panic, not a 503.
    for _ in 0..3 {
        roster.probe(1, false, 40);
    }
    let asked: Vec<_> = (0..4).map(|number| choose(&roster, &ask(number, 40))).collect();
    assert_eq!(asked.iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1, 0, 1]);
    assert!(asked.iter().all(|choice| choice.unfit));
}

/// F8: a redirect to a login page that answers 200 counted as well.
#[test]
fn f8_a_redirect_is_not_well() {
    let well: Vec<u16> = (100..600).filter(|status| is_well(*status)).collect();
    assert_eq!(well, Vec::from_iter(200..300));
}

/// Another process behind the same id starts with a clean record.
#[test]
fn a_successor_is_not_held_to_what_its_predecessor_did() {
    let condition = Arc::new(Condition::new());
    let probe = Some(ProbeRules { rise: 1, fall: 1 });
    let rules = Rules { probe, slow_start_ms: 1_000, ..Rules::default() };
    for _ in 0..5 {
        condition.report(&rules, Outcome::Refused, None, 0);
    }
    condition.probe(&rules, false, 0);
    condition.replaced(1_000);
    assert_eq!(condition.standing(&rules, 1_000), Standing::Starting { share: 100 });
    for _ in 0..4 {
        assert_eq!(condition.report(&rules, Outcome::Refused, None, 1_000), None);
    }
    let expect = Change::Ejected { reason: Reason::Failures(5), for_ms: 5_000 };
    assert_eq!(condition.report(&rules, Outcome::Refused, None, 1_000), Some(expect));
}

/// F16: a refused dial goes on to another instance, and a repetition prefers one that is well even in a panic.
#[test]
fn f16_a_repetition_goes_to_an_instance_that_is_well() {
    let roster = roster(&[1, 1, 1], Rules::default());
    kill(&roster, 0, 0);
    kill(&roster, 1, 0);
    assert!(roster.overview().panic);
    for number in 0..30 {
        let first = choose(&roster, &ask(number, 1)).index;
        if first != 2 {
            let again = Ask { tried: &[first], ..ask(number, 1) };
            assert_eq!(choose(&roster, &again).index, 2);
        }
        let last = Ask { tried: &[2], ..ask(number, 1) };
        assert_ne!(choose(&roster, &last).index, 2, "a last resort is one that is out");
        let all = Ask { tried: &[0, 1, 2], ..ask(number, 1) };
        assert!(matches!(roster.pick(&all, |_| Ok(())), Pick::AllTried));
    }
}

/// A limit is not a failure: requests wait for those that are well and do not go to those that are not.
#[test]
fn busy_instances_are_waited_for() {
    let roster = roster(&[1, 1, 1], Rules::default());
    kill(&roster, 0, 0);
    let busy = |index: usize| if index == 0 { Ok(()) } else { Err(Refusal::Busy) };
    for number in 0..30 {
        assert!(matches!(roster.pick(&ask(number, 1), busy), Pick::AllBusy), "{number}");
    }
    // One of them has room: everybody goes there.
    let one = |index: usize| if index == 1 { Ok(()) } else { Err(Refusal::Busy) };
    for number in 0..30 {
        assert!(
            matches!(roster.pick(&ask(number, 1), one), Pick::Instance(Choice { index: 1, .. })),
            "{number}"
        );
    }
    let gone = |_: usize| Err::<(), _>(Refusal::Gone);
    assert!(matches!(roster.pick(&ask(0, 1), gone), Pick::Outdated));
}

#[test]
fn an_ejection_ends_with_one_trial() {
    let roster = roster(&[1, 1], Rules { slow_start_ms: 10_000, ..Rules::default() });
    kill(&roster, 0, 0);
    assert_eq!(roster.standing(0, 0), Standing::Ejected { for_ms: 5_000 });
    assert!((0..100).all(|number| choose(&roster, &ask(number, 4_999)).index == 1));
    // Exchanges that began before say nothing.
    assert_eq!(roster.report(0, OK, None, 4_999), None);
    assert_eq!(roster.standing(0, 5_000), Standing::Ejected { for_ms: 0 });
    let trial = choose(&roster, &ask(0, 5_000));
    assert!(trial.index == 0 && trial.trial.is_some() && !trial.unfit);
    assert_eq!(roster.standing(0, 5_000), Standing::OnTrial);
    assert!((0..100).all(|number| choose(&roster, &ask(number, 6_000)).index == 1), "one at a time");
    // Its client goes away: the next one tries.
    drop(trial);
    let trial = choose(&roster, &ask(0, 6_000));
    assert_eq!(
        roster.report(0, Outcome::Broken, trial.trial, 6_000),
        Some(Change::Ejected { reason: Reason::Trial, for_ms: 10_000 })
    );
    let trial = choose(&roster, &ask(0, 16_000));
    assert_eq!(roster.report(0, OK, trial.trial, 16_000), Some(Change::Readmitted));
    assert_eq!(roster.standing(0, 16_000), Standing::Starting { share: 100 });
    assert_eq!(roster.standing(0, 21_000), Standing::Starting { share: 550 });
    assert_eq!(roster.standing(0, 26_000), Standing::Fit);
}

#[test]
fn ejections_grow_to_a_limit_and_good_behaviour_is_remembered() {
    let roster = roster(&[1, 1], Rules::default());
    let mut now = 0;
    for expect in [5_000, 10_000, 20_000, 40_000, 80_000, 80_000, 80_000] {
        kill(&roster, 0, now);
        assert_eq!(roster.standing(0, now), Standing::Ejected { for_ms: expect });
        now += expect;
        let trial = choose(&roster, &ask(0, now));
        roster.report(0, OK, trial.trial, now);
    }
    // Four doublings; 50 s of good behaviour forgive one.
    for (good, expect) in [(49_999, 80_000), (50_000, 40_000), (149_999, 20_000), (1_000_000, 5_000)] {
        now += good;
        kill(&roster, 0, now);
        assert_eq!(roster.standing(0, now), Standing::Ejected { for_ms: expect }, "after {good}");
        now += expect;
        let trial = choose(&roster, &ask(0, now));
        roster.report(0, OK, trial.trial, now);
    }
}

#[test]
fn server_errors_count_only_when_asked_for() {
    let error = Outcome::Answered { status: 503 };
    let lenient = roster(&[1, 1], Rules::default());
    for _ in 0..100 {
        assert_eq!(lenient.report(0, error, None, 0), None);
    }
    let outliers = Outliers { consecutive_5xx: 3, consecutive_failures: 0, ..Outliers::default() };
    let strict = roster(&[1, 1], Rules { outliers, ..Rules::default() });
    for _ in 0..100 {
        assert_eq!(strict.report(0, Outcome::Refused, None, 0), None, "0 is never");
    }
    for outcome in [error, error, OK, error, error, Outcome::Answered { status: 404 }, error, error] {
        assert_eq!(strict.report(1, outcome, None, 0), None);
    }
    let expect = Change::Ejected { reason: Reason::ServerErrors(3), for_ms: 5_000 };
    assert_eq!(strict.report(1, error, None, 0), Some(expect));
    // The trial is held to the same.
    let trial = choose(&strict, &ask(1, 5_000));
    let expect = Change::Ejected { reason: Reason::Trial, for_ms: 10_000 };
    assert_eq!(strict.report(1, error, trial.trial, 5_000), Some(expect));
}

#[test]
fn probes_that_are_no_longer_wanted_do_not_count() {
    let condition = Arc::new(Condition::new());
    let probed = Rules { probe: Some(ProbeRules { rise: 2, fall: 1 }), ..Rules::default() };
    condition.probe(&probed, false, 0);
    assert!(!condition.is_fit(&probed));
    assert!(condition.is_fit(&Rules::default()));
    condition.forget_probes();
    assert!(condition.is_fit(&probed));
}

/// Nobody waits for the end of an ejection when probes say that it is well; its share still grows slowly.
#[test]
fn probes_shorten_an_ejection() {
    let probe = Some(ProbeRules { rise: 1, fall: 1 });
    let roster = roster(&[1, 1], Rules { probe, slow_start_ms: 10_000, ..Rules::default() });
    kill(&roster, 0, 0);
    roster.probe(0, false, 0);
    assert_eq!(choose(&roster, &ask(0, 1_000)).index, 1);
    assert_eq!(roster.probe(0, true, 1_000), Some(Change::ProbedUp { after: 1 }));
    assert_eq!(roster.standing(0, 1_000), Standing::Ejected { for_ms: 0 });
    let trial = choose(&roster, &ask(0, 1_000));
    assert!(trial.index == 0 && trial.trial.is_some());
    // And without an ejection, probes alone begin a slow start.
    roster.probe(1, false, 2_000);
    roster.probe(1, true, 2_000);
    assert_eq!(roster.standing(1, 2_000), Standing::Starting { share: 100 });
}

/// Failures and errors are two rows: an answer of any kind ends the one, a failure does not end the other.
#[test]
fn rows_of_failures_and_of_errors_are_apart() {
    let error = Outcome::Answered { status: 500 };
    let check = |outcomes: &[Outcome], expect: Option<Reason>| {
        let outliers = Outliers { consecutive_failures: 3, consecutive_5xx: 3, ..Outliers::default() };
        let roster = roster(&[1, 1], Rules { outliers, ..Rules::default() });
        let changes: Vec<_> =
            outcomes.iter().filter_map(|outcome| roster.report(0, *outcome, None, 0)).collect();
        let expect = expect.map(|reason| Change::Ejected { reason, for_ms: 5_000 });
        assert_eq!(changes, Vec::from_iter(expect), "{outcomes:?}");
    };
    let (refused, late, broken) = (Outcome::Refused, Outcome::Timeout, Outcome::Broken);
    check(&[refused, late, broken], Some(Reason::Failures(3)));
    check(&[refused, late, OK, broken, refused], None);
    check(&[refused, late, error, broken, refused], None);
    check(&[error, error, error], Some(Reason::ServerErrors(3)));
    check(&[error, refused, error, late, error], Some(Reason::ServerErrors(3)));
    check(&[error, error, OK, error, error], None);
}

/// In a panic requests go to those that are out, and the first answer ends it.
#[test]
fn an_answer_in_a_panic_brings_back_at_once() {
    let roster = roster(&[1, 1], Rules::default());
    kill(&roster, 0, 0);
    kill(&roster, 1, 0);
    let (failing, answered) = (choose(&roster, &ask(0, 1)), choose(&roster, &ask(0, 1)));
    assert!(failing.index == 0 && failing.unfit && answered.index == 0 && answered.unfit);
    // A failure is no news: it was out, and stays so as long as before.
    assert_eq!(roster.report(0, Outcome::Refused, failing.trial, 2), None);
    assert_eq!(roster.standing(0, 2), Standing::Ejected { for_ms: 4_998 });
    assert_eq!(roster.report(0, OK, answered.trial, 2), Some(Change::Readmitted));
    assert_eq!(roster.overview(), Overview { serving: 2, out: 1, panic: false });
}

/// Everybody out is a panic whatever the limit says, and those that drain do not count.
#[test]
fn when_it_is_a_panic() {
    let check = |weights: &[u32], percent: u8, dead: &[usize], expect: Overview| {
        let outliers = Outliers { most_ejected_percent: percent, ..Outliers::default() };
        let roster = roster(weights, Rules { outliers, ..Rules::default() });
        dead.iter().for_each(|index| kill(&roster, *index, 0));
        assert_eq!(roster.overview(), expect, "{weights:?} {percent} {dead:?}");
    };
    let overview = |serving, out, panic| Overview { serving, out, panic };
    check(&[1, 1], 100, &[0, 1], overview(2, 2, true));
    check(&[1, 1], 255, &[0, 1], overview(2, 2, true));
    check(&[1, 1], 100, &[0], overview(2, 1, false));
    check(&[1, 1], 50, &[0], overview(2, 1, false));
    check(&[1, 1], 49, &[0], overview(2, 1, true));
    check(&[1, 1], 0, &[0], overview(2, 1, true));
    check(&[1, 1], 0, &[], overview(2, 0, false));
    check(&[1, 1, 0, 0], 50, &[0, 2, 3], overview(2, 1, false));
    check(&[1, 1, 1, 0], 50, &[0, 1], overview(3, 2, true));
    check(&[0, 0], 50, &[0], overview(0, 0, false));
    check(&[], 50, &[], overview(0, 0, false));
}

/// Better an instance that has only just joined than a wait.
#[test]
fn slow_start_makes_nobody_wait() {
    let conditions: [_; 2] = std::array::from_fn(|_| Arc::new(Condition::new()));
    conditions[0].joins(1_000);
    let roster = roster_of(&[1, 1], &conditions, Rules { slow_start_ms: 60_000, ..Rules::default() });
    let enter = |index: usize| if index == 1 { Err(Refusal::Busy) } else { Ok(()) };
    for number in 0..100 {
        let sticky = Ask { sticky: Some(number), ..ask(number, 1_000) };
        for ask in [ask(number, 1_000), sticky] {
            assert!(matches!(roster.pick(&ask, enter), Pick::Instance(Choice { index: 0, .. })), "{ask:?}");
        }
    }
}
