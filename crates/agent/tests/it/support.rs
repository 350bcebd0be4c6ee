//! A host of a test's own: a home directory, an agent, an edge, and small services.

use fairway_host::{Host, Instances};
use fairway_model::{
    Artifact, ArtifactDigest, ArtifactKind, Assignment, ConfigValue, DatabaseSpec, Digest, EnvironmentName,
    Generation, Limits, Millis, Plan, PlanBase, PostgresSpec, ProbeSpec, Probes, ProcessSpec, Program,
    RELEASE_FORMAT, Release, Resources, Reversibility, RouteSpec, ServiceName, ServiceSpec, Step, StepKind,
    SystemName, TrafficSpec, VariableName,
};
use fairway_target::{ArtifactSource, Target as _};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

/// How long a test waits for something that happens by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A host of a test's own. Dropping it stops everything.
pub(crate) struct World {
    directory: tempfile::TempDir,
    pub(crate) host: Host,
}

/// The program that is agent, edge and service.
pub(crate) fn executable() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/probe_service");
    assert!(program.is_file(), "{} is not built; run the tests of the whole package", program.display());
    program
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

pub(crate) fn variable(text: &str) -> VariableName {
    VariableName::new(text).unwrap()
}

pub(crate) fn environment() -> EnvironmentName {
    EnvironmentName::new("test/pr-7").unwrap()
}

impl World {
    pub(crate) async fn new(timing: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("fw").tempdir().unwrap();
        // A database server runs as a user of its own and has to get through.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = directory.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::write(home.join("timing"), timing).unwrap();
        let host = Host::local(&home, executable()).await.unwrap();
        Self { directory, host }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What the next agent and the next edge read.
    pub(crate) fn set_timing(&self, timing: &str) {
        std::fs::write(self.home().join("timing"), timing).unwrap();
    }

    /// Kills the agent without warning; nobody starts it again yet.
    pub(crate) async fn kill_agent(&self) {
        let pid = self.host.info().await.unwrap().pid;
        kill(pid);
        until("the agent is gone", || async move { !alive(pid) }).await;
    }

    /// Kills the agent and starts it again.
    pub(crate) async fn restart_agent(&self) {
        self.kill_agent().await;
        Host::local(self.home(), executable()).await.unwrap();
    }

    /// A service: a script that becomes the test program, with these settings.
    pub(crate) fn service(&self, settings: &[(&str, &str)]) -> Service {
        let version = settings.iter().find(|(key, _)| *key == "VERSION").map_or("", |(_, value)| value);
        let script = format!("#!/bin/sh\n# {version}\nexec \"{}\" \"$@\"\n", executable().display());
        let digest = ArtifactDigest(Digest::of(script.as_bytes()));
        let path = self.directory.path().join(digest.hex());
        std::fs::write(&path, &script).unwrap();
        let config =
            settings.iter().map(|(key, value)| (variable(key), ConfigValue::Plain((*value).to_owned())));
        let probe = |path: &str| ProbeSpec {
            path: path.to_owned(),
            interval: Millis(50),
            timeout: Millis(2_000),
            rise: 1,
            fall: 2,
        };
        let spec = ProcessSpec {
            artifact: Artifact {
                digest,
                kind: ArtifactKind::File { name: "service".into() },
                size: script.len() as u64,
            },
            command: vec!["service".into(), "serve".into()],
            config: config.collect(),
            listen: Some(variable("ADDRESS")),
            needs: BTreeMap::new(),
            database: None,
            probes: Probes {
                ready: Some(probe("/ready")),
                live: None,
                tls: None,
                start_deadline: Millis::from_secs(20),
            },
            limits: Limits::default(),
            stop_grace: Millis::from_secs(5),
        };
        Service {
            spec,
            source: ArtifactSource { digest, path },
            replicas: 1,
            routes: Vec::new(),
            traffic: Default::default(),
        }
    }

    /// The assignment that leads from `from` to these services, whose artifacts are delivered.
    pub(crate) async fn assign(&self, from: Option<&Assignment>, services: &[(&str, Service)]) -> Assignment {
        for (_, service) in services {
            self.host.deliver(&service.source).await.unwrap();
        }
        assignment(from, services)
    }

    /// Prepare, switch, bake and retire.
    pub(crate) async fn apply(&self, assignment: &Assignment) -> fairway_model::ReleaseStatus {
        let (env, generation) = (&assignment.plan.environment, assignment.generation());
        let silent = &fairway_target::Silent;
        self.host.prepare(assignment, silent).await.unwrap();
        self.host.switch(env, generation, silent).await.unwrap();
        self.host.bake(env, generation, silent).await.unwrap();
        self.host.retire(env, generation, silent).await.unwrap()
    }

    /// Where a service answers.
    pub(crate) async fn address(&self, service: &str) -> Option<SocketAddr> {
        self.host.endpoints(&environment()).await.ok()?.services.get(&name(service)).copied()
    }

    /// What a service answers to a path: status and body.
    pub(crate) async fn ask(&self, service: &str, path: &str) -> Option<(u16, String)> {
        get(self.address(service).await?, path).await.ok()
    }

    /// What a service says at its root, if it is a 200.
    pub(crate) async fn version(&self, service: &str) -> Option<String> {
        self.ask(service, "/").await.filter(|(status, _)| *status == 200).map(|(_, body)| body)
    }

    pub(crate) async fn instances(&self) -> Vec<fairway_model::ObservedInstance> {
        self.host.observe(&environment()).await.unwrap().instances.known().unwrap().clone()
    }

    pub(crate) async fn pid(&self, service: &str) -> u32 {
        let instances = self.instances().await;
        instances.iter().find(|instance| instance.service == name(service)).unwrap().pid.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let home = self.home();
        // A drop cannot wait by itself; a runtime on a thread of its own can.
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                match Host::local(&home, executable()).await {
                    Ok(host) => host.shutdown(Instances::Stop).await.unwrap(),
                    Err(error) => eprintln!("{error}"),
                }
            });
        });
        let ended = ended.join();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.home().join("agent.log")).unwrap_or_default();
            eprintln!("agent.log:\n{log}");
        } else {
            ended.unwrap();
        }
    }
}

