//! What a store promises, on a directory and on a bucket.

use crate::support::{Fixture, environment, note, plan, release, text_of};
use fairway_model::{ContractDigest, Digest, PlanId, ReleaseDigest};
use fairway_oplog::State;
use fairway_store::{AppendError, DocumentName, Key, Log, NextError, Shared, Store, StoreError, Version};
use std::collections::{BTreeMap, BTreeSet};

/// Makes a test of each function for each backend.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod directory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Fixture::directory()).await; })*
        }
        mod bucket {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::Fixture::bucket().await).await; })*
        }
    };
}

on_both![
    a_new_store_is_empty,
    the_log_is_read_as_it_was_written,
    the_layout_is_fixed,
    a_taken_number_stays_taken,
    a_misplaced_operation_is_refused,
    the_next_operation_sees_what_came_before,
    the_next_operation_may_be_refused_as_stale,
    many_writers_lose_nothing,
    writers_of_one_number_have_one_winner,
    a_gap_is_an_error,
    a_damaged_operation_is_an_error,
    an_operation_in_the_wrong_place_is_an_error,
    a_later_format_is_told_from_damage,
    foreign_files_are_named,
    a_log_that_does_not_fold_is_an_error,
    documents_are_found_by_their_content,
    damaged_documents_are_named,
    contracts_are_kept_once,
    what_edges_share_has_versions,
    what_edges_share_is_sealed_and_stays_in_its_place,
    writers_of_one_version_have_one_winner,
];

async fn append(fixture: &Fixture, name: &str, texts: &[&str]) {
    for text in texts {
        let written = fixture.store.append_next(&environment(name), |state| note(state, "ana", text)).await;
        written.unwrap();
    }
}

async fn a_new_store_is_empty(fixture: Fixture) {
    let dev = environment("dev");
    assert!(fixture.store.environments().await.unwrap().is_empty());
    assert!(fixture.store.operations(&dev).await.unwrap().is_empty());
    assert_eq!(fixture.store.state(&dev).await.unwrap(), State::new(dev));
}

async fn the_log_is_read_as_it_was_written(fixture: Fixture) {
    let (pr, dev) = (environment("test/pr-42"), environment("dev"));
    let texts: Vec<String> = (1..=20).map(|number| format!("note {number}")).collect();
    append(&fixture, "test/pr-42", &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    append(&fixture, "dev", &["alone"]).await;
    let store = fixture.again();
    assert_eq!(store.environments().await.unwrap(), [dev.clone(), pr.clone()]);
    let operations = store.operations(&pr).await.unwrap();
    assert_eq!(operations.iter().map(text_of).collect::<Vec<_>>(), texts);
    assert_eq!(
        operations.iter().map(|operation| operation.number).collect::<Vec<_>>(),
        (1..=20).collect::<Vec<_>>()
    );
    assert_eq!(store.state(&pr).await.unwrap().last(), 20);
    assert_eq!(store.state(&dev).await.unwrap().last(), 1);

    let tail = store.since(&pr, 17).await.unwrap();
    assert_eq!(tail.iter().map(text_of).collect::<Vec<_>>(), ["note 18", "note 19", "note 20"]);
    assert!(store.since(&pr, 20).await.unwrap().is_empty());

    let mut log = Log::unread(pr.clone());
    assert_eq!(store.read_on(&mut log).await.unwrap().len(), 20);
    assert!(store.read_on(&mut log).await.unwrap().is_empty());
    append(&fixture, "test/pr-42", &["one more"]).await;
    assert_eq!(store.read_on(&mut log).await.unwrap().iter().map(text_of).collect::<Vec<_>>(), ["one more"]);
    assert_eq!(log.state(), &store.state(&pr).await.unwrap());
}

async fn the_layout_is_fixed(fixture: Fixture) {
    append(&fixture, "test/pr-42", &["first"]).await;
    let (release, plan) = (release(1), plan(1));
    fixture.store.put_release(&release).await.unwrap();
    fixture.store.put_plan(&plan).await.unwrap();
    let documents = fixture.documents();
    for path in [
        "environments/test~pr-42/operations/00000001.json".to_owned(),
        format!("releases/{}.json", release.digest().hex()),
        format!("plans/{}.json", plan.id().hex()),
    ] {
        assert!(documents.contains_key(&path), "{path} is not among {:?}", documents.keys());
    }
    let rest = documents.len() - 3;
    let marker = usize::from(documents.contains_key("fairway-store.json"));
    assert_eq!(rest, marker, "{:?}", documents.keys());
}

async fn a_taken_number_stays_taken(fixture: Fixture) {
    let dev = environment("dev");
    let empty = State::new(dev.clone());
    let (mine, theirs) = (note(&empty, "ana", "mine").unwrap(), note(&empty, "bo", "theirs").unwrap());
    fixture.store.append(&dev, 1, &mine).await.unwrap();
    // The same content, too: an acknowledgement belongs to one writer.
    for late in [&theirs, &mine] {
        let error = fixture.again().append(&dev, 1, late).await.unwrap_err();
        assert!(matches!(error, AppendError::Taken { number: 1, .. }), "{error}");
        assert!(error.to_string().contains("Nothing was written; read the log again"), "{error}");
    }
    assert_eq!(fixture.store.operations(&dev).await.unwrap(), [mine]);
}

async fn a_misplaced_operation_is_refused(fixture: Fixture) {
    let dev = environment("dev");
    let operation = note(&State::new(dev.clone()), "ana", "x").unwrap();
    for (place, number) in [(&dev, 2), (&environment("staging"), 1), (&dev, 0)] {
        let error = fixture.store.append(place, number, &operation).await.unwrap_err();
        assert!(matches!(error, AppendError::Misplaced { .. }), "{error}");
    }
    assert!(fixture.documents().is_empty());
}

async fn the_next_operation_sees_what_came_before(fixture: Fixture) {
    let dev = environment("dev");
    append(&fixture, "dev", &["a", "b"]).await;
    let mut seen = Vec::new();
    let other = fixture.again();
    let (operation, state) = fixture
        .store
        .append_next(&dev, |state| {
            seen.push(state.last());
            // Someone else is faster the first time.
            if seen.len() == 1 {
                let faster = note(state, "bo", "faster").unwrap();
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(other.append(&dev, 3, &faster)).unwrap();
                });
            }
            note(state, "ana", "slower")
        })
        .await
        .unwrap();
    assert_eq!(seen, [2, 3]);
    assert_eq!((operation.number, state.last()), (4, 4));
    let texts: Vec<_> =
        fixture.store.operations(&dev).await.unwrap().iter().map(|o| text_of(o).to_owned()).collect();
    assert_eq!(texts, ["a", "b", "faster", "slower"]);
}

