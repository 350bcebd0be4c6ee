//! What a target says is there.

use crate::{ArtifactDigest, EnvironmentName, Generation, Phase, ReleaseDigest, ServiceName, SpecDigest};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// Something that was looked at, or the reason why it could not be. What could not be seen never causes a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight<T> {
    /// Seen.
    Known(T),
    /// Not seen.
    Unknown {
        /// Why, in words.
        reason: String,
    },
}

impl<T> Sight<T> {
    /// What was seen, if anything.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown { .. } => None,
        }
    }
}

/// One environment as its target sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// Which environment.
    pub environment: EnvironmentName,
    /// The highest generation that the target has accepted.
    pub generation: Generation,
    /// The release that the routes point at, with its generation.
    pub serving: Option<(Generation, ReleaseDigest)>,
    /// What is going on, if anything: the newest accepted generation and its phase.
    pub activity: Option<(Generation, Phase)>,
    /// Instances that exist.
    pub instances: Sight<Vec<ObservedInstance>>,
    /// What the edge serves.
    pub routes: Sight<ObservedRoutes>,
    /// Services that have a database.
    pub databases: Sight<BTreeSet<ServiceName>>,
    /// Artifacts that need not be sent.
    pub artifacts: Sight<BTreeSet<ArtifactDigest>>,
}

impl Observed {
    /// An environment of which the target knows nothing yet.
    #[must_use]
    pub fn nothing(environment: EnvironmentName) -> Self {
        Self {
            environment,
            generation: Generation(0),
            serving: None,
            activity: None,
            instances: Sight::Known(Vec::new()),
            routes: Sight::Known(ObservedRoutes::default()),
            databases: Sight::Known(BTreeSet::new()),
            artifacts: Sight::Known(BTreeSet::new()),
        }
    }
}

/// One running copy of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedInstance {
    /// Its name on the target: `identity-1a2b3c4d5e6f-0`.
    pub id: String,
    /// The service.
    pub service: ServiceName,
    /// What it was started from.
    pub spec: SpecDigest,
    /// The artifact it runs.
    pub artifact: ArtifactDigest,
    /// The generation that started it.
    pub generation: Generation,
    /// How it is.
    pub state: InstanceState,
    /// Where it listens, if it does.
    pub address: Option<SocketAddr>,
    /// Process id, where there is one.
    pub pid: Option<u32>,
    /// Seconds since it was started.
    pub age_seconds: u64,
    /// How often it was restarted after an unwanted end.
    pub restarts: u32,
    /// Requests in flight at the edge.
    pub in_flight: u64,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Started, not ready yet.
    Starting,
    /// Ready for traffic.
    Ready,
    /// Runs, but its readiness probe fails.
    Unready {
        /// What the probe says.
        reason: String,
    },
    /// Ended and waiting for its next start.
    Restarting {
        /// How it ended.
        reason: String,
    },
    /// Ended too often; it is not restarted any more.
    CrashLoop {
        /// How it ended last.
        reason: String,
    },
    /// Finishing its requests.
    Draining,
    /// Not running.
    Stopped,
}

/// What the edge serves for one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedRoutes {
    /// Generation of the table.
    pub generation: Generation,
    /// What stands behind each service's name.
    pub services: BTreeMap<ServiceName, ServedBy>,
}

/// What stands behind a service's name at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedBy {
    /// Instances of this specification.
    Instances(SpecDigest),
    /// The edge's own 501.
    Stub,
    /// A route without an instance: the edge answers 503.
    Nothing,
}
