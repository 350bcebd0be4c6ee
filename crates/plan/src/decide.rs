//! What is decided about one service, before steps are put in order.

use crate::{
    PlanInput, compare,
    observation::Observation,
    schema::{Outlook, Presence},
    text::{clause, count, some},
};
use fairway_model::{Change, Program, ServedBy, ServiceName, ServiceSpec, SpecDigest};

/// What is decided about one service of the desired release.
pub(crate) struct Decision<'a> {
    pub(crate) name: &'a ServiceName,
    pub(crate) recorded: Option<&'a ServiceSpec>,
    pub(crate) desired: &'a ServiceSpec,
    /// What its instances are started from, with its digest; `None` for a stub.
    pub(crate) spec: Option<SpecDigest>,
    /// What changes against the recorded release.
    pub(crate) changes: Vec<Change>,
    /// What the target sees that is not as both releases want it.
    pub(crate) repairs: Vec<String>,
    /// What is the matter with instances that their supervisor still looks after.
    pub(crate) complaints: Option<String>,
    /// Why instances have to start.
    pub(crate) start: Option<String>,
    /// The database, when the service has one.
    pub(crate) database: Option<Database<'a>>,
    /// Specifications that have, or may have, instances that are not wanted; with the reason.
    pub(crate) retire: Vec<(SpecDigest, String)>,
    /// The edge has to be told something new even if no instance starts or leaves.
    pub(crate) reroute: bool,
}

