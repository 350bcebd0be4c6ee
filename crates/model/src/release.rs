//! A release: the complete, resolved intent for one environment.

use crate::{
    Digest, EdgeSpec, EnvironmentName, Millis, ReleaseDigest, ServiceName, ServiceSpec, SystemName,
    canonical_json, edge::is_default,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr};

/// Version of the stored form of a [`Release`].
pub const RELEASE_FORMAT: u32 = 1;

/// The complete, resolved intent for one environment. Immutable and content-addressed: the same intent has the
/// same digest, whoever made it and whenever. Its number, author and commit stand in the operation that applied it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// [`RELEASE_FORMAT`].
    pub format: u32,
    /// The system it belongs to.
    pub system: SystemName,
    /// The environment it is for.
    pub environment: EnvironmentName,
    /// Where the edge listens for the public without TLS, if it does.
    pub listener: Option<Listener>,
    /// How the edge treats everything that comes to the environment.
    #[serde(default, skip_serializing_if = "is_default")]
    pub edge: EdgeSpec,
    /// Services by name.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Shared resources.
    pub resources: Resources,
    /// How long old instances stay warm after the switch while error rate and readiness are watched.
    pub bake: Millis,
    /// How long old instances may take to finish their requests when they are retired.
    pub drain: Millis,
}

impl Release {
    /// The address of this release.
    #[must_use]
    pub fn digest(&self) -> ReleaseDigest {
        ReleaseDigest(Digest::of(&canonical_json(self)))
    }
}

/// The public listener of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
}

/// What services share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// PostgreSQL, if any service has a database.
    pub postgres: Option<PostgresSpec>,
}

/// Where databases live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostgresSpec {
    /// A private server that the target runs from installed binaries.
    Private {
        /// Wanted major version; `None` takes what is installed.
        version: Option<String>,
    },
    /// An existing server; the version of the secret that holds its URL.
    Existing {
        /// Secret with an administrative connection URL.
        url: crate::SecretVersion,
    },
}
