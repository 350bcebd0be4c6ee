//! The whole file, as people write it.

use crate::{
    environment::Environment,
    schema::{environment_map, map, system_name, variable_text},
    service::Service,
};
use fairway_model::{ServiceName, SystemName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A system: its services, what they share and where they run. Keys that begin with `x-` are ignored everywhere,
/// for notes and for YAML anchors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "fairway.yaml")]
pub struct Manifest {
    /// The name of the system: lower-case letters, digits and hyphens. It names databases, processes and releases,
    /// so it stays the same for the life of the system.
    #[schemars(schema_with = "system_name", extend("examples" = ["shop"]))]
    pub system: SystemName,

    /// The directory that holds the OpenAPI files; the `contract` of a service is a path inside it.
    #[serde(default = "default_contracts")]
    #[schemars(extend("format" = "directory", "examples" = ["contracts/openapi"]))]
    pub contracts: String,

    /// What services share and Fairway provides.
    #[serde(default)]
    pub resources: Resources,

    /// The services of the system by name.
    #[schemars(
        schema_with = "map::<crate::schema::ServiceKey, Service>",
        extend("examples" = [{"api": {"build": {"cargo": "api"}, "run": ["api", "serve"]}}])
    )]
    pub services: BTreeMap<ServiceName, Service>,

    /// The environments that the system runs in, by name.
    #[schemars(schema_with = "environment_map", extend("examples" = [{"dev": {"target": "local", "listen": "127.0.0.1:8080"}}]))]
    pub environments: BTreeMap<String, Environment>,
}

fn default_contracts() -> String {
    "contracts".to_owned()
}

/// What services share and Fairway provides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// The PostgreSQL server of each environment. Without this key, a system whose services have databases gets a
    /// private server of whatever version is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"version": "15"}]))]
    pub postgres: Option<Postgres>,
}

/// A PostgreSQL server: a private one that Fairway runs, or an existing one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Postgres {
    /// An existing server.
    Existing(ExistingPostgres),
    /// A private server that Fairway runs from the binaries that are installed on the target.
    Private(PrivatePostgres),
}

/// A private PostgreSQL server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivatePostgres {
    /// The wanted major version; any installed one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::postgres_version", extend("examples" = ["15"]))]
    pub version: Option<String>,
}

/// An existing PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExistingPostgres {
    /// A connection URL that may create databases and logins. It holds a password, so it comes from the process
    /// environment: `${DATABASE_ADMIN_URL}` reads `STAGING_DATABASE_ADMIN_URL` in the environment `staging`.
    #[schemars(schema_with = "variable_text", extend("examples" = ["${DATABASE_ADMIN_URL}"]))]
    pub url: String,
}
