//! The suite catches deliberate defects: a case that cannot fail proves nothing.

mod fixture;

use fairway_target::{conformance, sim::Bug};
use fixture::SimFixture;
use std::{collections::BTreeSet, time::Duration};

/// Far more than a case needs on the simulator, where nothing waits for real.
const PATIENCE: Duration = Duration::from_secs(3);

/// The cases that a defect makes fail.
async fn caught(bug: Bug) -> BTreeSet<&'static str> {
    let mut caught = BTreeSet::new();
    for case in conformance::cases() {
        // A defect may break the simulator itself or let a call wait for ever, which are failures like any other.
        let run = tokio::spawn(async move {
            let fixture = SimFixture::new(Some(bug));
            tokio::time::timeout(PATIENCE, (case.run)(&fixture)).await
        });
        match run.await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(violation))) => {
                println!("  {}: {violation}", case.name);
                caught.insert(case.name);
            }
            broken => {
                println!("  {}: {broken:?}", case.name);
                caught.insert(case.name);
            }
        }
    }
    caught
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_caught() {
    let mut table = String::new();
    for bug in Bug::ALL {
        println!("{bug:?}");
        let cases = caught(bug).await;
        table.push_str(&format!("{bug:?}: {}\n", cases.into_iter().collect::<Vec<_>>().join(", ")));
    }
    println!("{table}");
    let missed: Vec<&str> = table.lines().filter(|line| line.ends_with(": ")).collect();
    assert!(missed.is_empty(), "not caught by any case: {missed:?}");
}
