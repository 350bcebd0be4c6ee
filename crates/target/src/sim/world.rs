//! The simulated world and its daemon.
//!
//! The daemon is one function: [`World::step`] looks at the journal and at the world, and does the one thing that is
//! due next. It remembers nothing else, so it may die between any two steps.

use super::{Bug, SimBehaviour, SimProgram, prepare::step_prepare};
use crate::lifecycle::{Action, Entry, Lifecycle};
use fairway_model::{
    ArtifactDigest, EnvironmentName, Failure, FailureKind, Generation, InstanceState, Millis, Observed,
    ObservedInstance, ObservedRoutes, Phase, ProbeReport, ProcessSpec, Program, SecretVersion, ServedBy,
    ServiceName, Sight, SpecDigest,
};
use std::collections::{BTreeMap, BTreeSet};

/// How long after it got traffic a program of [`SimBehaviour::FailsAfterSwitch`] fails.
const FAILS_AFTER: u64 = 50;
/// No piece of work needs more steps than this; more means that the daemon runs in circles.
const TOO_MANY_STEPS: usize = 100_000;

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) lease: Millis,
    pub(super) bugs: BTreeSet<Bug>,
    /// The daemon is dead.
    pub(super) down: bool,
    /// Grows whenever the daemon dies, so that calls of an earlier life notice.
    pub(super) life: u64,
    pub(super) artifacts: BTreeMap<ArtifactDigest, SimProgram>,
    pub(super) places: BTreeMap<EnvironmentName, Place>,
}

/// One environment: its journal and what is really there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) journal: Lifecycle,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) routes: ObservedRoutes,
    pub(super) databases: BTreeMap<ServiceName, Database>,
    pub(super) secrets: BTreeSet<SecretVersion>,
    pub(super) started: u64,
    /// What [`Bug::ObservesThePast`] shows.
    pub(super) seen: Option<Observed>,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) service: ServiceName,
    pub(super) spec: SpecDigest,
    pub(super) artifact: ArtifactDigest,
    pub(super) generation: Generation,
    pub(super) state: InstanceState,
    pub(super) started_at: u64,
    pub(super) ready_at: Option<u64>,
    pub(super) fails_at: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) migrated_by: Option<Generation>,
    pub(super) migrations: u64,
    pub(super) seeded: bool,
}

impl Place {
    fn new(environment: &EnvironmentName, lease: Millis) -> Self {
        Self {
            journal: Lifecycle::new(environment.clone(), lease),
            instances: BTreeMap::new(),
            routes: ObservedRoutes::default(),
            databases: BTreeMap::new(),
            secrets: BTreeSet::new(),
            started: 0,
            seen: None,
        }
    }

    pub(super) fn of_spec(&self, service: &ServiceName, spec: SpecDigest) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.service == *service && instance.spec == spec)
    }

    /// The moments at which something will be due, the past included.
    fn moments(&self) -> impl Iterator<Item = u64> {
        let instances = self.instances.values().flat_map(|instance| {
            let ready = instance.ready_at.filter(|_| instance.state == InstanceState::Starting);
            let fails = instance.fails_at.filter(|_| instance.state == InstanceState::Ready);
            ready.into_iter().chain(fails)
        });
        let preparing = self.journal.pending().filter(|entry| entry.phase == Phase::Preparing);
        let deadlines = preparing
            .into_iter()
            .flat_map(|entry| processes(entry).map(|(_, process, _)| start_deadline(entry, process)));
        self.journal.next_deadline().into_iter().chain(instances).chain(deadlines.collect::<Vec<_>>())
    }
}

pub(super) fn start_deadline(entry: &Entry, process: &ProcessSpec) -> u64 {
    entry.since.saturating_add(process.probes.start_deadline.0)
}

pub(super) fn processes(entry: &Entry) -> impl Iterator<Item = (&ServiceName, &ProcessSpec, u32)> {
    let services = entry.assignment.release.services.iter();
    services.filter_map(|(name, service)| service.process().map(|process| (name, process, service.replicas)))
}

pub(super) fn routes_of(entry: &Entry) -> ObservedRoutes {
    let services = entry.assignment.release.services.iter().map(|(name, service)| {
        let served = match &service.program {
            Program::Process(process) => ServedBy::Instances(process.digest()),
            Program::Stub => ServedBy::Stub,
        };
        (name.clone(), served)
    });
    ObservedRoutes { generation: entry.generation(), services: services.collect() }
}

