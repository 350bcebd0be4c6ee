//! The planner itself: decide service by service, look at what leaves, put steps in order, judge.

use crate::{
    PlanInput, compare, contract,
    decide::Decision,
    observation::{Observation, blind_spots, unfinished},
    order,
    schema::{Outlook, Presence, left_behind},
    steps::{self, Leaving},
    text::{count, some},
};
use fairway_model::{
    DatabaseSpec, Gate, MigrationEffect, Plan, PostgresSpec, Release, ServiceChange, ServiceName,
    ServiceSpec, Verdict, VerdictLevel,
};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the stored form of a [`Plan`].
const PLAN_FORMAT: u32 = 1;

/// The plan that leads from what is there to what is desired. It always comes out; what speaks against applying it
/// stands in its verdicts.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let observation = Observation::new(input.observed);
    let decisions: Vec<Decision<'_>> = order::by_needs(input.desired)
        .into_iter()
        .filter_map(|name| Some((name, input.desired.services.get(name)?)))
        .map(|(name, spec)| Decision::new(input, &observation, name, spec))
        .collect();
    let leaving = leaving(input, &observation);
    let environment_changes = compare::environments(input.serving, input.desired);
    let steps = steps::steps(input, &observation, &decisions, &leaving, &environment_changes);
    let verdicts = verdicts(input, &decisions, &leaving);
    let generation = input.base.generation.max(input.observed.generation).next();
    Plan {
        format: PLAN_FORMAT,
        environment: input.environment.clone(),
        base: input.base.clone(),
        child: input.desired.digest(),
        generation,
        steps,
        services: changes(decisions, &leaving),
        environment_changes,
        verdicts,
    }
}

/// What is there, recorded or observed, and is not desired.
fn leaving<'a>(input: &PlanInput<'a>, observation: &Observation<'a>) -> Vec<Leaving<'a>> {
    let desired = &input.desired.services;
    let recorded = input.serving.map(|release| &release.services);
    let mut names: BTreeSet<&'a ServiceName> = recorded.into_iter().flat_map(BTreeMap::keys).collect();
    names.extend(observation.instances.iter().flat_map(BTreeMap::keys).copied());
    names.extend(observation.routes.into_iter().flat_map(|routes| routes.services.keys()));
    names.retain(|name| !desired.contains_key(*name));
    let each = names.into_iter().map(|name| {
        let recorded = recorded.and_then(|services| services.get(name));
        let retire = match observation.groups(name) {
            Some(groups) => groups
                .iter()
                .filter(|(_, group)| group.present > 0)
                .map(|(spec, group)| {
                    let why = match recorded {
                        Some(_) => "the service is removed",
                        None => "no release knows the service",
                    };
                    (*spec, format!("{}: {why}", count(group.present, "instance")))
                })
                .collect(),
            None => recorded
                .filter(|recorded| recorded.replicas > 0)
                .and_then(ServiceSpec::spec_digest)
                .map(|spec| (spec, "the service is removed".to_owned()))
                .into_iter()
                .collect(),
        };
        let routed = observation.served_by(name).flatten().is_some();
        Leaving { name, recorded: recorded.is_some(), retire, routed }
    });
    each.filter(|leaving| leaving.recorded || leaving.routed || !leaving.retire.is_empty()).collect()
}

fn changes(decisions: Vec<Decision<'_>>, leaving: &[Leaving<'_>]) -> BTreeMap<ServiceName, ServiceChange> {
    let mut services = BTreeMap::new();
    for decision in decisions {
        if decision.is_quiet() {
            continue;
        }
        let change = if decision.recorded.is_none() {
            ServiceChange::Add { changes: decision.changes }
        } else if !decision.changes.is_empty() {
            ServiceChange::Update { changes: decision.changes }
        } else {
            ServiceChange::Repair { observed: decision.repairs.join("; ") }
        };
        services.insert(decision.name.clone(), change);
    }
    for leaving in leaving {
        let change = if leaving.recorded {
            ServiceChange::Remove
        } else if leaving.retire.is_empty() {
            ServiceChange::Repair { observed: "the edge has a route for it that no release knows".to_owned() }
        } else {
            let instances = leaving.retire.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>();
            ServiceChange::Repair { observed: instances.join("; ") }
        };
        services.insert(leaving.name.clone(), change);
    }
    services
}