async fn the_next_operation_may_be_refused_as_stale(fixture: Fixture) {
    let dev = environment("dev");
    append(&fixture, "dev", &["a"]).await;
    let error = fixture
        .store
        .append_next(&dev, |state| {
            if state.last() == 0 { Ok(note(state, "ana", "b").unwrap()) } else { Err("the head has moved") }
        })
        .await
        .unwrap_err();
    assert!(matches!(error, NextError::Refused("the head has moved")), "{error}");
    assert_eq!(fixture.store.operations(&dev).await.unwrap().len(), 1);
}

/// 16 writers, four to a handle, write 8 operations each: each acknowledged operation is in the log under the
/// number that was acknowledged, and nothing else is.
async fn many_writers_lose_nothing(fixture: Fixture) {
    let dev = environment("dev");
    let stores: Vec<Store> = (0..4).map(|_| fixture.again()).collect();
    let writers = (0..16).map(|who| {
        let (store, dev) = (stores[who % 4].clone(), dev.clone());
        tokio::spawn(async move {
            let mut written = Vec::new();
            let mut log = Log::unread(dev);
            for turn in 0..8 {
                let text = format!("{who}/{turn}");
                let operation = store.append_to(&mut log, |state| note(state, "robot", &text)).await.unwrap();
                assert_eq!(log.state().last(), operation.number);
                written.push(operation);
            }
            written
        })
    });
    let mut acknowledged = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged.sort_by_key(|operation| operation.number);
    assert_eq!(acknowledged.len(), 128);
    assert_eq!(fixture.store.operations(&dev).await.unwrap(), acknowledged);
    let texts: BTreeSet<&str> = acknowledged.iter().map(text_of).collect();
    assert_eq!(texts.len(), 128, "an operation stands twice in the log");
}

async fn writers_of_one_number_have_one_winner(fixture: Fixture) {
    let dev = environment("dev");
    let stores: Vec<Store> = (0..4).map(|_| fixture.again()).collect();
    for number in 1..=5 {
        let state = fixture.store.state(&dev).await.unwrap();
        let writers = (0..16).map(|who| {
            let (store, dev) = (stores[who % 4].clone(), dev.clone());
            let operation = note(&state, "x", &who.to_string()).unwrap();
            tokio::spawn(async move { (who, store.append(&dev, number, &operation).await) })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                (who, Ok(())) => winners.push(who.to_string()),
                (_, Err(AppendError::Taken { .. })) => {}
                (who, Err(error)) => panic!("{who}: {error}"),
            }
        }
        let log = fixture.store.operations(&dev).await.unwrap();
        assert_eq!(winners, [text_of(log.last().unwrap())]);
    }
}