impl World {
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bugs.contains(&bug)
    }

    pub(super) fn place(&mut self, environment: &EnvironmentName) -> &mut Place {
        let lease = if self.has(Bug::ForgetsLease) { Millis(u64::MAX) } else { self.lease };
        self.places.entry(environment.clone()).or_insert_with(|| Place::new(environment, lease))
    }

    /// When something will be due next, later than now.
    fn next_moment(&self) -> Option<u64> {
        self.places.values().flat_map(Place::moments).filter(|at| *at > self.now).min()
    }

    /// Time goes on to the next thing that happens, and nothing is done about it yet; `false` when nothing ever will.
    pub(super) fn jump(&mut self) -> bool {
        let next = self.next_moment();
        self.now = next.unwrap_or(self.now);
        next.is_some()
    }

    /// Lets time pass, with everything that becomes due on the way.
    pub(super) fn advance_to(&mut self, until: u64) {
        self.settle();
        while let Some(next) = self.next_moment().filter(|next| *next <= until) {
            self.now = next;
            self.settle();
        }
        self.now = self.now.max(until);
        self.settle();
    }

    /// The daemon does everything that is due.
    pub(super) fn settle(&mut self) {
        let environments: Vec<EnvironmentName> = self.places.keys().cloned().collect();
        for environment in environments {
            let mut steps = 0;
            while !self.down && self.step(&environment) {
                steps += 1;
                assert!(steps < TOO_MANY_STEPS, "the simulated daemon runs in circles in {environment}");
            }
        }
    }

    /// The one thing that is due next in an environment; `false` when there is none.
    pub(super) fn step(&mut self, environment: &EnvironmentName) -> bool {
        let (now, bugs) = (self.now, self.bugs.clone());
        let World { artifacts, places, .. } = self;
        let Some(place) = places.get_mut(environment) else { return false };
        pass_time(place, now);
        step_clock(place, now, &bugs)
            || step_trouble(place, now, &bugs)
            || step_prepare(place, artifacts, now, &bugs)
            || step_switch(place, artifacts, now, &bugs)
            || step_garbage(place, &bugs)
            || step_retired(place, now)
    }

    /// Stops one instance that nobody wants; `false` when there is none.
    pub(super) fn clean_one(&mut self, environment: &EnvironmentName) -> bool {
        let bugs = self.bugs.clone();
        self.places.get_mut(environment).is_some_and(|place| step_garbage(place, &bugs))
    }

    /// The daemon comes back: it reads its journal and goes on.
    pub(super) fn restart(&mut self) {
        self.down = false;
        self.life += 1;
        let (now, forgets) = (self.now, self.has(Bug::ForgetsAtRestart));
        for place in self.places.values_mut() {
            // What is to be done follows from the journal and the world alone; only the leases need a hand.
            let _ = place.journal.recover(now);
            if forgets && let Some(pending) = place.journal.pending().map(Entry::generation) {
                let _ = place.journal.abort(pending, now);
            }
        }
    }

    pub(super) fn observe(&mut self, environment: &EnvironmentName) -> Observed {
        let (now, past) = (self.now, self.has(Bug::ObservesThePast));
        let have: BTreeSet<ArtifactDigest> = self.artifacts.keys().copied().collect();
        let Some(place) = self.places.get_mut(environment) else {
            return Observed { artifacts: Sight::Known(have), ..Observed::nothing(environment.clone()) };
        };
        if past && let Some(seen) = &place.seen {
            return seen.clone();
        }
        let instances = place.instances.iter().map(|(id, instance)| ObservedInstance {
            id: id.clone(),
            service: instance.service.clone(),
            spec: instance.spec,
            artifact: instance.artifact,
            generation: instance.generation,
            state: instance.state.clone(),
            address: None,
            pid: None,
            age_seconds: now.saturating_sub(instance.started_at) / 1_000,
            restarts: 0,
            in_flight: 0,
        });
        let observed = Observed {
            environment: environment.clone(),
            generation: place.journal.accepted(),
            serving: place.journal.serving().map(|entry| (entry.generation(), entry.assignment.plan.child)),
            activity: place.journal.activity(),
            instances: Sight::Known(instances.collect()),
            routes: Sight::Known(place.routes.clone()),
            databases: Sight::Known(place.databases.keys().cloned().collect()),
            artifacts: Sight::Known(have),
        };
        if observed.serving.is_some() {
            place.seen = Some(observed.clone());
        }
        observed
    }

    /// Which version answers for a service, as a request through the edge would show.
    pub(super) fn ask(&self, environment: &EnvironmentName, service: &ServiceName) -> Option<String> {
        let place = self.places.get(environment)?;
        let ServedBy::Instances(spec) = place.routes.services.get(service)? else { return None };
        let mut able =
            place.of_spec(service, *spec).filter(|instance| instance.state == InstanceState::Ready);
        let program = self.artifacts.get(&able.next()?.artifact)?;
        Some(program.version.clone())
    }
}

/// What happens to instances by themselves.
fn pass_time(place: &mut Place, now: u64) {
    for instance in place.instances.values_mut() {
        if instance.state == InstanceState::Starting && instance.ready_at.is_some_and(|at| at <= now) {
            instance.state = InstanceState::Ready;
        }
        if instance.state == InstanceState::Ready && instance.fails_at.is_some_and(|at| at <= now) {
            instance.state = InstanceState::Unready { reason: "GET /ready answered 503".to_owned() };
        }
    }
}

fn step_clock(place: &mut Place, now: u64, bugs: &BTreeSet<Bug>) -> bool {
    let trouble = unready(place).is_some() && !bugs.contains(&Bug::IgnoresTrouble);
    let actions = place.journal.tick(now);
    for action in &actions {
        if let Action::EndBake(generation) = action
            && !trouble
        {
            place.journal.on_baked(*generation, now);
        }
    }
    // An end of a bake that finds trouble is not progress: the trouble is dealt with next.
    actions.iter().any(|action| !trouble || !matches!(action, Action::EndBake(_)))
}

