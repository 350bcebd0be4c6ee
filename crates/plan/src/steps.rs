//! Decisions put in the order of a release: prepare everything, move once, clear away.

use crate::{
    PlanInput,
    decide::{Database, Decision},
    observation::Observation,
    schema::Presence,
    text::{count, list, some},
};
use fairway_model::{ArtifactDigest, Change, Reversibility, ServiceName, SpecDigest, Step, StepKind};
use std::collections::BTreeMap;

/// What goes away: a service of the recorded release that is not desired, or instances and routes that no release knows.
pub(crate) struct Leaving<'a> {
    pub(crate) name: &'a ServiceName,
    /// The recorded release has it.
    pub(crate) recorded: bool,
    /// Specifications whose instances go; with the reason.
    pub(crate) retire: Vec<(SpecDigest, String)>,
    /// The edge still has a route for it.
    pub(crate) routed: bool,
}

/// All steps. `decisions` are in the order of needs.
pub(crate) fn steps(
    input: &PlanInput<'_>,
    observation: &Observation<'_>,
    decisions: &[Decision<'_>],
    leaving: &[Leaving<'_>],
    environment_changes: &[Change],
) -> Vec<Step> {
    let mut steps = deliveries(observation, decisions);
    steps.extend(server(input, decisions));
    for decision in decisions {
        if let Some(Database { presence: presence @ (Presence::New | Presence::Unsure), .. }) =
            decision.database
        {
            let reason = match presence {
                Presence::New => "the service has no database yet; it stays when the release is taken back",
                _ => "nobody could see whether the service has a database; it is made if it is missing",
            };
            steps.push(of(decision.name, StepKind::EnsureDatabase, reason.to_owned()));
        }
    }
    for decision in decisions {
        if let Some(Database { presence, outlook, migrate: true, .. }) = &decision.database {
            steps.push(Step {
                reversibility: outlook.reversibility(*presence),
                ..of(decision.name, StepKind::Migrate, outlook.reason(*presence))
            });
        }
    }
    for decision in decisions {
        if let Some(Database { seed: true, .. }) = &decision.database {
            let reason = "the database is new; its rows stay when the release is taken back";
            steps.push(of(decision.name, StepKind::Seed, reason.to_owned()));
        }
    }
    for decision in decisions {
        if let (Some(spec), Some(reason)) = (decision.spec, &decision.start) {
            let kind = StepKind::Start { spec, replicas: decision.desired.replicas };
            steps.push(of(decision.name, kind, reason.clone()));
        }
    }
    if let Some(reason) = switch(input, decisions, leaving, environment_changes) {
        steps.push(of_all(StepKind::Switch, reason));
        if is_another(input) && input.serving.is_some() && input.desired.bake.0 > 0 {
            let reason = format!("{} in which trouble moves the routes back", input.desired.bake);
            steps.push(of_all(StepKind::Bake, reason));
        }
    }
    // What needs others goes before what it needs.
    for decision in decisions.iter().rev() {
        for (spec, reason) in &decision.retire {
            steps.push(of(decision.name, StepKind::Retire { spec: *spec }, reason.clone()));
        }
    }
    for leaving in leaving {
        for (spec, reason) in &leaving.retire {
            steps.push(of(leaving.name, StepKind::Retire { spec: *spec }, reason.clone()));
        }
    }
    for leaving in leaving.iter().filter(|leaving| leaving.recorded) {
        let reason = "the release does not have it any more; a database stays";
        steps.push(of(leaving.name, StepKind::Remove, reason.to_owned()));
    }
    steps
}

/// The desired release is not the one that the log says serves.
pub(crate) fn is_another(input: &PlanInput<'_>) -> bool {
    input.serving != Some(input.desired)
}

fn of(service: &ServiceName, kind: StepKind, reason: String) -> Step {
    Step { kind, service: Some(service.clone()), reason, reversibility: Reversibility::Reversible }
}

fn of_all(kind: StepKind, reason: String) -> Step {
    Step { kind, service: None, reason, reversibility: Reversibility::Reversible }
}

/// One step for each missing artifact, at the first service that runs it.
fn deliveries(observation: &Observation<'_>, decisions: &[Decision<'_>]) -> Vec<Step> {
    let mut position: BTreeMap<ArtifactDigest, usize> = BTreeMap::new();
    let mut missing: Vec<(ArtifactDigest, Vec<&ServiceName>)> = Vec::new();
    for decision in decisions {
        let Some(process) = decision.desired.process() else { continue };
        let runs_command =
            decision.database.as_ref().is_some_and(|database| database.migrate || database.seed);
        if decision.desired.replicas == 0 && !runs_command {
            continue;
        }
        let artifact = process.artifact.digest;
        let wanted = match observation.artifacts {
            Some(there) => !there.contains(&artifact),
            None => decision.start.is_some() || runs_command,
        };
        if wanted {
            let at = *position.entry(artifact).or_insert_with(|| {
                missing.push((artifact, Vec::new()));
                missing.len() - 1
            });
            missing[at].1.push(decision.name);
        }
    }
    let step = |(artifact, services): (ArtifactDigest, Vec<&ServiceName>)| {
        let first = services.first().copied()?;
        let sight = if observation.artifacts.is_some() { "is missing" } else { "may be missing" };
        let reason = match services.as_slice() {
            [_] => format!("{} {sight} at the target", artifact.short()),
            all => format!("{} {sight} at the target; {} run it", artifact.short(), some(all, 3)),
        };
        Some(of(first, StepKind::Deliver { artifact }, reason))
    };
    missing.into_iter().filter_map(step).collect()
}

fn server(input: &PlanInput<'_>, decisions: &[Decision<'_>]) -> Option<Step> {
    let wanted = input.desired.resources.postgres.as_ref()?;
    let recorded = input.serving.and_then(|release| release.resources.postgres.as_ref());
    let new: Vec<&ServiceName> = decisions
        .iter()
        .filter(|decision| {
            decision.database.as_ref().is_some_and(|database| database.presence != Presence::There)
        })
        .map(|decision| decision.name)
        .collect();
    let reason = if recorded.is_some_and(|recorded| recorded != wanted) {
        "the settings of the database server change".to_owned()
    } else if !new.is_empty() {
        format!("{} for {}", count(new.len(), "new database"), some(&new, 3))
    } else if recorded.is_none() {
        "the environment gets a database server".to_owned()
    } else {
        return None;
    };
    Some(of_all(StepKind::EnsureServer, reason))
}

