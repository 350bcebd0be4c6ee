//! What holds for every log that the constructors write.

use crate::log::{Log, applied, author, digest, failed, failure};
use fairway_model::Generation;
use fairway_oplog::{
    Intent, LeaseId, LockRequest, Operation, Outcome, Refusal, State, Writer, acquire, commit, finish, note,
    release, renew, restore_target, revert_target, unlock,
};
use proptest::prelude::*;

/// What someone tries. Most tries are refused somewhere along a random sequence, as in life.
#[derive(Debug, Clone)]
enum Try {
    Apply(u8),
    /// Applies a plan that was made earlier.
    ApplyOld(u8),
    Finish(u8),
    Revert(Option<u8>),
    Restore(u8),
    Down,
    Lock(u8),
    Renew(u8),
    Release,
    Unlock,
    Note,
    /// Time passes, in minutes.
    Wait(u8),
}

fn tries() -> impl Strategy<Value = Vec<(Try, u8)>> {
    let one = prop_oneof![
        4 => (0..4_u8).prop_map(Try::Apply),
        1 => (0..4_u8).prop_map(Try::ApplyOld),
        6 => (0..8_u8).prop_map(Try::Finish),
        2 => proptest::option::of(0..8_u8).prop_map(Try::Revert),
        1 => (0..8_u8).prop_map(Try::Restore),
        1 => Just(Try::Down),
        2 => (1..20_u8).prop_map(Try::Lock),
        1 => (1..20_u8).prop_map(Try::Renew),
        1 => Just(Try::Release),
        1 => Just(Try::Unlock),
        1 => Just(Try::Note),
        2 => (1..30_u8).prop_map(Try::Wait),
    ];
    proptest::collection::vec((one, 0..3_u8), 0..40)
}

/// Three people, of whom each remembers the lease that it took last.
struct People {
    log: Log,
    leases: [Option<LeaseId>; 3],
    old: fairway_model::Plan,
}

impl People {
    fn attempt(&mut self, what: &Try, who: usize) -> Result<Operation, Refusal> {
        let log = &self.log;
        let state = &log.state;
        let writer =
            Writer { by: author(["ana", "ben", "cleo"][who]), now: log.now, lease: self.leases[who].clone() };
        let refused = || Refusal::NotLocked { environment: state.environment().clone() };
        let apply = |content, intent| {
            let plan = log.plan(content);
            commit(state, &writer, log.draft(&plan, intent))
        };
        match what {
            Try::Apply(content) => apply(digest(&content.to_string()), Intent::Apply),
            Try::ApplyOld(content) => {
                let mut plan = self.old.clone();
                plan.child = digest(&content.to_string());
                commit(state, &writer, log.draft(&plan, Intent::Apply))
            }
            Try::Finish(how) => {
                let outcome = match how {
                    0 => failed(),
                    1 => Outcome::Reverted { failure: failure() },
                    2 => Outcome::Aborted { reason: "enough".to_owned() },
                    3 => Outcome::Stuck { failure: failure() },
                    _ => applied(),
                };
                finish(state, &writer, state.generation(), outcome)
            }
            Try::Revert(to) => {
                let target =
                    revert_target(state, to.map(|n| Generation(u64::from(n)))).map_err(|_| refused())?;
                apply(target.release, target.intent)
            }
            Try::Restore(of) => {
                let target = restore_target(state, Generation(u64::from(*of))).map_err(|_| refused())?;
                apply(target.release, target.intent)
            }
            Try::Down => apply(digest("empty"), Intent::Down),
            Try::Lock(minutes) => {
                let request = LockRequest {
                    lease: LeaseId(format!("{who} at {}", state.last())),
                    ..log.request("x", u64::from(*minutes))
                };
                acquire(state, &writer, request)
            }
            Try::Renew(minutes) => renew(state, &writer, log.now + u64::from(*minutes) * 60_000),
            Try::Release => release(state, &writer),
            Try::Unlock => unlock(state, &writer, "it was in the way"),
            Try::Note => note(state, &writer, "a note"),
            Try::Wait(_) => Err(refused()),
        }
    }
}

