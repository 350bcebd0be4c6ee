//! One service of a release, fully resolved.

use crate::{
    ArtifactDigest, ContractDigest, Digest, Millis, SecretVersion, ServiceName, SpecDigest, TrafficSpec,
    VariableName, canonical_json,
    edge::is_default,
    traffic::{Guard, UpstreamTls},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// A service as a release holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// What runs.
    pub program: Program,
    /// The contract that the service promises, if it has one.
    pub contract: Option<ContractRef>,
    /// Public routes at the edge; empty for a service that only others call.
    pub routes: Vec<RouteSpec>,
    /// How many instances run.
    pub replicas: u32,
    /// How the edge treats requests to it, public and internal ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub traffic: TrafficSpec,
}

/// What stands behind a service's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A program that Fairway starts.
    Process(Box<ProcessSpec>),
    /// A boundary with a contract and no program yet: the edge answers 501.
    Stub,
}

/// Everything that decides how an instance is started. Two instances with the same [`SpecDigest`] are
/// interchangeable; whatever differs here makes a new instance necessary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSpec {
    /// The program's bytes.
    pub artifact: Artifact,
    /// Arguments, the program first. For [`ArtifactKind::File`] the first is the name of the file; for
    /// [`ArtifactKind::Archive`] it is looked up in the unpacked directory, then in `PATH`.
    pub command: Vec<String>,
    /// Environment variables with plain or secret values.
    pub config: BTreeMap<VariableName, ConfigValue>,
    /// The variable that receives `127.0.0.1:<port>` to listen on; `None` for a worker that serves nothing.
    pub listen: Option<VariableName>,
    /// The variables that receive the base URL of another service, `http://127.0.0.1:<its port at the edge>`.
    pub needs: BTreeMap<ServiceName, VariableName>,
    /// The service's own database, if it has one.
    pub database: Option<DatabaseSpec>,
    /// How the agent tells that an instance is alive and ready.
    pub probes: Probes,
    /// Resource limits of one instance.
    pub limits: Limits,
    /// How long an instance may take to end after SIGTERM before it is killed.
    pub stop_grace: Millis,
}

impl ProcessSpec {
    /// The address of this specification.
    #[must_use]
    pub fn digest(&self) -> SpecDigest {
        SpecDigest(Digest::of(&canonical_json(self)))
    }
}

impl ServiceSpec {
    /// The process specification, unless the service is a stub.
    #[must_use]
    pub fn process(&self) -> Option<&ProcessSpec> {
        match &self.program {
            Program::Process(process) => Some(process),
            Program::Stub => None,
        }
    }

    /// The digest that instances of this service carry, unless the service is a stub.
    #[must_use]
    pub fn spec_digest(&self) -> Option<SpecDigest> {
        self.process().map(ProcessSpec::digest)
    }
}

/// The bytes of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Address of the bytes.
    pub digest: ArtifactDigest,
    /// How to unpack them.
    pub kind: ArtifactKind,
    /// Size in bytes.
    pub size: u64,
}

/// How an artifact's bytes become files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// One executable file with this name.
    File {
        /// Name of the file.
        name: String,
    },
    /// An uncompressed tar archive of a directory.
    Archive,
}

/// One configuration value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigValue {
    /// A value that may be shown.
    Plain(String),
    /// A version of a secret; the value itself is kept by the target and never stands in a release.
    Secret(SecretVersion),
}

impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(value) => f.write_str(value),
            Self::Secret(version) => write!(f, "{} (version {})", crate::redacted::MASK, version.short()),
        }
    }
}

/// A contract that a service promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractRef {
    /// Path of the entry file, relative to the repository of the system.
    pub file: String,
    /// Address of its meaning.
    pub digest: ContractDigest,
}

/// A public route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Host to match: exact, or `*.suffix`; `None` matches any.
    pub host: Option<String>,
    /// Path prefix to match, at a segment boundary.
    pub path: String,
    /// What requests must pass first: the route's own guard and what its environment adds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guard: Guard,
}

/// The database of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSpec {
    /// The variable that receives the connection URL.
    pub env: VariableName,
    /// The one-shot command that brings the schema up to date.
    pub migrate: Option<Vec<String>>,
    /// The one-shot command that fills a new database.
    pub seed: Option<Vec<String>>,
    /// The migrations that the command would run, in order; `None` when the manifest does not say where they are.
    pub migrations: Option<Vec<Migration>>,
}

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// File name.
    pub name: String,
    /// Address of its text.
    pub digest: Digest,
    /// What it does to a schema that older code still uses.
    pub effect: MigrationEffect,
}

/// What a migration does to a schema that older code still uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationEffect {
    /// Older code keeps working: new tables, new nullable columns, indexes.
    Additive,
    /// Nobody could tell; people decide.
    Unknown,
    /// Older code may break or data is lost: dropped, renamed or narrowed columns and tables.
    Destructive,
}

/// The three probes of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// May the instance take traffic? Also the probe that ends the start. `None` only for services without routes.
    pub ready: Option<ProbeSpec>,
    /// Is the process alive? Failing it restarts the instance.
    pub live: Option<ProbeSpec>,
    /// Whom the instance must be if it is asked in TLS, because it speaks nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// How long an instance may take to become ready for the first time.
    pub start_deadline: Millis,
}

/// An HTTP probe: `GET path`, any 2xx is a success, redirects are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// Path and query.
    pub path: String,
    /// Time between two probes.
    pub interval: Millis,
    /// Time after which a probe counts as failed.
    pub timeout: Millis,
    /// Successes in a row that make an instance good.
    pub rise: u32,
    /// Failures in a row that make an instance bad.
    pub fall: u32,
}

/// Limits of one instance; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Thousandths of a CPU.
    pub cpu_millis: Option<u32>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u32>,
}
