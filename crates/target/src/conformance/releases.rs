//! Plans for the cases. The real planner is a crate above this one; what a target needs of a plan is small enough to
//! write down here, and writing it twice keeps a target from leaning on anything else.

use fairway_model::{
    Assignment, Change, Generation, Plan, PlanBase, Release, Reversibility, ServiceChange, ServiceName, Step,
    StepKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// The assignment that leads from what serves to a release.
#[must_use]
pub fn assignment(from: Option<&Assignment>, newest: Generation, release: &Release) -> Assignment {
    let empty = BTreeMap::new();
    let old = from.map_or(&empty, |from| &from.release.services);
    let mut services = BTreeMap::new();
    for (name, service) in &release.services {
        let changes = vec![Change {
            what: "artifact".to_owned(),
            from: None,
            to: Some(format!("{:?}", service.spec_digest())),
        }];
        match old.get(name) {
            None => services.insert(name.clone(), ServiceChange::Add { changes }),
            Some(before) if before != service => {
                services.insert(name.clone(), ServiceChange::Update { changes })
            }
            Some(_) => None,
        };
    }
    for name in old.keys().filter(|name| !release.services.contains_key(*name)) {
        services.insert(name.clone(), ServiceChange::Remove);
    }
    let plan = Plan {
        format: 1,
        environment: release.environment.clone(),
        base: PlanBase { serving: from.map(|from| (from.generation(), from.plan.child)), generation: newest },
        child: release.digest(),
        generation: newest.next(),
        steps: steps(from, release, &services),
        services,
        environment_changes: Vec::new(),
        verdicts: Vec::new(),
    };
    Assignment { plan, release: release.clone() }
}

fn steps(
    from: Option<&Assignment>,
    release: &Release,
    services: &BTreeMap<ServiceName, ServiceChange>,
) -> Vec<Step> {
    let step = |kind: StepKind, service: Option<&ServiceName>| Step {
        kind,
        service: service.cloned(),
        reason: "the case wants it".to_owned(),
        reversibility: Reversibility::Reversible,
    };
    let touched: Vec<_> = services
        .keys()
        .filter_map(|name| {
            release.services.get(name).and_then(|service| Some((name, service, service.process()?)))
        })
        .collect();
    let mut steps = Vec::new();
    let artifacts: BTreeSet<_> = touched.iter().map(|(_, _, process)| process.artifact.digest).collect();
    steps.extend(artifacts.into_iter().map(|artifact| step(StepKind::Deliver { artifact }, None)));
    if touched.iter().any(|(_, _, process)| process.database.is_some()) {
        steps.push(step(StepKind::EnsureServer, None));
    }
    let databases = touched.iter().filter_map(|(name, _, process)| Some((*name, process.database.as_ref()?)));
    let databases: Vec<_> = databases.collect();
    steps.extend(databases.iter().map(|(name, _)| step(StepKind::EnsureDatabase, Some(name))));
    let migrated = databases.iter().filter(|(_, database)| database.migrate.is_some());
    steps.extend(migrated.map(|(name, _)| step(StepKind::Migrate, Some(name))));
    for (name, service, process) in &touched {
        let start = StepKind::Start { spec: process.digest(), replicas: service.replicas };
        steps.push(step(start, Some(name)));
    }
    steps.push(step(StepKind::Switch, None));
    steps.push(step(StepKind::Bake, None));
    if let Some(from) = from {
        for (name, service) in &from.release.services {
            let stays = release.services.get(name).and_then(|service| service.spec_digest());
            if let Some(spec) = service.spec_digest().filter(|spec| Some(*spec) != stays) {
                steps.push(step(StepKind::Retire { spec }, Some(name)));
            }
        }
    }
    let removed = services.iter().filter(|(_, change)| **change == ServiceChange::Remove);
    steps.extend(removed.map(|(name, _)| step(StepKind::Remove, Some(name))));
    steps
}
