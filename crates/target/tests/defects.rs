//! The suite catches deliberate defects: a case that cannot fail proves nothing.

mod fixture;

use fairway_target::{conformance, sim::Bug};
use fixture::SimFixture;
use std::collections::BTreeSet;

/// The cases that a defect makes fail.
async fn caught(bug: Bug) -> BTreeSet<&'static str> {
    let mut caught = BTreeSet::new();
    for case in conformance::cases() {
        // A defect may break the simulator itself, which is a failure like any other.
        let run = tokio::spawn(async move {
            let fixture = SimFixture::new(Some(bug));
            (case.run)(&fixture).await
        });
        if !matches!(run.await, Ok(Ok(()))) {
            caught.insert(case.name);
        }
    }
    caught
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_caught() {
    let mut table = String::new();
    for bug in Bug::ALL {
        let cases = caught(bug).await;
        table.push_str(&format!("{bug:?}: {}\n", cases.into_iter().collect::<Vec<_>>().join(", ")));
    }
    println!("{table}");
    let missed: Vec<&str> = table.lines().filter(|line| line.ends_with(": ")).collect();
    assert!(missed.is_empty(), "not caught by any case: {missed:?}");
}
