//! The nouns of a route table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use fairway_model::traffic::{Certificate, Guard, ListenerTls, Options, Treatment};
use serde::{Deserialize, Serialize};

use crate::admit::Position;

/// The format version that this crate writes.
pub const FORMAT: u32 = 1;

/// Everything an edge needs to know about one environment.
///
/// As JSON:
///
/// ```json
/// { "format": 1, "environment": "dev", "generation": 7, "revision": 2,
///   "listeners": { "public": "127.0.0.1:8080" },
///   "services": { "gateway": { "instances": [
///       { "id": "gateway-7-0", "address": "127.0.0.1:40001", "weight": 1, "release": 7 } ] } },
///   "routes": [ { "listener": "public", "path": "/", "service": "gateway" } ] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Format version of this document, see [`FORMAT`].
    #[serde(default = "current_format")]
    pub format: u32,
    /// The environment's name, for example `dev` or `test/pr-42`.
    pub environment: String,
    /// The release generation that this table belongs to.
    pub generation: u64,
    /// Counts tables within one generation (canary steps, a restarted instance).
    #[serde(default)]
    pub revision: u64,
    /// Where the edge listens, by name. Port 0 asks the edge to choose a port; its answer says which.
    #[serde(default)]
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Which listeners speak TLS; the others speak plain text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tls: BTreeMap<String, ListenerTls>,
    /// What TLS listeners of this environment show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
    /// The directory with the values of the secrets that the certificates name: a file each, named by the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<PathBuf>,
    /// What holds for all requests.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Options,
    /// Services by name.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    /// Which requests reach which service. Their order means nothing.
    #[serde(default)]
    pub routes: Vec<Route>,
}

fn current_format() -> u32 {
    FORMAT
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Table {
    /// A table without listeners, services and routes.
    pub fn empty(environment: impl Into<String>, generation: u64, revision: u64) -> Self {
        Self {
            format: FORMAT,
            environment: environment.into(),
            generation,
            revision,
            listeners: BTreeMap::new(),
            tls: BTreeMap::new(),
            certificates: Vec::new(),
            secrets: None,
            options: Options::default(),
            services: BTreeMap::new(),
            routes: Vec::new(),
        }
    }

    /// Where this table stands in its environment's history.
    pub fn position(&self) -> Position {
        Position { generation: self.generation, revision: self.revision }
    }
}

/// One rule: requests on a listener, for a host, below a path, reach a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name of a listener of the same table.
    pub listener: String,
    /// An exact name, `*.suffix` (any depth below the suffix), or absent for any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `/prefix` at a segment boundary, or `=/exactly/this`.
    pub path: String,
    /// Name of a service of the same table.
    pub service: String,
    /// What requests must pass first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guard: Guard,
}

/// A service: its instances, or the stub that stands for a boundary without a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Running instances that may take requests. Empty: the edge answers 503.
    #[serde(default)]
    pub instances: Vec<Backend>,
    /// Answer in place of a program: 200 on `/health` and `/ready`, 501 elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stub: Option<Stub>,
    /// How long the edge waits for what.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Health, retries, limits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub treatment: Treatment,
}

/// One running instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Unique within the environment, over all generations: counters are kept by it.
    pub id: String,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// Share of new requests relative to the other instances of the service; 0 takes none.
    #[serde(default = "one")]
    pub weight: u32,
    /// The generation of the release that started it.
    pub release: u64,
}

fn one() -> u32 {
    1
}

/// A boundary that has a contract and no program yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stub {
    /// The boundary's name, for example `ai`; callers see it as `boundary` in the answer.
    pub boundary: String,
    /// The contract's title, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// How long the edge waits, in milliseconds. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection to an instance. Default 2 s: instances are on this host or its network.
    pub connect_ms: u64,
    /// From the end of the request to the head of the response. Default 60 s.
    pub header_ms: u64,
    /// Between two pieces of a body, either way. Default 300 s.
    pub idle_ms: u64,
    /// Without a byte either way on an upgraded connection (WebSocket). Default 1 h.
    pub upgrade_idle_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 2_000, header_ms: 60_000, idle_ms: 300_000, upgrade_idle_ms: 3_600_000 }
    }
}