/// A service of the serving release without a ready instance, and why.
fn unready(place: &Place) -> Option<(ServiceName, String)> {
    let entry = place.journal.serving()?;
    processes(entry).find_map(|(name, process, _)| {
        let mut instances = place.of_spec(name, process.digest());
        instances.find_map(|instance| match &instance.state {
            InstanceState::Unready { reason } => Some((name.clone(), reason.clone())),
            _ => None,
        })
    })
}

fn step_trouble(place: &mut Place, now: u64, bugs: &BTreeSet<Bug>) -> bool {
    let Some(entry) = place.journal.serving().filter(|entry| entry.phase == Phase::Baking) else {
        return false;
    };
    let generation = entry.generation();
    if bugs.contains(&Bug::IgnoresTrouble) {
        return false;
    }
    if entry.trouble.is_none() {
        let Some((service, reason)) = unready(place) else { return false };
        let mut failure = Failure::new(
            FailureKind::Bake,
            format!("{service} of release {generation} stopped being ready after the switch: {reason}"),
            "the routes are back at the release before",
            "look at the log of the service, then release a corrected version",
        )
        .of_service(&service);
        failure.probe = Some(probe(reason));
        let _ = place.journal.on_trouble(generation, now, failure);
        return true;
    }
    let back = entry.before.and_then(|before| place.journal.release(before)).map(routes_of);
    match back {
        Some(routes) if !bugs.contains(&Bug::DoesNotGoBack) && place.routes != routes => {
            place.routes = routes
        }
        _ => place.journal.on_reverted(generation, now),
    }
    true
}

pub(super) fn probe(reason: String) -> ProbeReport {
    ProbeReport {
        url: "http://127.0.0.1/ready".to_owned(),
        status: Some(503),
        body: reason,
        error: None,
        hint: None,
    }
}

fn step_switch(
    place: &mut Place,
    artifacts: &BTreeMap<ArtifactDigest, SimProgram>,
    now: u64,
    bugs: &BTreeSet<Bug>,
) -> bool {
    let Some(entry) = place.journal.pending().filter(|entry| entry.phase == Phase::Switching).cloned() else {
        return false;
    };
    let mut routes = routes_of(&entry);
    if bugs.contains(&Bug::MovesRoutesPartly)
        && let Some((name, _)) =
            routes.services.last_key_value().map(|(name, served)| (name.clone(), served.clone()))
        && let Some(old) = place.routes.services.get(&name)
    {
        routes.services.insert(name, old.clone());
    }
    if bugs.contains(&Bug::KeepsRemovedRoutes) {
        for (name, served) in &place.routes.services {
            routes.services.entry(name.clone()).or_insert_with(|| served.clone());
        }
    }
    if place.routes == routes {
        place.journal.on_switched(entry.generation(), now);
        return true;
    }
    place.routes = routes;
    for instance in place.instances.values_mut() {
        let serves =
            place.routes.services.get(&instance.service) == Some(&ServedBy::Instances(instance.spec));
        let program = artifacts.get(&instance.artifact);
        if serves && program.is_some_and(|program| program.behaviour == SimBehaviour::FailsAfterSwitch) {
            instance.fails_at = instance.fails_at.or(Some(now + FAILS_AFTER));
        }
    }
    true
}

/// Whatever the journal does not want is stopped, one instance at a time.
fn step_garbage(place: &mut Place, bugs: &BTreeSet<Bug>) -> bool {
    let retiring = place.journal.serving().is_some_and(|entry| entry.phase == Phase::Retiring);
    if bugs.contains(&Bug::LeavesGarbage) && !retiring {
        return false;
    }
    let mut keep = place.journal.keep();
    if bugs.contains(&Bug::RetiresAtSwitch)
        && let Some(entry) = place.journal.serving()
        && place.journal.pending().is_none()
    {
        let wanted: BTreeSet<(ServiceName, SpecDigest)> =
            processes(entry).map(|(name, process, _)| (name.clone(), process.digest())).collect();
        keep.retain(|key, _| wanted.contains(key));
    }
    // The newest instances of a specification go first when there are more than wanted.
    let mut left = keep;
    let mut unwanted = None;
    for (id, instance) in &place.instances {
        match left.get_mut(&(instance.service.clone(), instance.spec)) {
            Some(count) if *count > 0 => *count -= 1,
            _ if bugs.contains(&Bug::RestartsUnchanged) && !retiring => {}
            _ => unwanted = Some(id.clone()),
        }
    }
    unwanted.and_then(|id| place.instances.remove(&id)).is_some()
}

fn step_retired(place: &mut Place, now: u64) -> bool {
    let Some(entry) = place.journal.serving().filter(|entry| entry.phase == Phase::Retiring) else {
        return false;
    };
    let generation = entry.generation();
    place.journal.on_retired(generation, now);
    true
}