/// Why routes move, if they do.
fn switch(
    input: &PlanInput<'_>,
    decisions: &[Decision<'_>],
    leaving: &[Leaving<'_>],
    environment_changes: &[Change],
) -> Option<String> {
    let names = |which: &dyn Fn(&Decision<'_>) -> bool| {
        decisions.iter().filter(|decision| which(decision)).map(|decision| decision.name).collect::<Vec<_>>()
    };
    let desired = input.desired.digest();
    if is_another(input) {
        let mut changed = names(&|decision| !decision.changes.is_empty());
        changed.extend(leaving.iter().filter(|leaving| leaving.recorded).map(|leaving| leaving.name));
        let mut what = Vec::new();
        if !changed.is_empty() {
            what.push(count(changed.len(), "service"));
        }
        what.extend(environment_changes.iter().map(|change| change.what.clone()));
        return Some(format!("traffic moves to release {}: {}", desired.short(), list(&what)));
    }
    let starting = names(&|decision| decision.start.is_some());
    if !starting.is_empty() {
        return Some(format!("new instances of {}", some(&starting, 3)));
    }
    let mut wrong = names(&|decision| decision.reroute || surplus(decision));
    wrong.extend(leaving.iter().filter(|leaving| leaving.routed).map(|leaving| leaving.name));
    if !wrong.is_empty() {
        return Some(format!("what the edge serves for {} is not what the release says", some(&wrong, 3)));
    }
    match (&input.observed.serving, input.observed.routes.known()) {
        (Some((generation, release)), _) if *release != desired => {
            Some(format!("the target serves generation {generation} (release {}) instead", release.short()))
        }
        (None, Some(_)) => Some("the target serves no release".to_owned()),
        _ => None,
    }
}

/// Instances leave that the edge may still be using.
fn surplus(decision: &Decision<'_>) -> bool {
    decision.retire.iter().any(|(spec, _)| Some(*spec) == decision.spec)
}
