//! The daemon's steps while a release is prepared: databases, migrations, instances, readiness.

use super::{
    Bug, SimBehaviour, SimProgram,
    world::{Database, Instance, Place, probe, processes, routes_of, start_deadline},
};
use crate::lifecycle::Entry;
use fairway_model::{
    ArtifactDigest, EventKind, Failure, FailureKind, Generation, InstanceState, Millis, Phase, ServiceName,
    StepKind,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn step_prepare(
    place: &mut Place,
    artifacts: &BTreeMap<ArtifactDigest, SimProgram>,
    now: u64,
    bugs: &BTreeSet<Bug>,
) -> bool {
    let Some(entry) = place.journal.pending().filter(|entry| entry.phase == Phase::Preparing).cloned() else {
        return false;
    };
    let generation = entry.generation();
    if let Some(failure) =
        not_arrived(place, artifacts, &entry).filter(|_| !bugs.contains(&Bug::IgnoresMissing))
    {
        place.journal.on_failed(generation, now, failure);
        return true;
    }
    if bugs.contains(&Bug::StartsBeforeMigration) && start_one(place, artifacts, &entry, now, bugs) {
        return true;
    }
    prepare_databases(place, artifacts, &entry, now)
        || start_one(place, artifacts, &entry, now, bugs)
        || await_ready(place, &entry, now, bugs)
}

fn not_arrived(
    place: &Place,
    artifacts: &BTreeMap<ArtifactDigest, SimProgram>,
    entry: &Entry,
) -> Option<Failure> {
    processes(entry).find_map(|(name, process, _)| {
        let missing_secret = process.config.values().find_map(|value| match value {
            fairway_model::ConfigValue::Secret(version) if !place.secrets.contains(version) => Some(version),
            _ => None,
        });
        let what = if artifacts.contains_key(&process.artifact.digest) {
            format!("secret version {}", missing_secret?.short())
        } else {
            format!("artifact {}", process.artifact.digest.short())
        };
        let failure = Failure::new(
            FailureKind::Missing,
            format!("{what} of {name} has not arrived"),
            "nothing was started",
            "deliver it and plan again",
        );
        Some(failure.of_service(name))
    })
}

/// Databases first, then every migration, then seeds: nothing is started before all of them are through.
fn prepare_databases(
    place: &mut Place,
    artifacts: &BTreeMap<ArtifactDigest, SimProgram>,
    entry: &Entry,
    now: u64,
) -> bool {
    let generation = entry.generation();
    let wanted: Vec<_> = processes(entry)
        .filter_map(|(name, process, _)| process.database.as_ref().map(|spec| (name, process, spec)))
        .collect();
    for (name, _, _) in &wanted {
        if !place.databases.contains_key(*name) {
            place.databases.insert((*name).clone(), Database::default());
            done(place, generation, now, name, &StepKind::EnsureDatabase);
            return true;
        }
    }
    let planned = |name: &ServiceName, kind: &StepKind| {
        entry
            .assignment
            .plan
            .steps
            .iter()
            .any(|step| step.service.as_ref() == Some(name) && step.kind == *kind)
    };
    for (name, process, spec) in &wanted {
        let database = place.databases.entry((*name).clone()).or_default();
        if spec.migrate.is_none()
            || !planned(name, &StepKind::Migrate)
            || database.migrated_by == Some(generation)
        {
            continue;
        }
        let program = artifacts.get(&process.artifact.digest);
        if program.is_some_and(|program| program.behaviour == SimBehaviour::BadMigration) {
            let mut failure = Failure::new(
                FailureKind::Migration,
                format!("the migration of {name} ended with exit status 1"),
                "no instance was started and no route has moved",
                "correct the migration and plan again",
            )
            .of_service(name);
            failure.log =
                vec!["applying 0002_broken.sql".to_owned(), "ERROR: relation does not exist".to_owned()];
            place.journal.on_failed(generation, now, failure);
        } else {
            database.migrated_by = Some(generation);
            database.migrations += 1;
            done(place, generation, now, name, &StepKind::Migrate);
        }
        return true;
    }
    for (name, _, spec) in &wanted {
        let database = place.databases.entry((*name).clone()).or_default();
        if spec.seed.is_some() && planned(name, &StepKind::Seed) && !database.seeded {
            database.seeded = true;
            done(place, generation, now, name, &StepKind::Seed);
            return true;
        }
    }
    false
}

fn done(place: &mut Place, generation: Generation, now: u64, service: &ServiceName, step: &StepKind) {
    let kind = EventKind::StepDone { step: step.verb().to_owned(), took: Millis(0), detail: String::new() };
    place.journal.record(generation, now, Some(service.clone()), kind);
}

fn start_one(
    place: &mut Place,
    artifacts: &BTreeMap<ArtifactDigest, SimProgram>,
    entry: &Entry,
    now: u64,
    bugs: &BTreeSet<Bug>,
) -> bool {
    let generation = entry.generation();
    for (name, process, replicas) in processes(entry) {
        let spec = process.digest();
        let running = place
            .of_spec(name, spec)
            .filter(|instance| !bugs.contains(&Bug::RestartsUnchanged) || instance.generation == generation);
        let wanted = if bugs.contains(&Bug::StartsOne) { 1 } else { replicas as usize };
        if running.count() >= wanted {
            continue;
        }
        let Some(program) = artifacts.get(&process.artifact.digest) else { continue };
        if program.behaviour == SimBehaviour::ExitsAtStart {
            let mut failure = Failure::new(
                FailureKind::Start,
                format!("{name} of release {generation} ended with exit status 1 before it was ready"),
                "no route has moved; what served before serves",
                "look at its last lines, correct it and plan again",
            )
            .of_service(name);
            if !bugs.contains(&Bug::HidesLog) {
                failure.log = vec!["starting".to_owned(), "panic: configuration is incomplete".to_owned()];
            }
            place.journal.on_failed(generation, now, failure);
            return true;
        }
        place.started += 1;
        let id = format!("{name}-{}-{}", spec.short(), place.started);
        let ready = program.behaviour != SimBehaviour::NeverReady;
        let instance = Instance {
            service: name.clone(),
            spec,
            artifact: process.artifact.digest,
            generation,
            state: InstanceState::Starting,
            started_at: now,
            ready_at: ready.then(|| now + program.start_ms),
            fails_at: None,
        };
        place.instances.insert(id, instance);
        let started = EventKind::StepStarted { step: StepKind::Start { spec, replicas }.verb().to_owned() };
        place.journal.record(generation, now, Some(name.clone()), started);
        return true;
    }
    false
}

fn await_ready(place: &mut Place, entry: &Entry, now: u64, bugs: &BTreeSet<Bug>) -> bool {
    let generation = entry.generation();
    let mut waiting = false;
    for (name, process, _) in processes(entry) {
        let ready =
            place.of_spec(name, process.digest()).all(|instance| instance.state == InstanceState::Ready);
        if ready || bugs.contains(&Bug::DoesNotProbe) {
            continue;
        }
        if start_deadline(entry, process) <= now {
            let mut failure = Failure::new(
                FailureKind::Start,
                format!(
                    "{name} of release {generation} was not ready within {}",
                    process.probes.start_deadline
                ),
                "no route has moved; what served before serves",
                "look at what its readiness probe says, correct it and plan again",
            )
            .of_service(name);
            failure.log = vec!["starting".to_owned(), "waiting for an upstream".to_owned()];
            failure.probe = Some(probe("not ready".to_owned()));
            place.journal.on_failed(generation, now, failure);
            return true;
        }
        waiting = true;
    }
    if !waiting {
        place.journal.on_prepared(generation, now);
        if bugs.contains(&Bug::SwitchesAtPrepare) {
            place.routes = routes_of(entry);
        }
    }
    !waiting
}