fn verdicts(input: &PlanInput<'_>, decisions: &[Decision<'_>], leaving: &[Leaving<'_>]) -> Vec<Verdict> {
    let mut verdicts = consistency(input);
    let environment = |level, gate, message| Verdict { level, gate, service: None, message };
    for spot in blind_spots(input.observed) {
        verdicts.push(environment(VerdictLevel::Warn, Gate::Observation, spot));
    }
    if let Some(message) = unfinished(input.observed) {
        verdicts.push(environment(VerdictLevel::Warn, Gate::Observation, message));
    }
    if input.observed.generation > input.base.generation {
        let message = format!(
            "the target has accepted generation {}, and the log knows generations up to {}: someone applies from \
             another log, or this log was lost. The plan takes the next number that the target accepts",
            input.observed.generation, input.base.generation
        );
        verdicts.push(environment(VerdictLevel::Warn, Gate::Observation, message));
    }
    for decision in decisions {
        if let Some(complaints) = &decision.complaints {
            let message = format!("{complaints}. Its supervisor looks after it; nothing is planned for it");
            verdicts.push(of(decision.name, VerdictLevel::Warn, Gate::Observation, message));
        }
    }
    verdicts.extend(contract::verdicts(input));
    for decision in decisions {
        if let Some(database) = &decision.database
            && database.migrate
        {
            verdicts.extend(migrations(input, decision.name, &database.outlook, database.presence));
        }
    }
    verdicts.extend(staying(input, decisions, leaving));
    verdicts
}

fn of(service: &ServiceName, level: VerdictLevel, gate: Gate, message: String) -> Verdict {
    Verdict { level, gate, service: Some(service.clone()), message }
}

/// The parts of the input must be about the same thing; otherwise the plan means nothing.
fn consistency(input: &PlanInput<'_>) -> Vec<Verdict> {
    let mut wrong = Vec::new();
    for (what, environment) in [
        ("the desired release", Some(&input.desired.environment)),
        ("the recorded release", input.serving.map(|release| &release.environment)),
        ("the observation", Some(&input.observed.environment)),
    ] {
        if let Some(other) = environment.filter(|other| *other != input.environment) {
            wrong.push(format!(
                "{what} is of the environment {other}, and the plan is for {}",
                input.environment
            ));
        }
    }
    let recorded = input.serving.map(Release::digest);
    let logged = input.base.serving.as_ref().map(|(_, release)| *release);
    if recorded != logged {
        wrong.push("the recorded release that was given is not the one that the log says serves".to_owned());
    }
    if let Some(serving) = input.serving.filter(|serving| serving.system != input.desired.system) {
        wrong.push(format!(
            "the environment runs the system {}, and the desired release is of the system {}",
            serving.system, input.desired.system
        ));
    }
    wrong
        .into_iter()
        .map(|message| Verdict {
            level: VerdictLevel::Refuse,
            gate: Gate::Observation,
            service: None,
            message,
        })
        .collect()
}

