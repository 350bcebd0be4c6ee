//! What is written down about one environment.

use fairway_model::{
    ArtifactDigest, ConfigValue, EnvironmentName, Generation, Millis, Phase, PostgresSpec, ProcessSpec,
    Release, SecretVersion, ServiceName, SpecDigest,
};
use fairway_supervisor::Identity;
use fairway_target::lifecycle::{Entry, Lifecycle};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// Version of the stored form of a [`Journal`].
pub(crate) const JOURNAL_FORMAT: u32 = 1;

/// Everything the agent must know about an environment after it was killed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    /// [`JOURNAL_FORMAT`].
    pub(crate) format: u32,
    /// Releases and where they stand.
    pub(crate) lifecycle: Lifecycle,
    /// The generation of the newest table that was meant to be served. It is the serving release's, or that of a
    /// release that was switched back from.
    pub(crate) table: Generation,
    /// Services of the pending release that nothing served before and that already have their internal route.
    pub(crate) early: BTreeSet<ServiceName>,
    /// Steps of the pending plan that are done, by index; they are not repeated after a restart of the agent.
    pub(crate) done: BTreeSet<usize>,
    /// Instances that exist or are about to.
    pub(crate) instances: BTreeMap<String, InstanceRecord>,
    /// Each service's loopback port at the edge. A port once given is kept, so that a running instance's idea of its
    /// neighbours stays right.
    pub(crate) ports: BTreeMap<ServiceName, u16>,
    /// The public address, when the release asked for any free port.
    pub(crate) public_port: Option<u16>,
    /// The public address with TLS, when the release asked for any free port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls_port: Option<u16>,
    /// The database server in use.
    pub(crate) postgres: Option<PostgresSpec>,
    /// Services that have a database.
    pub(crate) databases: BTreeSet<ServiceName>,
    /// Requests that the edge had answered when the bake began; see [`crate::environment::traffic`].
    pub(crate) baseline: Option<super::traffic::Totals>,
    /// How often each instance had been started again when the routes moved; more is trouble of the bake.
    pub(crate) restarts_at_switch: BTreeMap<String, u32>,
    /// A command that runs once and was started; it is ended when it is found after a restart of the agent.
    pub(crate) commands: BTreeMap<String, Identity>,
}

/// One instance, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceRecord {
    /// The service.
    pub(crate) service: ServiceName,
    /// Digest of `process`.
    pub(crate) spec: SpecDigest,
    /// What it is started from.
    pub(crate) process: ProcessSpec,
    /// The generation that started it.
    pub(crate) generation: Generation,
    /// Where it listens.
    pub(crate) port: Option<u16>,
    /// The process, while there is one.
    pub(crate) identity: Option<Identity>,
    /// When it was started last, in milliseconds since the Unix epoch.
    pub(crate) started: u64,
    /// How often it was started again after an unwanted end.
    pub(crate) restarts: u32,
}

impl InstanceRecord {
    /// Where it accepts connections.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// The name of an instance: `identity-1a2b3c4d5e6f-0`.
pub(crate) fn instance_id(service: &ServiceName, spec: SpecDigest, replica: u32) -> String {
    format!("{service}-{}-{replica}", spec.short())
}

/// The instances that a release wants of one service.
pub(crate) fn wanted(release: &Release, service: &ServiceName) -> Vec<String> {
    let Some(spec) = release.services.get(service) else { return Vec::new() };
    let Some(digest) = spec.spec_digest() else { return Vec::new() };
    (0..spec.replicas).map(|replica| instance_id(service, digest, replica)).collect()
}

/// The instances that a release wants.
pub(crate) fn all_wanted(release: &Release) -> BTreeSet<String> {
    release.services.keys().flat_map(|service| wanted(release, service)).collect()
}

impl Journal {
    pub(crate) fn new(environment: EnvironmentName, lease: Millis) -> Self {
        Self {
            format: JOURNAL_FORMAT,
            lifecycle: Lifecycle::new(environment, lease),
            table: Generation(0),
            early: BTreeSet::new(),
            done: BTreeSet::new(),
            instances: BTreeMap::new(),
            ports: BTreeMap::new(),
            public_port: None,
            tls_port: None,
            postgres: None,
            databases: BTreeSet::new(),
            baseline: None,
            restarts_at_switch: BTreeMap::new(),
            commands: BTreeMap::new(),
        }
    }

    /// Every port that the edge has for this environment and that Fairway chose.
    pub(crate) fn edge_ports(&self) -> impl Iterator<Item = u16> {
        self.ports.values().copied().chain(self.public_port).chain(self.tls_port)
    }

    /// The release that the routes point at.
    pub(crate) fn serving(&self) -> Option<(Generation, &Release)> {
        self.lifecycle.serving().map(|entry| (entry.generation(), &entry.assignment.release))
    }

    /// The release that is on its way to its switch.
    pub(crate) fn pending(&self) -> Option<(Generation, &Release)> {
        self.lifecycle.pending().map(|entry| (entry.generation(), &entry.assignment.release))
    }

    /// Instances that may be stopped.
    pub(crate) fn dispensable(&self) -> BTreeSet<String> {
        let kept: BTreeSet<String> = self
            .lifecycle
            .keep()
            .into_iter()
            .flat_map(|((service, spec), count)| {
                (0..count).map(move |replica| instance_id(&service, spec, replica))
            })
            .collect();
        self.instances.keys().filter(|id| !kept.contains(*id)).cloned().collect()
    }

    /// The releases that a revert may go back to: the serving one, those that are on their way, and the `kept` newest
    /// ones that have served. Releases that failed before their switch do not count.
    pub(crate) fn kept(&self, kept: usize) -> Vec<&Entry> {
        let serving = self.lifecycle.serving().map(Entry::generation);
        let mut served = 0;
        let mut entries: Vec<&Entry> = self.lifecycle.releases().rev().collect();
        entries.retain(|entry| {
            let has_served =
                entry.phase.is_serving() || matches!(entry.phase, Phase::Reverted | Phase::Stuck);
            served += usize::from(has_served);
            (has_served && served <= kept) || !entry.phase.is_final() || Some(entry.generation()) == serving
        });
        entries
    }

    /// Artifacts and secrets that must stay on this host: those of instances and of the releases in [`Journal::kept`].
    pub(crate) fn needed(&self, kept: usize) -> (BTreeSet<ArtifactDigest>, BTreeSet<SecretVersion>) {
        let (mut artifacts, mut secrets) = (BTreeSet::new(), BTreeSet::new());
        let mut note = |process: &ProcessSpec| {
            artifacts.insert(process.artifact.digest);
            for value in process.config.values() {
                if let ConfigValue::Secret(version) = value {
                    secrets.insert(*version);
                }
            }
        };
        let (mut urls, mut of_edge) = (Vec::new(), Vec::new());
        for entry in self.kept(kept) {
            entry
                .assignment
                .release
                .services
                .values()
                .filter_map(|service| service.process())
                .for_each(&mut note);
            urls.extend(entry.assignment.release.resources.postgres.clone());
            of_edge.extend(entry.assignment.release.edge.secrets());
        }
        self.instances.values().map(|record| &record.process).for_each(&mut note);
        for spec in urls.into_iter().chain(self.postgres.clone()) {
            if let PostgresSpec::Existing { url } = spec {
                secrets.insert(url);
            }
        }
        secrets.extend(of_edge);
        (artifacts, secrets)
    }
}
