//! A target in memory: it does what steps say and is as strict about it as a real one.

use fairway_model::{
    EnvironmentName, Generation, InstanceState, Observed, ObservedInstance, ObservedRoutes, Plan, Program,
    Release, ServedBy, ServiceName, Sight, SpecDigest, StepKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is really there.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) environment: EnvironmentName,
    pub(crate) generation: Generation,
    pub(crate) serving: Option<(Generation, fairway_model::ReleaseDigest)>,
    pub(crate) instances: Vec<ObservedInstance>,
    pub(crate) routes: ObservedRoutes,
    pub(crate) databases: BTreeSet<ServiceName>,
    pub(crate) artifacts: BTreeSet<fairway_model::ArtifactDigest>,
    started: u64,
}

impl World {
    pub(crate) fn empty(environment: &EnvironmentName) -> Self {
        Self {
            environment: environment.clone(),
            generation: Generation(0),
            serving: None,
            instances: Vec::new(),
            routes: ObservedRoutes::default(),
            databases: BTreeSet::new(),
            artifacts: BTreeSet::new(),
            started: 0,
        }
    }

    /// A world in which this release was applied, made without the planner.
    pub(crate) fn running(release: &Release, generation: Generation) -> Self {
        let mut world = Self::empty(&release.environment);
        world.generation = generation;
        world.serving = Some((generation, release.digest()));
        for (name, spec) in &release.services {
            if let Some(process) = spec.process() {
                world.artifacts.insert(process.artifact.digest);
                if process.database.is_some() {
                    world.databases.insert(name.clone());
                }
                for _ in 0..spec.replicas {
                    world.start(release, name, InstanceState::Ready);
                }
            }
        }
        world.route(release, generation);
        world
    }

    /// Everything, seen clearly.
    pub(crate) fn observe(&self) -> Observed {
        Observed {
            environment: self.environment.clone(),
            generation: self.generation,
            serving: self.serving,
            activity: None,
            instances: Sight::Known(self.instances.clone()),
            routes: Sight::Known(self.routes.clone()),
            databases: Sight::Known(self.databases.clone()),
            artifacts: Sight::Known(self.artifacts.clone()),
        }
    }

    pub(crate) fn start(&mut self, release: &Release, service: &ServiceName, state: InstanceState) {
        let process = release.services[service].process().expect("only processes start");
        assert!(self.artifacts.contains(&process.artifact.digest), "{service} starts without its artifact");
        if process.database.is_some() {
            assert!(self.databases.contains(service), "{service} starts without its database");
        }
        self.started += 1;
        self.instances.push(ObservedInstance {
            id: format!("{service}-{}-{}", process.digest().short(), self.started),
            service: service.clone(),
            spec: process.digest(),
            artifact: process.artifact.digest,
            generation: self.generation,
            state,
            address: None,
            pid: None,
            age_seconds: self.started,
            restarts: 0,
            in_flight: 0,
        });
    }

    /// Does what the plan says, and checks that each step finds what it relies on.
    pub(crate) fn apply(&mut self, plan: &Plan, release: &Release) {
        assert_eq!(plan.child, release.digest());
        assert!(plan.generation > self.generation, "the target refuses an old generation");
        self.generation = plan.generation;
        for step in &plan.steps {
            let service = step.service.as_ref();
            let process =
                || release.services[service.expect("a step of a service")].process().expect("a process");
            match &step.kind {
                StepKind::Deliver { artifact } => {
                    self.artifacts.insert(*artifact);
                }
                StepKind::EnsureServer => assert!(release.resources.postgres.is_some()),
                StepKind::EnsureDatabase => {
                    assert!(process().database.is_some());
                    self.databases.insert(service.cloned().expect("a step of a service"));
                }
                StepKind::Migrate | StepKind::Seed => {
                    assert!(self.databases.contains(service.expect("a step of a service")));
                    assert!(
                        self.artifacts.contains(&process().artifact.digest),
                        "a command without its artifact"
                    );
                }
                StepKind::Start { spec, replicas } => {
                    let service = service.expect("a step of a service");
                    assert_eq!(*spec, process().digest());
                    assert_eq!(*replicas, release.services[service].replicas);
                    self.make_ready(release, service, *spec, *replicas);
                }
                StepKind::Switch => {
                    self.route(release, plan.generation);
                    self.serving = Some((plan.generation, plan.child));
                }
                StepKind::Bake => {}
                StepKind::Retire { spec } => {
                    self.retire(release, service.expect("a step of a service"), *spec)
                }
                StepKind::Remove => {
                    assert!(!self.routes.services.contains_key(service.expect("a step of a service")));
                }
            }
        }
    }

    fn make_ready(&mut self, release: &Release, service: &ServiceName, spec: SpecDigest, replicas: u32) {
        let ours = |instance: &ObservedInstance| instance.service == *service && instance.spec == spec;
        self.instances.retain(|instance| {
            let dead = matches!(
                instance.state,
                InstanceState::CrashLoop { .. } | InstanceState::Stopped | InstanceState::Draining
            );
            !(ours(instance) && dead)
        });
        for instance in self.instances.iter_mut().filter(|instance| ours(instance)) {
            instance.state = InstanceState::Ready;
        }
        while self.instances.iter().filter(|instance| ours(instance)).count() < replicas as usize {
            self.start(release, service, InstanceState::Ready);
        }
    }

    fn route(&mut self, release: &Release, generation: Generation) {
        let services: BTreeMap<ServiceName, ServedBy> = release
            .services
            .iter()
            .map(|(name, spec)| {
                let served_by = match &spec.program {
                    Program::Stub => ServedBy::Stub,
                    Program::Process(_) if spec.replicas == 0 => ServedBy::Nothing,
                    Program::Process(process) => ServedBy::Instances(process.digest()),
                };
                (name.clone(), served_by)
            })
            .collect();
        self.routes = ObservedRoutes { generation, services };
    }

    fn retire(&mut self, release: &Release, service: &ServiceName, spec: SpecDigest) {
        let wanted = release
            .services
            .get(service)
            .filter(|wanted| wanted.spec_digest() == Some(spec))
            .map_or(0, |wanted| wanted.replicas as usize);
        if wanted == 0 {
            let routed = matches!(self.routes.services.get(service), Some(ServedBy::Instances(other)) if *other == spec);
            assert!(!routed, "{service} loses instances that the edge still uses");
        }
        let mut kept = 0;
        self.instances.retain(|instance| {
            if instance.service != *service || instance.spec != spec {
                return true;
            }
            kept += 1;
            kept <= wanted
        });
    }
}