async fn a_gap_is_an_error(fixture: Fixture) {
    append(&fixture, "dev", &["a", "b", "c", "d"]).await;
    fixture.lose("environments/dev/operations/00000002.json");
    let dev = environment("dev");
    for error in [
        fixture.store.operations(&dev).await.unwrap_err(),
        fixture.store.state(&dev).await.unwrap_err(),
        fixture.store.since(&dev, 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Gap { missing: 2, newest: 4, .. }), "{error}");
        assert!(error.to_string().contains("environments/dev/operations/00000002.json"), "{error}");
    }
    // What was read before the gap stands.
    assert_eq!(fixture.store.since(&dev, 2).await.unwrap().len(), 2);
    let refused = fixture.store.append_next(&dev, |state| note(state, "ana", "e")).await.unwrap_err();
    assert!(matches!(refused, NextError::Store(StoreError::Gap { .. })), "{refused}");
}

async fn damage_check(fixture: &Fixture, content: &[u8], expect: &str) {
    let path = "environments/dev/operations/00000001.json";
    fixture.damage(path, content);
    let error = fixture.store.state(&environment("dev")).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(path) && text.contains(expect), "{text}");
}

async fn a_damaged_operation_is_an_error(fixture: Fixture) {
    append(&fixture, "dev", &["a"]).await;
    let whole = fixture.documents()["environments/dev/operations/00000001.json"].clone();
    for end in [0, 1, whole.len() / 2, whole.len() - 3] {
        damage_check(&fixture, &whole[..end], "is not an operation").await;
    }
    damage_check(&fixture, b"\xff\xfe", "is not an operation").await;
}

async fn an_operation_in_the_wrong_place_is_an_error(fixture: Fixture) {
    append(&fixture, "staging", &["a", "b"]).await;
    let documents = fixture.documents();
    append(&fixture, "dev", &["a"]).await;
    damage_check(
        &fixture,
        &documents["environments/staging/operations/00000001.json"],
        "operation 1 of staging",
    )
    .await;
    fixture.damage(
        "environments/staging/operations/00000001.json",
        &documents["environments/staging/operations/00000002.json"],
    );
    let error = fixture.store.state(&environment("staging")).await.unwrap_err();
    assert!(error.to_string().contains("it holds operation 2 of staging"), "{error}");
}

async fn a_later_format_is_told_from_damage(fixture: Fixture) {
    fixture
        .damage("environments/dev/operations/00000001.json", br#"{"format": 7, "number": 1, "news": true}"#);
    let error = fixture.store.state(&environment("dev")).await.unwrap_err();
    assert!(matches!(error, StoreError::Format { found: 7, .. }), "{error}");

    let later = br#"{"format": 9, "anything": []}"#;
    let digest = Digest::of(later);
    fixture.damage(&format!("releases/{}.json", digest.hex()), later);
    fixture.damage(&format!("plans/{}.json", digest.hex()), later);
    let error = fixture.store.get_release(ReleaseDigest(digest)).await.unwrap_err();
    assert!(matches!(error, StoreError::Format { found: 9, known: 1, .. }), "{error}");
    let error = fixture.store.get_plan(PlanId(digest)).await.unwrap_err();
    assert!(matches!(error, StoreError::Format { found: 9, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("Use a Fairway at least as new"), "{error}");
}

async fn foreign_files_are_named(fixture: Fixture) {
    append(&fixture, "dev", &["a"]).await;
    for name in ["2.json", "00000002.json.bak", "notes.txt"] {
        let path = format!("environments/dev/operations/{name}");
        fixture.damage(&path, b"hello");
        let error = fixture.store.operations(&environment("dev")).await.unwrap_err();
        assert!(matches!(&error, StoreError::Foreign { path: found, .. } if *found == path), "{error}");
        fixture.lose(&path);
    }
    fixture.damage("environments/Not An Environment/operations/00000001.json", b"{}");
    let error = fixture.store.environments().await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

async fn a_log_that_does_not_fold_is_an_error(fixture: Fixture) {
    append(&fixture, "dev", &["a", "b"]).await;
    let path = "environments/dev/operations/00000002.json";
    let text = String::from_utf8(fixture.documents()[path].clone()).unwrap();
    let forged = text.replace(r#""noted": {"#, r#""unlocked": { "lease": "L1", "forced": null }, "was": {"#);
    assert_ne!(forged, text);
    let mut value: serde_json::Value = serde_json::from_str(&forged).unwrap();
    value["kind"].as_object_mut().unwrap().remove("was");
    fixture.damage(path, &serde_json::to_vec(&value).unwrap());
    let error = fixture.store.state(&environment("dev")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { path: found, .. } if found == path), "{error}");
    // The operations themselves can still be read.
    assert_eq!(fixture.store.operations(&environment("dev")).await.unwrap().len(), 2);
}

async fn documents_are_found_by_their_content(fixture: Fixture) {
    let (release, plan) = (release(7), plan(3));
    for _ in 0..2 {
        assert_eq!(fixture.store.put_release(&release).await.unwrap(), release.digest());
        assert_eq!(fixture.store.put_plan(&plan).await.unwrap(), plan.id());
    }
    let store = fixture.again();
    assert_eq!(store.get_release(release.digest()).await.unwrap(), release);
    assert_eq!(store.get_plan(plan.id()).await.unwrap(), plan);
    let nowhere = Digest::of(b"nowhere");
    let error = store.get_release(ReleaseDigest(nowhere)).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { what: "release", .. }), "{error}");
    let error = store.get_plan(PlanId(nowhere)).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { what: "plan", .. }), "{error}");
    // Many at once put the same.
    let many = (0..16).map(|_| {
        let (store, release) = (store.clone(), crate::support::release(8));
        tokio::spawn(async move { store.put_release(&release).await.unwrap() })
    });
    for one in many.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), crate::support::release(8).digest());
    }
}