/// What is decided about a service's database.
pub(crate) struct Database<'a> {
    pub(crate) presence: Presence,
    pub(crate) outlook: Outlook<'a>,
    pub(crate) migrate: bool,
    pub(crate) seed: bool,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(
        input: &PlanInput<'a>,
        observation: &Observation<'_>,
        name: &'a ServiceName,
        desired: &'a ServiceSpec,
    ) -> Self {
        let recorded = input.serving.and_then(|release| release.services.get(name));
        let mut decision = Self {
            name,
            recorded,
            desired,
            spec: desired.spec_digest(),
            changes: compare::services(recorded, desired),
            repairs: Vec::new(),
            complaints: None,
            start: None,
            database: None,
            retire: Vec::new(),
            reroute: false,
        };
        let recorded_spec = recorded.and_then(ServiceSpec::spec_digest);
        decision.instances(observation, recorded_spec);
        decision.databases(input, observation, recorded_spec);
        decision.routes(observation);
        decision.artifacts(observation);
        decision
    }

    /// Neither changed nor in need of repair, and nothing to be done.
    pub(crate) fn is_quiet(&self) -> bool {
        self.changes.is_empty() && self.repairs.is_empty()
    }

    fn instances(&mut self, observation: &Observation<'_>, recorded_spec: Option<SpecDigest>) {
        let wanted = self.desired.replicas;
        match observation.groups(self.name) {
            Some(groups) => {
                if let Some(spec) = self.spec {
                    self.wanted_instances(observation, spec, recorded_spec);
                }
                for (spec, group) in groups {
                    if Some(*spec) != self.spec && group.present > 0 {
                        let known = recorded_spec == Some(*spec);
                        let why =
                            if known { "the service changes" } else { "no release wants them any more" };
                        self.retire.push((*spec, format!("{}: {why}", count(group.present, "instance"))));
                        if !known || self.spec == recorded_spec {
                            self.repairs.push(format!(
                                "{} of another specification still there",
                                count(group.present, "instance")
                            ));
                        }
                    }
                }
            }
            // Not seen: what the recorded release wants is taken to be there, and nothing else.
            None => {
                let before = self.recorded.map_or(0, |recorded| recorded.replicas);
                if let Some(spec) = self.spec {
                    if recorded_spec != Some(spec) {
                        self.start = Some(self.why_start());
                    } else if before < wanted {
                        self.start = Some(format!("{wanted} instances are wanted instead of {before}"));
                    } else if before > wanted {
                        self.retire
                            .push((spec, format!("{wanted} instances are wanted instead of {before}")));
                    }
                }
                if let Some(old) = recorded_spec.filter(|old| Some(*old) != self.spec && before > 0) {
                    self.retire.push((old, "the service changes".to_owned()));
                }
            }
        }
        if self.desired.replicas == 0 {
            self.start = None;
        }
    }

    fn wanted_instances(
        &mut self,
        observation: &Observation<'_>,
        spec: SpecDigest,
        recorded: Option<SpecDigest>,
    ) {
        let Some(group) = observation.group(self.name, spec) else { return };
        let wanted = self.desired.replicas;
        let same = recorded == Some(spec);
        let usable = if same { group.kept } else { group.ready };
        let short = usable < wanted as usize;
        if short {
            let before = self.recorded.map_or(0, |recorded| recorded.replicas);
            self.start = Some(if !same {
                self.why_start()
            } else if usable >= before as usize {
                format!("{wanted} instances are wanted instead of {before}")
            } else {
                self.repairs.push(group.shortage(usable, wanted));
                group.shortage(usable, wanted)
            });
        } else if !group.unwell.is_empty() {
            self.complaints = Some(group.complaints());
        }
        if group.kept > wanted as usize {
            let why = format!("{} run and {wanted} are wanted", group.kept);
            if self.recorded.is_some_and(|recorded| recorded.replicas == wanted) {
                self.repairs.push(why.clone());
            }
            self.retire.push((spec, why));
        }
    }

    /// Why instances of a specification start that was not recorded.
    fn why_start(&self) -> String {
        match self.recorded.map(|recorded| &recorded.program) {
            None => "the service is new".to_owned(),
            Some(Program::Stub) => "the stub becomes a program".to_owned(),
            Some(Program::Process(_)) => {
                let of_the_instance = |change: &&Change| {
                    change.what != "routes"
                        && change.what != "replicas"
                        && !change.what.starts_with("contract")
                        && !compare::is_of_the_edge(change)
                };
                let clauses: Vec<String> = self.changes.iter().filter(of_the_instance).map(clause).collect();
                some(&clauses, 3)
            }
        }
    }

    fn databases(
        &mut self,
        input: &PlanInput<'a>,
        observation: &Observation<'_>,
        recorded_spec: Option<SpecDigest>,
    ) {
        let Some(spec) = self.desired.process().and_then(|process| process.database.as_ref()) else { return };
        let recorded =
            self.recorded.and_then(ServiceSpec::process).and_then(|process| process.database.as_ref());
        let presence = match observation.databases {
            Some(databases) if databases.contains(self.name) => Presence::There,
            Some(_) => Presence::New,
            None if recorded.is_some() => Presence::There,
            None => Presence::Unsure,
        };
        let outlook = Outlook::new(recorded, spec, input.context.migrated.get(self.name), presence);
        let starts_anew = self.start.is_some() && recorded_spec != self.spec;
        // An older release has migrated this database before; its command may even refuse a schema that is ahead of it.
        let has_been_here = input.context.is_revert && outlook.pending.is_none();
        let migrate = spec.migrate.is_some()
            && (presence == Presence::New || starts_anew && outlook.wants_run() && !has_been_here);
        if presence == Presence::New && recorded.is_some() {
            self.repairs.push("its database is gone".to_owned());
        }
        let seed = presence == Presence::New && spec.seed.is_some();
        self.database = Some(Database { presence, outlook, migrate, seed });
    }

    fn artifacts(&mut self, observation: &Observation<'_>) {
        let (Some(there), Some(process)) = (observation.artifacts, self.desired.process()) else { return };
        let missing = self.desired.replicas > 0 && !there.contains(&process.artifact.digest);
        if missing && self.start.is_none() && self.recorded == Some(self.desired) {
            self.repairs
                .push("its artifact is missing at the target, so it could not be restarted".to_owned());
        }
    }

    fn routes(&mut self, observation: &Observation<'_>) {
        let Some(served_by) = observation.served_by(self.name) else { return };
        let right = match (&self.desired.program, served_by) {
            (Program::Stub, Some(ServedBy::Stub)) => true,
            (Program::Stub, _) => false,
            // A worker serves nothing, and nothing is served without instances; the edge may name them or not.
            (Program::Process(process), _) if process.listen.is_none() || self.desired.replicas == 0 => true,
            (Program::Process(_), Some(ServedBy::Instances(spec))) => Some(*spec) == self.spec,
            // The edge takes them as soon as their supervisor has them ready.
            (Program::Process(_), Some(ServedBy::Nothing)) => self.spec.is_some_and(|spec| {
                let group = observation.group(self.name, spec);
                group.is_some_and(|group| group.ready == 0 && group.kept > 0)
            }),
            (Program::Process(_), _) => false,
        };
        if right {
            return;
        }
        self.reroute = true;
        // While the service changes, a route that still points at the old one is no surprise.
        if self.recorded == Some(self.desired) {
            self.repairs.push(match served_by {
                None => "the edge does not know it".to_owned(),
                Some(ServedBy::Nothing) => "the edge has no instance for it".to_owned(),
                Some(ServedBy::Stub) => "the edge answers for it as for a stub".to_owned(),
                Some(ServedBy::Instances(_)) => "the edge serves other instances".to_owned(),
            });
        }
    }
}