/// A wished service.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) spec: ProcessSpec,
    pub(crate) source: ArtifactSource,
    pub(crate) replicas: u32,
    pub(crate) routes: Vec<RouteSpec>,
    pub(crate) traffic: TrafficSpec,
}

impl Service {
    pub(crate) fn database(mut self, migrate: &[&str], seed: Option<&[&str]>) -> Self {
        let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        self.spec.database = Some(DatabaseSpec {
            env: variable("DATABASE_URL"),
            migrate: Some(command(migrate)),
            seed: seed.map(command),
            migrations: None,
        });
        self
    }

    pub(crate) fn needs(mut self, service: &str, variable_name: &str) -> Self {
        self.spec.needs.insert(name(service), variable(variable_name));
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn made(&self) -> ServiceSpec {
        ServiceSpec {
            program: Program::Process(Box::new(self.spec.clone())),
            contract: None,
            routes: self.routes.clone(),
            replicas: self.replicas,
            traffic: self.traffic.clone(),
        }
    }
}

/// A release of these services.
pub(crate) fn release(services: &[(&str, Service)]) -> Release {
    let database = services.iter().any(|(_, service)| service.spec.database.is_some());
    Release {
        format: RELEASE_FORMAT,
        system: SystemName::new("tests").unwrap(),
        environment: environment(),
        listener: None,
        edge: Default::default(),
        services: services.iter().map(|(service, wish)| (name(service), wish.made())).collect(),
        resources: Resources { postgres: database.then_some(PostgresSpec::Private { version: None }) },
        bake: Millis(300),
        drain: Millis::from_secs(10),
    }
}

/// The assignment that leads from `from` to these services.
pub(crate) fn assignment(from: Option<&Assignment>, services: &[(&str, Service)]) -> Assignment {
    plan(from, release(services))
}

/// The assignment that leads from `from` to this release, with every step that may be needed.
pub(crate) fn plan(from: Option<&Assignment>, release: Release) -> Assignment {
    let newest = from.map_or(Generation(0), Assignment::generation);
    let step = |kind: StepKind, service: Option<&ServiceName>| Step {
        kind,
        service: service.cloned(),
        reason: "the test wants it".into(),
        reversibility: Reversibility::Reversible,
    };
    let touched = |service: &ServiceName| {
        from.is_none_or(|from| from.release.services.get(service) != release.services.get(service))
    };
    let processes: Vec<_> = release
        .services
        .iter()
        .filter(|(service, _)| touched(service))
        .filter_map(|(service, spec)| Some((service, spec, spec.process()?)))
        .collect();
    let mut steps = Vec::new();
    if release.resources.postgres.is_some() {
        steps.push(step(StepKind::EnsureServer, None));
    }
    for (service, _, process) in &processes {
        let Some(database) = &process.database else { continue };
        steps.push(step(StepKind::EnsureDatabase, Some(service)));
        if database.migrate.is_some() {
            steps.push(step(StepKind::Migrate, Some(service)));
        }
        if database.seed.is_some() {
            steps.push(step(StepKind::Seed, Some(service)));
        }
    }
    for (service, spec, process) in &processes {
        steps.push(step(StepKind::Start { spec: process.digest(), replicas: spec.replicas }, Some(service)));
    }
    steps.push(step(StepKind::Switch, None));
    steps.push(step(StepKind::Bake, None));
    steps.push(step(StepKind::Bake, None));
    let plan = Plan {
        format: 1,
        environment: release.environment.clone(),
        base: PlanBase { serving: from.map(|from| (from.generation(), from.plan.child)), generation: newest },
        child: release.digest(),
        generation: newest.next(),
        steps,
        services: BTreeMap::new(),
        environment_changes: Vec::new(),
        verdicts: Vec::new(),
    };
    Assignment { plan, release }
}

/// One `GET` on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let broken = || std::io::Error::other(format!("half an answer: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { body.split("\r\n").nth(1).unwrap_or_default() } else { body };
    Ok((status, body.to_owned()))
}

/// Waits for something that happens by itself.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "it did not happen that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Does a process run?
pub(crate) fn alive(pid: u32) -> bool {
    fairway_supervisor::Identity::of(pid).is_ok_and(|identity| identity.is_running())
}

/// Kills one process that this test has started.
pub(crate) fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// Is there a line of this log with this text?
pub(crate) fn file_has(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|content| content.contains(text))
}
