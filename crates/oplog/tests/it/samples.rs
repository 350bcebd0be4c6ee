//! What was ever stored must load for ever. The files under `samples/1` were written by the first version of format 1;
//! they are never changed. A later version adds files, and a later format adds a directory.

use crate::log::{Log, applied, author, digest, environment, failure};
use fairway_model::{Evidence, FailureKind, Generation, Millis, ProbeReport, ServiceName};
use fairway_oplog::{
    Author, DecodeError, Intent, Operation, OperationKind, Outcome, State, Via, Writer, acquire, note,
    release, renew, unlock,
};
use std::{collections::BTreeMap, fs, path::PathBuf};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples/1")
}

fn stored() -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

/// A log with every kind of operation, every intent and every outcome.
fn log() -> Vec<Operation> {
    let mut log = Log::new();
    log.lock("5f0c", 10);
    log.commit(digest("a"), Intent::Apply);
    log.finish(Outcome::Applied {
        evidence: Evidence {
            phases: BTreeMap::from([
                ("preparing".to_owned(), Millis(1_840)),
                ("switching".to_owned(), Millis(12)),
            ]),
            switch_micros: Some(11_800),
            starts: BTreeMap::from([("identity".to_owned(), Millis(640))]),
            requests_served: 15_210,
            requests_failed: 0,
            cut_off: 1,
            notes: vec!["memory limits are not enforced on this host".to_owned()],
        },
    });
    let operation = renew(&log.state, &log.writer(), log.now + 600_000);
    log.push(operation);
    let mut failure = failure().of_service(&ServiceName::new("commerce").unwrap());
    failure.instance = Some("commerce-1a2b3c4d5e6f-0".to_owned());
    failure.log = vec!["listening on 127.0.0.1:40001".to_owned(), "panic: no catalogue".to_owned()];
    failure.probe = Some(ProbeReport {
        url: "http://127.0.0.1:40001/ready".to_owned(),
        status: Some(503),
        body: "no catalogue".to_owned(),
        error: None,
        hint: Some("the service answers and says that it is not ready".to_owned()),
    });
    log.commit(digest("b"), Intent::Apply);
    log.finish(Outcome::Failed { failure: failure.clone() });
    log.commit(digest("c"), Intent::Apply);
    log.finish(Outcome::Reverted { failure: failure.clone() });
    failure.kind = FailureKind::Stale { offered: Generation(4), current: Generation(5) };
    log.commit(digest("b"), Intent::Restore { of: Generation(2) });
    log.finish(Outcome::Stuck { failure });
    log.run("e", applied());
    log.commit(digest("a"), Intent::Revert { to: Generation(1) });
    log.finish(Outcome::Aborted { reason: "the caller went away before the switch".to_owned() });
    let operation = release(&log.state, &log.writer());
    log.push(operation);
    log.lease = None;
    log.commit(digest("empty"), Intent::Down);
    log.finish(applied());
    let comment = Writer {
        by: Author {
            name: "ben".to_owned(),
            via: Via::Comment,
            reference: Some("https://github.com/acme/shop/pull/42#issuecomment-1".to_owned()),
        },
        now: log.now,
        lease: None,
    };
    let request = log.request("9e1d", 1);
    let operation = acquire(&log.state, &comment, request);
    log.push(operation);
    log.now += 3_600_000;
    let request = log.request("77aa", 1);
    let ci = Writer { by: Author { via: Via::Ci, ..author("deploy") }, now: log.now, lease: None };
    let operation = acquire(&log.state, &ci, request);
    log.push(operation);
    let api = Writer { by: Author { via: Via::Api, ..author("cleo") }, now: log.now, lease: None };
    let operation = unlock(&log.state, &api, "the job was cancelled");
    log.push(operation);
    let operation = note(&log.state, &api, "a freeze begins on Friday");
    log.push(operation);
    log.operations
}

/// Writes the samples of a new format; the committed ones stay as they are.
#[test]
fn samples_of_this_format_are_complete() {
    let log = log();
    let stored = stored();
    if stored.is_empty() {
        for operation in &log {
            fs::write(directory().join(format!("{:08}.json", operation.number)), operation.to_json())
                .unwrap();
        }
        panic!("samples were written to {}: look at them and commit them", directory().display());
    }
    // What this version writes is what the first version wrote.
    let written: BTreeMap<String, Vec<u8>> =
        log.iter().map(|operation| (format!("{:08}.json", operation.number), operation.to_json())).collect();
    for (name, bytes) in &written {
        assert_eq!(
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&stored[name]),
            "{name}: the stored form of format 1 has changed; a new form needs a new format number"
        );
    }
}

#[test]
fn samples_load_and_fold() {
    let operations: Vec<Operation> =
        stored().values().map(|bytes| Operation::from_json(bytes).unwrap()).collect();
    let state = State::fold(&environment(), &operations).unwrap();
    assert_eq!(state.last(), 21);
    assert_eq!(state.serving(), None);
    assert_eq!(state.lock(), None);
    assert_eq!(state.stuck(), None);
    let words: Vec<_> = state.history().iter().map(fairway_oplog::Entry::word).collect();
    assert_eq!(words, ["applied", "failed", "reverted", "stuck", "applied", "aborted", "applied"]);
    let takeover = operations.iter().find_map(|operation| match &operation.kind {
        OperationKind::Locked { takes_over, .. } => *takes_over,
        _ => None,
    });
    assert_eq!(takeover, Some(18));
}

#[test]
fn a_sample_with_something_unknown_is_not_read_halfway() {
    let text = String::from_utf8(stored()["00000002.json"].clone()).unwrap();
    for (from, to) in [
        ("\"summary\"", "\"sumary\""),
        ("\"fence\": 1,", "\"fence\": 1, \"extra\": true,"),
        ("\"committed\": {", "\"imagined\": {"),
    ] {
        let broken = text.replace(from, to);
        assert_ne!(broken, text);
        assert!(
            matches!(Operation::from_json(broken.as_bytes()), Err(DecodeError::Malformed { .. })),
            "{broken}"
        );
    }
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    let error = Operation::from_json(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, DecodeError::Newer { found: 2, number: Some(2) }), "{error}");
}
