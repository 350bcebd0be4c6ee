//! Leases and fences.

use crate::log::{Log, applied, author, digest};
use fairway_oplog::{
    FoldError, Intent, LeaseId, OperationKind, Refusal, State, Writer, acquire, commit, finish, release,
    renew, unlock,
};

fn lease(name: &str) -> Option<LeaseId> {
    Some(LeaseId(name.to_owned()))
}

#[test]
fn what_is_written_under_a_lease_carries_its_fence() {
    let mut log = Log::new();
    log.run("a", applied());
    log.lock("one", 10);
    assert_eq!(log.state.lock().unwrap().fence, 3);
    log.run("b", applied());
    let operation = renew(&log.state, &log.writer(), log.now + 600_000);
    log.push(operation);
    assert_eq!(log.state.lock().unwrap().until, log.now - 60_000 + 600_000);
    let operation = release(&log.state, &log.writer());
    log.push(operation);
    log.lease = None;
    log.run("c", applied());
    let fences: Vec<u64> = log.operations.iter().map(|operation| operation.fence).collect();
    assert_eq!(fences, [0, 0, 0, 3, 3, 3, 3, 0, 0]);
}

#[test]
fn others_are_kept_out_and_told_why() {
    let mut log = Log::new();
    log.lock("one", 10);
    let plan = log.plan(digest("b"));
    let refusal = commit(&log.state, &log.other(), log.draft(&plan, Intent::Apply)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "staging is locked by one on laptop since 2026-03-01 00:00:00 UTC (apply): nothing was changed; wait until it \
         is released (at the latest 2026-03-01 00:10:00 UTC), or unlock it"
    );
    let refusal = acquire(&log.state, &log.other(), log.request("two", 10)).unwrap_err();
    assert!(matches!(refusal, Refusal::Locked { expired: false, .. }), "{refusal}");
    let refusal = acquire(&log.state, &log.writer(), log.request("one", 10)).unwrap_err();
    assert!(matches!(refusal, Refusal::Locked { .. }), "a lease is taken once: {refusal}");
}

#[test]
fn an_expired_lease_is_taken_over_and_its_holder_finds_out() {
    let mut log = Log::new();
    log.lock("one", 10);
    log.commit(digest("a"), Intent::Apply);
    let sleeper = log.clone();
    log.now += 20 * 60_000;
    let refusal = finish(&log.state, &log.other(), log.state.generation(), applied()).unwrap_err();
    assert!(refusal.to_string().contains("so it can be taken over"), "{refusal}");
    log.lock("two", 10);
    let OperationKind::Locked { takes_over, .. } = log.operations.last().unwrap().kind else {
        panic!("a lock")
    };
    assert_eq!(takes_over, Some(1));
    // The new holder finishes what the old one began.
    log.finish(applied());

    let asleep = Writer { now: log.now, ..sleeper.writer() };
    let refusal = renew(&log.state, &asleep, log.now + 1).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the lock of staging was lost (two on laptop holds it now): nothing was changed; look at the environment's \
         state and start again"
    );
    // What the sleeper prepared before it knew does not fit the log any more, even under the right number.
    let mut late = finish(&sleeper.state, &asleep, sleeper.state.generation(), applied()).unwrap();
    late.number = log.state.last() + 1;
    let error = log.state.clone().apply(&late).unwrap_err();
    assert_eq!(error, FoldError::Fence { number: 5, carried: 1, current: Some(3) });
}

#[test]
fn a_late_holder_that_nobody_replaced_goes_on() {
    let mut log = Log::new();
    log.lock("one", 10);
    log.now += 60 * 60_000;
    assert!(log.state.lock().unwrap().is_expired(log.now));
    log.run("a", applied());
    let operation = renew(&log.state, &log.writer(), log.now + 60_000);
    log.push(operation);
    assert!(!log.state.lock().unwrap().is_expired(log.now - 60_000));
}

#[test]
fn a_lock_can_be_taken_away() {
    let mut log = Log::new();
    log.lock("one", 10);
    let operation = unlock(&log.state, &log.other(), "ana is on holiday");
    log.push(operation);
    assert_eq!(log.state.lock(), None);
    let plan = log.plan(digest("a"));
    let refusal = commit(&log.state, &log.writer(), log.draft(&plan, Intent::Apply)).unwrap_err();
    assert!(refusal.to_string().contains("(it was taken away)"), "{refusal}");
    let nothing = unlock(&log.state, &log.other(), "again").unwrap_err();
    assert_eq!(nothing.to_string(), "staging is not locked: nothing was changed, and nothing needs to be");
}

#[test]
fn without_a_lease_there_is_nothing_to_renew_or_release() {
    let mut log = Log::new();
    for refusal in [renew(&log.state, &log.writer(), 1), release(&log.state, &log.writer())] {
        assert!(matches!(refusal, Err(Refusal::NotLocked { .. })), "{refusal:?}");
    }
    log.lock("one", 10);
    let guess = Writer { lease: lease("another"), by: author("eve"), now: log.now };
    assert!(matches!(release(&log.state, &guess), Err(Refusal::LeaseLost { .. })));
}

#[test]
fn two_that_ask_at_once_build_the_same_number() {
    let log = Log::new();
    let one = acquire(&log.state, &log.writer(), log.request("one", 10)).unwrap();
    let two = acquire(&log.state, &log.other(), log.request("two", 10)).unwrap();
    assert_eq!(one.number, two.number);
    let mut state = State::fold(log.state.environment(), [&one]).unwrap();
    assert_eq!(state.apply(&two).unwrap_err(), FoldError::Gap { expected: 2, found: 1 });
}

#[test]
fn a_lease_lasts_until_its_time_and_not_longer() {
    let mut log = Log::new();
    log.lock("one", 10);
    let until = log.state.lock().unwrap().until;
    let ask = |now| acquire(&log.state, &Writer { now, ..log.other() }, log.request("two", 10));
    assert!(matches!(ask(until - 1), Err(Refusal::Locked { expired: false, .. })));
    let taken = ask(until).unwrap();
    log.state.clone().apply(&taken).unwrap();
}
