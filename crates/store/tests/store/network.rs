//! What a network can do to a bucket: lost answers, refusals, servers that do not know conditions.

use crate::support::{
    Fixture, environment, note,
    server::{Faults, Server},
    text_of,
};
use fairway_store::{AppendError, NextError, Store, StoreError};

/// Writes with this misbehaviour of the server; each acknowledged operation must be there exactly once.
async fn survives(faults: Faults) {
    let server = Server::start().await;
    let store = server.store("x");
    let dev = environment("dev");
    store.append_next(&dev, |state| note(state, "ana", "before")).await.unwrap();
    server.misbehave(Faults { only: "operations", ..faults });
    let (operation, _) = store.append_next(&dev, |state| note(state, "ana", "during")).await.unwrap();
    assert_eq!(operation.number, 2);
    let (operation, _) = store.append_next(&dev, |state| note(state, "ana", "after")).await.unwrap();
    assert_eq!(operation.number, 3);
    let operations = store.operations(&dev).await.unwrap();
    assert_eq!(operations.iter().map(text_of).collect::<Vec<_>>(), ["before", "during", "after"]);
}

#[tokio::test]
async fn a_lost_answer_is_found_to_be_our_own() {
    survives(Faults { stored_but_failed: 1, ..Faults::default() }).await;
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_is_asked_again() {
    survives(Faults { failed: 2, ..Faults::default() }).await;
}

#[tokio::test]
async fn a_conflict_with_a_write_that_came_to_nothing_is_tried_again() {
    survives(Faults { conflict: 2, ..Faults::default() }).await;
}

#[tokio::test]
async fn an_endless_conflict_is_an_error_that_says_so() {
    let server = Server::start().await;
    let store = server.store("x");
    server.misbehave(Faults { conflict: usize::MAX, only: "operations", ..Faults::default() });
    let error = store.append_next(&environment("dev"), |state| note(state, "ana", "a")).await.unwrap_err();
    assert!(matches!(error, NextError::Append(AppendError::Unknown { number: 1, .. })), "{error}");
    assert!(error.to_string().contains("Look at the history of dev"), "{error}");
}

#[tokio::test]
async fn a_server_without_conditions_is_refused_before_it_can_do_harm() {
    let server = Server::start().await;
    let store = server.store("x");
    server.misbehave(Faults { unconditional: true, ..Faults::default() });
    let error = store.append_next(&environment("dev"), |state| note(state, "ana", "a")).await.unwrap_err();
    assert!(
        matches!(error, NextError::Append(AppendError::Store(StoreError::Unconditional { .. }))),
        "{error}"
    );
    assert!(error.to_string().contains("Nothing was written but a marker"), "{error}");
    let error = store.put_release(&crate::support::release(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unconditional { .. }), "{error}");
    assert_eq!(server.documents("").keys().collect::<Vec<_>>(), ["x/fairway-store.json"]);
}

#[tokio::test]
async fn wrong_credentials_are_told() {
    let server = Server::start().await;
    let store = server.store_signing_with("x", "not the secret");
    for error in [
        store.operations(&environment("dev")).await.unwrap_err(),
        store.put_release(&crate::support::release(1)).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{text}");
        assert!(text.contains("Check the credentials"), "{text}");
        assert!(!text.contains("not the secret"), "{text}");
    }
    assert!(server.documents("").is_empty());
}

#[tokio::test]
async fn two_prefixes_of_a_bucket_are_two_stores() {
    let server = Server::start().await;
    let (one, two) = (server.store("one"), server.store("two"));
    one.append_next(&environment("dev"), |state| note(state, "ana", "a")).await.unwrap();
    assert!(two.environments().await.unwrap().is_empty());
    let whole = server.store("");
    whole.append_next(&environment("prod"), |state| note(state, "ana", "a")).await.unwrap();
    assert_eq!(whole.environments().await.unwrap(), [environment("prod")]);
    assert_eq!(one.environments().await.unwrap(), [environment("dev")]);
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = Store::open(file.join("store").to_str().unwrap()).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    assert!(error.to_string().contains("Make the directory writable"), "{error}");
    let error = Store::open("gs://bucket").unwrap_err();
    assert!(matches!(error, StoreError::Location { .. }), "{error}");
}

#[tokio::test]
async fn a_fixture_of_each_kind_shows_what_it_stores() {
    for fixture in [Fixture::directory(), Fixture::bucket().await] {
        assert!(fixture.documents().is_empty());
        fixture.store.put_plan(&crate::support::plan(1)).await.unwrap();
        assert!(fixture.documents().keys().any(|path| path.starts_with("plans/")));
    }
}