fn play(tries: &[(Try, u8)]) -> Log {
    let log = Log::new();
    let mut people = People { old: log.plan(digest("old")), log, leases: [None, None, None] };
    for (at, (what, who)) in tries.iter().enumerate() {
        let who = usize::from(*who);
        if at == tries.len() / 2 {
            people.old = people.log.plan(digest("old"));
        }
        match people.attempt(what, who) {
            Ok(operation) => {
                let lock = people.log.state.lock().cloned();
                people.log.push(Ok(operation));
                match what {
                    Try::Lock(_) => {
                        people.leases[who] = people.log.state.lock().map(|lock| lock.lease.clone())
                    }
                    Try::Release => people.leases[who] = None,
                    Try::Apply(_) | Try::Finish(_) | Try::Down => {
                        assert_eq!(
                            lock.map(|lock| lock.lease),
                            people.leases[who],
                            "written without the lock"
                        );
                    }
                    _ => {}
                }
            }
            Err(Refusal::LeaseLost { .. }) => people.leases[who] = None,
            Err(_) => {}
        }
        if let Try::Wait(minutes) = what {
            people.log.now += u64::from(*minutes) * 60_000;
        }
    }
    people.log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_the_constructors_write_folds_at_every_prefix(tries in tries()) {
        let log = play(&tries);
        let environment = log.state.environment().clone();
        let mut step = State::new(environment.clone());
        for (at, operation) in log.operations.iter().enumerate() {
            step.apply(operation).unwrap();
            let whole = State::fold(&environment, &log.operations[..=at]).unwrap();
            prop_assert_eq!(&whole, &step);
            prop_assert_eq!(whole.last(), operation.number);
        }
        prop_assert_eq!(&step, &log.state);
    }

    #[test]
    fn a_state_is_consistent_with_its_history(tries in tries()) {
        let state = play(&tries).state;
        let generations: Vec<Generation> = state.history().iter().map(|entry| entry.committed.generation).collect();
        prop_assert!(generations.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(generations.last().copied().unwrap_or_default(), state.generation());
        let applied = state.history().iter().rev().find(|entry| entry.is_applied());
        let expect = applied.filter(|entry| entry.has_served()).map(|entry| entry.committed.generation);
        prop_assert_eq!(state.serving().map(|serving| serving.generation), expect);
        let open: Vec<_> = state.history().iter().filter(|entry| entry.finish.is_none()).collect();
        prop_assert!(open.len() <= 1);
        prop_assert_eq!(
            state.pending().map(|pending| pending.committed.generation),
            open.first().map(|entry| entry.committed.generation)
        );
        for entry in state.history() {
            prop_assert_eq!(state.entry(entry.committed.generation), Some(entry));
        }
    }

    #[test]
    fn a_missing_operation_is_noticed(tries in tries(), which: prop::sample::Index) {
        let mut log = play(&tries);
        prop_assume!(log.operations.len() > 1);
        let at = which.index(log.operations.len() - 1);
        log.operations.remove(at);
        prop_assert!(State::fold(log.state.environment(), &log.operations).is_err());
    }

    #[test]
    fn what_is_stored_is_what_is_read(tries in tries()) {
        for operation in &play(&tries).operations {
            prop_assert_eq!(&Operation::from_json(&operation.to_json()).unwrap(), operation);
        }
    }

    #[test]
    fn a_revert_brings_something_that_served_and_does_not_serve(tries in tries()) {
        let mut log = play(&tries);
        if log.state.pending().is_some() || log.state.lock().is_some() {
            return Ok(());
        }
        let before = log.serving();
        match revert_target(&log.state, None) {
            Ok(target) => {
                prop_assert_ne!(Some(target.release), before);
                prop_assert!(log.state.entry(target.generation).unwrap().has_served());
                log.go_back(&target);
                prop_assert_eq!(log.serving(), Some(target.release));
                // A second revert brings back what served, if anything did.
                if let Some(before) = before {
                    prop_assert_eq!(revert_target(&log.state, None).unwrap().release, before);
                }
            }
            Err(_) => {
                let served: std::collections::BTreeSet<_> = log
                    .state
                    .history()
                    .iter()
                    .filter(|entry| entry.has_served())
                    .map(|entry| entry.committed.release)
                    .collect();
                prop_assert!(served.iter().all(|release| Some(*release) == before));
            }
        }
    }
}