fn migrations(
    input: &PlanInput<'_>,
    name: &ServiceName,
    outlook: &Outlook<'_>,
    presence: Presence,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut say = |level, message| verdicts.push(of(name, level, Gate::Migration, message));
    if !outlook.edited.is_empty() {
        let message = format!(
            "{} ran before with another text; most migration tools refuse that. Write a new migration instead",
            some(&outlook.edited, 3)
        );
        say(VerdictLevel::Warn, message);
    }
    if presence == Presence::New {
        return verdicts;
    }
    if outlook.pending.is_none() {
        let message = "its migrations are not listed, so nobody can tell what they do to code that still runs. Name \
                       their directory in the manifest";
        say(VerdictLevel::Warn, message.to_owned());
    }
    let destructive = outlook.with(MigrationEffect::Destructive);
    if !destructive.is_empty() {
        let what = format!("{} removes or narrows what older code uses", some(&destructive, 3));
        if !outlook.certain {
            let message = format!("{what}, and whether it ran before is not known");
            say(VerdictLevel::Warn, message);
        } else if input.context.allow_destructive || input.context.is_revert {
            say(VerdictLevel::Warn, format!("{what}. It was allowed; a revert does not bring the data back"));
        } else {
            let message = format!(
                "{what}: a revert does not bring the data back. Release the code that no longer uses it first, then \
                 this; or allow destructive migrations"
            );
            say(VerdictLevel::Refuse, message);
        }
    }
    let unknown = outlook.with(MigrationEffect::Unknown);
    if !unknown.is_empty() {
        let message = format!("nobody could tell what {} does to code that still runs", some(&unknown, 3));
        say(VerdictLevel::Warn, message);
    }
    verdicts
}

/// What stays in the world although the release no longer speaks of it.
fn staying(input: &PlanInput<'_>, decisions: &[Decision<'_>], leaving: &[Leaving<'_>]) -> Vec<Verdict> {
    let database = |spec: &ServiceSpec| -> Option<DatabaseSpec> { spec.process()?.database.clone() };
    let mut verdicts = Vec::new();
    for decision in decisions {
        let Some(recorded) = decision.recorded.and_then(database) else { continue };
        let desired = database(decision.desired);
        if desired.is_none() {
            let message = "its database stays and is not used any more".to_owned();
            verdicts.push(of(decision.name, VerdictLevel::Note, Gate::Revert, message));
            continue;
        }
        let behind = left_behind(&recorded, desired.as_ref());
        let Some(effect) = behind.iter().map(|migration| migration.effect).max() else { continue };
        let names: Vec<&str> = behind.iter().map(|migration| migration.name.as_str()).collect();
        let (level, remark) = match effect {
            MigrationEffect::Additive => (VerdictLevel::Note, "it is additive, so older code works with it"),
            MigrationEffect::Unknown => {
                (VerdictLevel::Warn, "nobody could tell whether older code works with it")
            }
            MigrationEffect::Destructive => {
                (VerdictLevel::Warn, "it removed or narrowed what older code uses, and no data comes back")
            }
        };
        let what = if input.context.is_revert {
            "code, config and routes go back, the schema does not"
        } else {
            "the schema keeps it"
        };
        let message = format!("{}: {what}; {remark}", some(&names, 3));
        verdicts.push(of(decision.name, level, Gate::Revert, message));
    }
    for leaving in leaving.iter().filter(|leaving| leaving.recorded) {
        let recorded =
            input.serving.and_then(|release| release.services.get(leaving.name)).and_then(database);
        if recorded.is_some() {
            let message = "the service goes, its database stays".to_owned();
            verdicts.push(of(leaving.name, VerdictLevel::Note, Gate::Revert, message));
        }
    }
    verdicts.extend(server_moves(input));
    verdicts
}

/// Data does not move from one database server to another by itself.
fn server_moves(input: &PlanInput<'_>) -> Option<Verdict> {
    let from = input.serving?.resources.postgres.as_ref()?;
    let to = input.desired.resources.postgres.as_ref()?;
    let message = match (from, to) {
        _ if from == to => return None,
        (PostgresSpec::Private { .. }, PostgresSpec::Private { .. }) => {
            "the wanted version of the private database server changes; a new major version does not take over the \
             data of the old one by itself"
        }
        _ => "the databases move to another server; their data does not move with them",
    };
    Some(Verdict {
        level: VerdictLevel::Warn,
        gate: Gate::Revert,
        service: None,
        message: message.to_owned(),
    })
}
