//! What the target saw, sorted so that each question about a service is one look-up.

use crate::text::some;
use fairway_model::{
    ArtifactDigest, InstanceState, Observed, ObservedInstance, ObservedRoutes, Phase, ServedBy, ServiceName,
    Sight, SpecDigest,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the target saw; `None` is what it could not see.
pub(crate) struct Observation<'a> {
    pub(crate) instances: Option<BTreeMap<&'a ServiceName, BTreeMap<SpecDigest, Group<'a>>>>,
    pub(crate) routes: Option<&'a ObservedRoutes>,
    pub(crate) databases: Option<&'a BTreeSet<ServiceName>>,
    pub(crate) artifacts: Option<&'a BTreeSet<ArtifactDigest>>,
}

/// The instances of one specification of one service.
#[derive(Default)]
pub(crate) struct Group<'a> {
    /// Ready for traffic.
    pub(crate) ready: usize,
    /// Looked after by a supervisor: starting, ready, unready or between two starts.
    pub(crate) kept: usize,
    /// Something is there that has to be retired when the specification is no longer wanted.
    pub(crate) present: usize,
    /// The ones that are not as they should be, by id, with what is the matter.
    pub(crate) unwell: BTreeMap<&'a str, String>,
}

impl<'a> Observation<'a> {
    pub(crate) fn new(observed: &'a Observed) -> Self {
        let instances = observed.instances.known().map(|instances| {
            let mut services: BTreeMap<&ServiceName, BTreeMap<SpecDigest, Group<'a>>> = BTreeMap::new();
            for instance in instances {
                services
                    .entry(&instance.service)
                    .or_default()
                    .entry(instance.spec)
                    .or_default()
                    .add(instance);
            }
            services
        });
        Self {
            instances,
            routes: observed.routes.known(),
            databases: observed.databases.known(),
            artifacts: observed.artifacts.known(),
        }
    }

    /// The instances of a service by specification; `None` when instances could not be seen.
    pub(crate) fn groups(&self, service: &ServiceName) -> Option<&BTreeMap<SpecDigest, Group<'a>>> {
        static EMPTY: BTreeMap<SpecDigest, Group<'static>> = BTreeMap::new();
        Some(self.instances.as_ref()?.get(service).unwrap_or(&EMPTY))
    }

    /// The instances of one specification; `None` when instances could not be seen.
    pub(crate) fn group(&self, service: &ServiceName, spec: SpecDigest) -> Option<&Group<'a>> {
        const EMPTY: &Group<'static> = &Group { ready: 0, kept: 0, present: 0, unwell: BTreeMap::new() };
        Some(self.groups(service)?.get(&spec).unwrap_or(EMPTY))
    }

    /// What the edge serves for a service; `None` when that could not be seen.
    pub(crate) fn served_by(&self, service: &ServiceName) -> Option<Option<&'a ServedBy>> {
        Some(self.routes?.services.get(service))
    }
}

impl<'a> Group<'a> {
    fn add(&mut self, instance: &'a ObservedInstance) {
        let (ready, kept, present, unwell) = match &instance.state {
            InstanceState::Ready => (1, 1, 1, None),
            InstanceState::Starting => (0, 1, 1, None),
            InstanceState::Unready { reason } => (0, 1, 1, Some(format!("is not ready: {reason}"))),
            InstanceState::Restarting { reason } => (0, 1, 1, Some(format!("is being restarted: {reason}"))),
            InstanceState::CrashLoop { reason } => (0, 0, 1, Some(format!("ended too often: {reason}"))),
            // On its way out already: there is nothing left to decide about it.
            InstanceState::Draining | InstanceState::Stopped => (0, 0, 0, None),
        };
        self.ready += ready;
        self.kept += kept;
        self.present += present;
        if let Some(unwell) = unwell {
            self.unwell.insert(&instance.id, unwell);
        }
    }

    /// What is the matter with the unwell ones.
    pub(crate) fn complaints(&self) -> String {
        let all: Vec<String> = self.unwell.iter().map(|(id, what)| format!("{id} {what}")).collect();
        some(&all, 2)
    }

    /// How many are there of how many wanted, and what is the matter with them.
    pub(crate) fn shortage(&self, usable: usize, wanted: u32) -> String {
        let found =
            format!("{} of {wanted} run", if usable == 0 { "none".to_owned() } else { usable.to_string() });
        if self.unwell.is_empty() { found } else { format!("{found} ({})", self.complaints()) }
    }
}

/// The reasons why something could not be seen, each with what is assumed instead.
pub(crate) fn blind_spots(observed: &Observed) -> Vec<String> {
    let mut spots = Vec::new();
    let mut note = |reason: Option<&String>, what: &str, assumed: &str| {
        if let Some(reason) = reason {
            spots.push(format!("{what} could not be seen: {reason}. Assumed: {assumed}"));
        }
    };
    note(
        why(&observed.instances),
        "the instances",
        "what the recorded release wants is running, and nothing else is; nothing is repaired or retired beyond that",
    );
    note(why(&observed.routes), "the edge's routes", "they are as the recorded release says");
    note(
        why(&observed.databases),
        "the databases",
        "those of the recorded release exist; others are made if they are missing, and none is seeded",
    );
    note(
        why(&observed.artifacts),
        "the artifacts at the target",
        "those of services that start are missing; bringing one twice does no harm",
    );
    spots
}

/// What the target is in the middle of, if it is.
pub(crate) fn unfinished(observed: &Observed) -> Option<String> {
    let (generation, phase) = observed.activity?;
    let doing = match phase {
        Phase::Preparing => "is being prepared",
        Phase::Prepared => "is prepared and has not switched",
        Phase::Switching => "is switching",
        Phase::Baking => "has switched, and its bake is not over",
        Phase::Baked => "has switched, and what it replaced is still there",
        Phase::Retiring => "has switched, and what it replaced is ending",
        Phase::Stuck => {
            return Some(format!(
                "generation {generation} switched on the target, had trouble and could not go back: look at what the \
                 edge serves before you apply"
            ));
        }
        Phase::Applied | Phase::Aborted | Phase::Failed | Phase::Reverted => return None,
    };
    Some(format!(
        "generation {generation} {doing} on the target; what it brought is not its final state. Plan again when it is done"
    ))
}

fn why<T>(sight: &Sight<T>) -> Option<&String> {
    match sight {
        Sight::Known(_) => None,
        Sight::Unknown { reason } => Some(reason),
    }
}
