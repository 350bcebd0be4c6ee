//! Revert and restore.

use crate::log::{Log, applied, digest, failed};
use fairway_model::Generation;
use fairway_oplog::{Intent, TargetError, restore_target, revert_target};

fn history(contents: &[(&str, bool)]) -> Log {
    let mut log = Log::new();
    for (content, good) in contents {
        log.run(content, if *good { applied() } else { failed() });
    }
    log
}

#[test]
fn a_revert_brings_the_release_before_and_another_one_brings_it_back() {
    let mut log = history(&[("a", true), ("b", true)]);
    let target = revert_target(&log.state, None).unwrap();
    assert_eq!((target.generation, target.release), (Generation(1), digest("a")));
    assert_eq!(target.intent, Intent::Revert { to: Generation(1) });
    assert_eq!(target.takes_back, [Generation(2)]);
    assert_eq!(log.go_back(&target), Generation(3), "going back is going on");
    assert_eq!(log.serving(), Some(digest("a")));
    let target = revert_target(&log.state, None).unwrap();
    assert_eq!(target.generation, Generation(2));
    log.go_back(&target);
    assert_eq!(log.serving(), Some(digest("b")));
}

#[test]
fn the_default() {
    for (contents, expect) in [
        // What failed has not served.
        ([("a", true), ("b", false), ("c", true)].as_slice(), Ok("a")),
        ([("a", true), ("b", true), ("c", false)].as_slice(), Ok("a")),
        // The same release applied twice is one release.
        ([("a", true), ("b", true), ("b", true)].as_slice(), Ok("a")),
        ([("a", true), ("b", true), ("a", true)].as_slice(), Ok("b")),
        (
            [("a", true)].as_slice(),
            Err("generation 1 serves in staging, and no other release has served before it"),
        ),
        ([("a", true), ("b", false)].as_slice(), Err("generation 1 serves in staging, and no other")),
        ([("a", false)].as_slice(), Err("nothing has served in staging yet")),
        ([].as_slice(), Err("nothing has served in staging yet")),
    ] {
        let log = history(contents);
        match (revert_target(&log.state, None), expect) {
            (Ok(target), Ok(content)) => assert_eq!(target.release, digest(content), "{contents:?}"),
            (Err(error), Err(words)) => assert!(error.to_string().starts_with(words), "{error}"),
            (found, expect) => panic!("{contents:?}: found {found:?}, expected {expect:?}"),
        }
    }
}

#[test]
fn by_number() {
    let log = history(&[("a", true), ("b", true), ("broken", false), ("c", true), ("a", true)]);
    let to = |n| revert_target(&log.state, Some(Generation(n)));
    let target = to(2).unwrap();
    assert_eq!((target.release, target.takes_back), (digest("b"), vec![Generation(4), Generation(5)]));
    assert!(matches!(to(3), Err(TargetError::NeverServed { outcome: "failed", .. })));
    assert!(matches!(to(9), Err(TargetError::NoSuchGeneration { .. })));
    // Generation 1 has the release that serves as generation 5.
    assert_eq!(
        to(1).unwrap_err().to_string(),
        "the release of generation 1 is what serves in staging (as generation 5): nothing was changed, and nothing \
         needs to be"
    );
}

#[test]
fn restore_takes_what_never_served() {
    let mut log = history(&[("a", true), ("broken", false)]);
    let target = restore_target(&log.state, Generation(2)).unwrap();
    assert_eq!(target.intent, Intent::Restore { of: Generation(2) });
    log.go_back(&target);
    assert_eq!(log.serving(), Some(digest("broken")));
}

#[test]
fn after_down_a_revert_brings_back_what_served_last() {
    let mut log = history(&[("a", true), ("b", true)]);
    log.commit(digest("empty"), Intent::Down);
    log.finish(applied());
    let target = revert_target(&log.state, None).unwrap();
    assert_eq!(target.release, digest("b"));
    assert!(matches!(revert_target(&log.state, Some(Generation(3))), Err(TargetError::WasDown { .. })));
    assert!(matches!(restore_target(&log.state, Generation(3)), Err(TargetError::WasDown { .. })));
    log.go_back(&target);
    assert_eq!(log.serving(), Some(digest("b")));
    // What took the environment down has not served, so it is nothing to go back to.
    assert_eq!(revert_target(&log.state, None).unwrap().release, digest("a"));
}