async fn damaged_documents_are_named(fixture: Fixture) {
    let release = release(7);
    let path = format!("releases/{}.json", release.digest().hex());
    fixture.store.put_release(&release).await.unwrap();
    let whole = fixture.documents()[&path].clone();
    let other = fairway_model::canonical_json(&crate::support::release(8));
    for damaged in [&whole[..0], &whole[..whole.len() / 2], other.as_slice()] {
        fixture.damage(&path, damaged);
        for error in [
            fixture.store.get_release(release.digest()).await.unwrap_err(),
            fixture.store.put_release(&release).await.unwrap_err(),
        ] {
            assert!(matches!(&error, StoreError::Corrupt { path: found, .. } if *found == path), "{error}");
            assert!(error.to_string().contains("Fairway never rewrites it"), "{error}");
        }
    }
    fixture.damage(&path, &whole);
    assert_eq!(fixture.store.get_release(release.digest()).await.unwrap(), release);
}

async fn contracts_are_kept_once(fixture: Fixture) {
    let digest = ContractDigest(Digest::of(b"what it means"));
    let path = format!("contracts/{}.json", digest.hex());
    let files = |text: &str| BTreeMap::from([("identity.yaml".to_owned(), text.to_owned())]);
    assert_eq!(fixture.store.get_contract(digest).await.unwrap(), None);
    for text in ["openapi: 3.0.3", "openapi: 3.0.3 # the same in other words"] {
        fixture.store.put_contract(digest, "identity.yaml", files(text)).await.unwrap();
    }
    let found = fixture.again().get_contract(digest).await.unwrap();
    assert_eq!(found, Some(("identity.yaml".to_owned(), files("openapi: 3.0.3"))));
    fixture.damage(&path, br#"{"format": 2, "pages": []}"#);
    let error = fixture.store.get_contract(digest).await.unwrap_err();
    assert!(matches!(error, StoreError::Format { found: 2, .. }), "{error}");
    fixture.damage(&path, b"{");
    for error in [
        fixture.store.get_contract(digest).await.unwrap_err(),
        fixture.store.put_contract(digest, "identity.yaml", files("x")).await.unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::Corrupt { path: found, .. } if *found == path), "{error}");
    }
}

/// A writer that died between writing and linking leaves its staged file, which nobody may ever see.
#[tokio::test]
async fn what_a_dead_writer_staged_is_not_seen() {
    let fixture = Fixture::directory();
    append(&fixture, "dev", &["a"]).await;
    for name in ["00000002.json#1", "00000002.json#2", "00000001.json#1"] {
        fixture.damage(&format!("environments/dev/operations/{name}"), b"{ \"format\": 1, \"num");
    }
    assert_eq!(fixture.store.operations(&environment("dev")).await.unwrap().len(), 1);
    append(&fixture, "dev", &["b"]).await;
    let operations = fixture.store.operations(&environment("dev")).await.unwrap();
    assert_eq!(operations.iter().map(text_of).collect::<Vec<_>>(), ["a", "b"]);
}

