//! Logs that are none: each error names the operation that does not fit, and leaves the state as it was.

use crate::log::{Log, applied, digest};
use fairway_model::{EnvironmentName, Generation};
use fairway_oplog::{FoldError, Intent, LeaseId, Operation, OperationKind, State};

/// A locked environment with two applied releases and a third on its way: operations 1 to 6.
fn log() -> Log {
    let mut log = Log::new();
    log.lock("one", 10);
    log.run("a", applied());
    log.run("b", applied());
    log.commit(digest("c"), Intent::Apply);
    log
}

/// Breaks one operation of the log and folds it.
fn check(number: u64, change: impl FnOnce(&mut Operation), expect: &str) {
    let mut operations = log().operations;
    let at = usize::try_from(number - 1).unwrap();
    change(&mut operations[at]);
    let mut state = State::fold(log().state.environment(), &operations[..at]).unwrap();
    let before = state.clone();
    let error = state.apply(&operations[at]).unwrap_err();
    assert_eq!(error.to_string(), expect);
    assert_eq!(state, before, "an operation that does not fit changes nothing");
    assert_eq!(State::fold(log().state.environment(), &operations).unwrap_err(), error);
}

fn committed(operation: &mut Operation) -> &mut fairway_oplog::Committed {
    match &mut operation.kind {
        OperationKind::Committed(committed) => committed,
        other => panic!("{other:?} is not a commit"),
    }
}

#[test]
fn numbers_formats_and_environments() {
    check(
        3,
        |op| op.number = 4,
        "operation 3 was expected, and operation 4 came: the log has a gap or a repetition",
    );
    check(
        3,
        |op| op.number = 2,
        "operation 3 was expected, and operation 2 came: the log has a gap or a repetition",
    );
    check(2, |op| op.format = 9, "operation 2 has format 9, not 1");
    check(
        2,
        |op| op.environment = EnvironmentName::new("prod").unwrap(),
        "operation 2 belongs to the environment prod, not to staging",
    );
}

#[test]
fn commits() {
    check(
        4,
        |op| committed(op).generation = Generation(1),
        "operation 4 commits generation 1, but generation 1 was given out before",
    );
    check(
        4,
        |op| committed(op).parent = None,
        "operation 4 names nothing as its parent, but generation 1 served",
    );
    check(
        2,
        |op| committed(op).parent = Some(Generation(1)),
        "operation 2 names generation 1 as its parent, but nothing served",
    );
    for intent in [Intent::Revert { to: Generation(1) }, Intent::Restore { of: Generation(1) }] {
        check(
            4,
            |op| committed(op).intent = intent,
            "operation 4 brings back generation 1, which was never committed with that content",
        );
    }
    let again = log().operations[1].kind.clone();
    check(3, |op| op.kind = again, "operation 3 commits generation 1 while generation 1 has not finished");
}

#[test]
fn ends() {
    let end = |generation| OperationKind::Finished { generation, outcome: applied() };
    check(
        2,
        |op| op.kind = end(Generation(1)),
        "operation 2 finishes generation 1, but nothing was on its way",
    );
    check(
        3,
        |op| op.kind = end(Generation(9)),
        "operation 3 finishes generation 9, but generation 1 was on its way",
    );
}

#[test]
fn fences_and_locks() {
    check(
        2,
        |op| op.fence = 0,
        "operation 2 carries the fence 0, but the lock of operation 1 was held: its writer had lost the lock or never \
         held it",
    );
    let lock = |takes_over| OperationKind::Locked {
        lease: LeaseId("two".to_owned()),
        holder: "two".to_owned(),
        until: u64::MAX,
        reason: "apply".to_owned(),
        takes_over,
    };
    let held =
        "operation 2 takes the lock that one on laptop held under operation 1 until 2026-03-01 00:10:00 UTC";
    check(2, |op| op.kind = lock(None), held);
    check(2, |op| op.kind = lock(Some(1)), held);
    check(
        2,
        |op| {
            op.kind = lock(Some(9));
            op.at = u64::MAX;
        },
        held,
    );
    check(
        1,
        |op| op.kind = lock(Some(7)),
        "operation 1 says that it takes over the lock of operation 7, which was not held",
    );
    let unlock = |lease: &str, forced| OperationKind::Unlocked { lease: LeaseId(lease.to_owned()), forced };
    check(2, |op| op.kind = unlock("two", None), "operation 2 names the lease two, which was not held");
    check(
        1,
        |op| op.kind = unlock("two", Some("why".to_owned())),
        "operation 1 names the lease two, which was not held",
    );
}

#[test]
fn an_empty_log_is_a_new_environment() {
    let environment = log().state.environment().clone();
    let state = State::fold(&environment, std::iter::empty::<&Operation>()).unwrap();
    assert_eq!(state, State::new(environment));
    assert!(state.serving().is_none() && state.lock().is_none() && state.history().is_empty());
    assert_eq!(
        FoldError::Gap { expected: 1, found: 2 },
        State::fold(state.environment(), [&log().operations[1]]).unwrap_err()
    );
}
