//! The suite catches deliberate defects: a case that cannot fail proves nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what cannot be")]

mod fixture;

use fairway_target::{conformance, sim::Bug};
use fixture::SimFixture;
use futures::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Far more than a case needs on the simulator, where nothing waits for real.
const PATIENCE: Duration = Duration::from_secs(5);

/// Each defect, and the case that was written for it.
const WRITTEN_FOR: [(Bug, &str); Bug::ALL.len()] = [
    (Bug::AcceptsStale, "the_past_is_refused"),
    (Bug::RestartsUnchanged, "only_what_changed_is_started"),
    (Bug::DoesNotProbe, "a_service_that_is_never_ready_costs_nothing"),
    (Bug::MovesRoutesPartly, "two_executors_at_once_never_mix"),
    (Bug::StartsBeforeMigration, "a_failing_migration_fails_before_any_start"),
    (Bug::DoesNotGoBack, "trouble_after_the_switch_goes_back"),
    (Bug::ForgetsLease, "a_lost_caller_is_aborted_by_its_lease"),
    (Bug::RetiresAtSwitch, "a_revert_in_the_bake_starts_nothing"),
    (Bug::ForgetsAtRestart, "a_restart_while_preparing_can_be_resumed"),
    (Bug::LeavesGarbage, "a_prepared_release_can_be_aborted"),
    (Bug::PreparesTwice, "every_call_twice_is_as_once"),
    (Bug::HidesLog, "a_service_that_exits_fails_at_once_with_its_log"),
    (Bug::DestroyKeepsRoutes, "destroying_stops_everything_and_twice_is_fine"),
    (Bug::LetsTwoIn, "a_second_executor_waits_its_turn"),
    (Bug::ObservesThePast, "observation_is_true_in_each_phase"),
    (Bug::AbortDoesNothing, "aborting_twice_is_fine"),
    (Bug::SwitchesAtPrepare, "a_first_release_goes_through_all_phases"),
    (Bug::TakesAnyBytes, "artifacts_are_what_their_digest_says"),
    (Bug::KeepsRemovedRoutes, "a_removed_service_loses_its_route"),
    (Bug::RepeatsEvents, "events_come_once_and_in_order"),
    (Bug::IgnoresPhases, "calls_out_of_order_are_refused"),
    (Bug::IgnoresMissing, "what_has_not_arrived_is_refused"),
    (Bug::StartsOne, "replicas_are_started"),
    (Bug::IgnoresTrouble, "trouble_in_a_first_release_needs_a_person"),
    (Bug::ReusesNumbers, "one_generation_has_one_content"),
    (Bug::RefusesDuringBake, "a_newer_release_supersedes_one_that_bakes"),
    (Bug::PurgeKeepsDatabases, "purging_forgets_databases"),
];

/// The cases that a defect makes fail, with what they say.
async fn caught(bug: Bug) -> BTreeMap<&'static str, String> {
    let runs = conformance::cases().into_iter().map(|case| async move {
        // A defect may break the simulator itself or let a call wait for ever, which are failures like any other.
        let run = tokio::spawn(async move {
            let fixture = SimFixture::new(Some(bug));
            tokio::time::timeout(PATIENCE, (case.run)(&fixture)).await
        });
        match run.await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(violation))) => Some((case.name, violation.to_string())),
            broken => Some((case.name, format!("{broken:?}"))),
        }
    });
    join_all(runs).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_caught_and_every_case_catches_one() {
    let mut useful = BTreeSet::new();
    let mut missed = Vec::new();
    for (bug, case) in WRITTEN_FOR {
        let caught = caught(bug).await;
        if !caught.contains_key(case) {
            missed.push(format!("{bug:?} is not caught by {case}, but by {:?}", caught.keys()));
        }
        println!("{bug:?}");
        for (case, violation) in caught {
            println!("  {case}: {violation}");
            useful.insert(case);
        }
    }
    let useless: Vec<_> =
        conformance::cases().iter().map(|case| case.name).filter(|name| !useful.contains(name)).collect();
    assert!(
        missed.is_empty() && useless.is_empty(),
        "missed: {missed:#?}\ncases that never fail: {useless:?}"
    );
    let known: BTreeSet<Bug> = WRITTEN_FOR.iter().map(|(bug, _)| *bug).collect();
    assert_eq!(known, BTreeSet::from(Bug::ALL));
}