/// A store that version 1 wrote.
#[tokio::test]
async fn the_sample_of_format_1_loads() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/store-1");
    let store = Store::open(sample).unwrap();
    let pr = environment("test/pr-42");
    assert_eq!(store.environments().await.unwrap(), std::slice::from_ref(&pr));
    let state = store.state(&pr).await.unwrap();
    assert_eq!(state.last(), 3);
    let serving = state.serving().unwrap();
    assert_eq!(store.get_release(serving.release).await.unwrap(), release(7));
    let plan = store.get_plan(serving.plan).await.unwrap();
    assert_eq!((plan.child, plan.generation), (serving.release, serving.generation));
}

fn version(number: u64, content: &str) -> Version {
    Version { number, content: content.as_bytes().to_vec() }
}

fn shared(store: Store, name: &str, key: u8) -> Shared {
    Shared::new(store, environment(name), &Key::new([key; 32]))
}

async fn what_edges_share_has_versions(fixture: Fixture) {
    let pr = shared(fixture.again(), "test/pr-42", 7);
    let [name, other] = ["acme/a", "acme/a-b"].map(|name| DocumentName::new(name).unwrap());
    assert_eq!(pr.newest(&name).await.unwrap(), None);
    assert!(pr.create(&name, &version(1, "one")).await.unwrap());
    assert!(!pr.create(&name, &version(1, "other")).await.unwrap());
    for number in 2..=11 {
        assert!(pr.create(&name, &version(number, "more")).await.unwrap());
    }
    assert!(pr.create(&other, &version(1, "elsewhere")).await.unwrap());
    let again = shared(fixture.again(), "test/pr-42", 7);
    assert_eq!(again.newest(&name).await.unwrap(), Some(11));
    assert_eq!(again.get(&name, 1).await.unwrap(), Some(version(1, "one")));
    assert_eq!(again.get(&name, 12).await.unwrap(), None);
    // Neither another environment nor another key sees it, and it is no environment's log.
    for (name_of_environment, key) in [("test/pr-4", 7), ("test/pr-42", 8)] {
        let elsewhere = shared(fixture.again(), name_of_environment, key);
        assert_eq!(elsewhere.newest(&name).await.unwrap(), None);
    }
    assert!(fixture.store.environments().await.unwrap().is_empty());
}

async fn what_edges_share_is_sealed_and_stays_in_its_place(fixture: Fixture) {
    let (dev, name) = (shared(fixture.again(), "dev", 7), DocumentName::new("acme/a").unwrap());
    assert!(dev.create(&name, &version(1, "a private key")).await.unwrap());
    let (path, content) =
        fixture.documents().into_iter().find(|(path, _)| path.starts_with("shared/")).unwrap();
    assert!(path.starts_with("shared/dev/") && path.ends_with("/acme/a/00000001.json"), "{path}");
    let text = String::from_utf8(content.clone()).unwrap();
    let clear = ["a private key".to_owned(), "a private key".bytes().map(|b| format!("{b:02x}")).collect()];
    assert!(!clear.iter().any(|clear| text.contains(clear)), "{text}");
    // Moved, changed, of a later format, no version at all: each is told.
    let next = path.replace("00000001", "00000002");
    let flipped = text.replace("\"sealed\":\"", "\"sealed\":\"00");
    for (content, expect) in [
        (text.clone(), "sealed with another key or for another place"),
        (flipped, "sealed with another key or for another place"),
        (text.replace("\"format\":1", "\"format\":2"), "has format 2"),
        ("nonsense".to_owned(), "is damaged"),
    ] {
        fixture.damage(&next, content.as_bytes());
        let error = dev.get(&name, 2).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
    fixture.damage(&path.replace("00000001", "zz"), b"");
    let error = dev.newest(&name).await.unwrap_err();
    assert!(matches!(&error, StoreError::Foreign { path, .. } if path.ends_with("zz.json")), "{error}");
}

async fn writers_of_one_version_have_one_winner(fixture: Fixture) {
    let name = DocumentName::new("acme/a").unwrap();
    let writers = (0..8).map(|writer: usize| {
        let (dev, name) = (shared(fixture.again(), "dev", 7), name.clone());
        tokio::spawn(async move { dev.create(&name, &version(1, &writer.to_string())).await.unwrap() })
    });
    let mut won = Vec::new();
    for (writer, task) in writers.collect::<Vec<_>>().into_iter().enumerate() {
        if task.await.unwrap() {
            won.push(writer.to_string());
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    let dev = shared(fixture.again(), "dev", 7);
    assert_eq!(dev.get(&name, 1).await.unwrap(), Some(version(1, &won[0])));
}
