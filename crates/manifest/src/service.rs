//! A service, as people write it.

use crate::{
    Cpu, Duration, Memory,
    edge::{Guard, Traffic},
    probe::Probe,
    schema::{self, ServiceKey, VariableKey, command, map, variable_name},
};
use fairway_model::{Millis, ServiceName, VariableName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A deployable program, usually behind a contract; or, with `stub: true`, a contract without a program yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The OpenAPI file that the service promises to keep, inside the directory `contracts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "file", "examples" = ["identity.yaml"]))]
    pub contract: Option<String>,

    /// How the program is made. Every service that is not a stub needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"cargo": "identity"}]))]
    pub build: Option<Build>,

    /// The command that starts the service, the program first: the name of the built file, or a program that is
    /// looked up in the built directory and then in `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "command", extend("examples" = [["identity", "serve"]]))]
    pub run: Option<Vec<String>>,

    /// The variable that receives the address to listen on, as `127.0.0.1:<port>`. Fairway picks the port. A worker
    /// that serves nothing has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "variable_name", extend("examples" = ["IDENTITY_HTTP_ADDR"]))]
    pub listen: Option<VariableName>,

    /// The service's own database: Fairway makes it, with a login that can touch nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"env": "IDENTITY_DB_DSN", "migrate": ["identity", "migrate"]}]))]
    pub database: Option<Database>,

    /// Environment variables of the service in every environment: the lowest of the configuration layers. A value
    /// may read the process environment of whoever releases: `${NAME:default}` or `${NAME}`, which is looked up
    /// with the prefix of the environment, such as `STAGING_NAME`; `$${` writes `${`.
    #[serde(default)]
    #[schemars(schema_with = "map::<VariableKey, schema::EnvironmentValue>", extend("examples" = [{"LOGIN_MODE": "mock"}]))]
    pub env: BTreeMap<VariableName, String>,

    /// Names of variables whose values are secret: they are never shown and never stand in a release. Names that end
    /// with `_SECRET`, `_PASSWORD`, `_TOKEN`, `_KEY`, `_DSN` or `_PRIVATE_KEY` are secret anyway, and so is a value
    /// that reads a variable with such a name.
    #[serde(default)]
    #[schemars(schema_with = "schema::variable_list", extend("examples" = [["WEBHOOK_SALT"]]))]
    pub secrets: Vec<VariableName>,

    /// The services that this one calls, each with the variable that receives its base URL. Calls go through the
    /// edge, so they move to a new release at the same instant as public traffic.
    #[serde(default)]
    #[schemars(schema_with = "map::<ServiceKey, schema::VariableValue>", extend("examples" = [{"identity": "IDENTITY_BASE_URL"}]))]
    pub needs: BTreeMap<ServiceName, VariableName>,

    /// The public routes of the service: one, or a list. A service without it is reachable for other services only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"host": "{environment.domain}", "path": "/"}]))]
    pub expose: Option<Expose>,

    /// How the edge treats requests to the service. All of it has defaults that suit any HTTP/1.1 service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"limits": {"exchanges": 100}}]))]
    pub traffic: Option<Traffic>,

    /// Is the process alive? A path to `GET`, or `none`. An instance that fails it is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/health"]))]
    pub health: Option<Probe>,

    /// May the instance take traffic? A path to `GET`, or `none`. A release waits for it, and a service that is
    /// exposed must have it or say `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/ready"]))]
    pub ready: Option<Probe>,

    /// The start of an instance.
    #[serde(default)]
    pub start: Start,

    /// Limits of one instance; what is left out is not limited.
    #[serde(default)]
    pub limits: Limits,

    /// How many instances run. It wins over `replicas` of the environment; without both it is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("examples" = [2]))]
    pub replicas: Option<u32>,

    /// The end of an instance.
    #[serde(default)]
    pub stop: Stop,

    /// The service is a boundary with a contract and no program yet: the edge answers its routes with 501.
    #[serde(default)]
    pub stub: bool,
}

/// How a program is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
#[schemars(extend("x-reserved" = {
    "dockerfile": "needs a container runtime, which the local target does not have",
    "image": "needs a container runtime, which the local target does not have",
}))]
pub enum Build {
    /// A binary of a Cargo package of the repository.
    Cargo {
        /// The name of the package.
        #[schemars(length(min = 1), extend("examples" = ["identity"]))]
        cargo: String,
    },
    /// Any command that leaves a file or a directory.
    Command {
        /// The command, run in the root of the repository.
        #[schemars(schema_with = "command", extend("examples" = [["make", "dist"]]))]
        command: Vec<String>,
        /// What the command leaves, relative to the root of the repository: an executable file, or a directory that is
        /// delivered as a whole.
        #[schemars(extend("format" = "relative-path", "examples" = ["dist/service"]))]
        output: String,
    },
}

/// The database of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The variable that receives the connection URL.
    #[schemars(schema_with = "variable_name", extend("examples" = ["IDENTITY_DB_DSN"]))]
    pub env: VariableName,

    /// The one-shot command that brings the schema up to date. It runs before new instances start; when it fails,
    /// nothing is switched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "command", extend("examples" = [["identity", "migrate"]]))]
    pub migrate: Option<Vec<String>>,

    /// The one-shot command that fills a database that has just been made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "command", extend("examples" = [["identity", "seed"]]))]
    pub seed: Option<Vec<String>>,

    /// The directory of the migration files, so that a plan can say what they do to the code that runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "directory", "examples" = ["services/identity/migrations"]))]
    pub migrations: Option<String>,
}

/// One public route or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Expose {
    /// One route.
    One(Box<Route>),
    /// Several routes.
    Many(#[schemars(length(min = 1))] Vec<Route>),
}

impl Expose {
    /// The routes as a list.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        match self {
            Self::One(route) => std::slice::from_ref(route),
            Self::Many(routes) => routes,
        }
    }
}

/// A public route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The host to match: a name, `*.` and a name, or with the placeholders `{environment.domain}`,
    /// `{environment.name}` and `{number}`. Any host when left out. In an environment without a domain,
    /// `{environment.domain}` alone matches any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "host-template", "examples" = ["{environment.domain}"]))]
    pub host: Option<String>,

    /// The path to match together with everything below it.
    #[serde(default = "root_path")]
    #[schemars(extend("format" = "route-path", "pattern" = "^/", "examples" = ["/api"]))]
    pub path: String,

    /// What requests must pass before they reach the service by this route, in every environment. An environment may
    /// add to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"security_headers": true, "compression": true}]))]
    pub guard: Option<Guard>,

    /// The `allow`, `basic_auth` and `maintenance` of an environment's `guard` do not close this route: for callbacks of
    /// other systems, which know no password.
    #[serde(default)]
    pub exempt: bool,
}

fn root_path() -> String {
    "/".to_owned()
}

/// The start of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// How long an instance may take to become ready for the first time. A process that ends fails the release at
    /// once.
    #[serde(default = "start_deadline")]
    pub deadline: Duration,
}

fn start_deadline() -> Duration {
    Duration(Millis::from_secs(60))
}

impl Default for Start {
    fn default() -> Self {
        Self { deadline: start_deadline() }
    }
}

/// The end of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// How long an instance may take to end after SIGTERM before it is killed.
    #[serde(default = "stop_grace")]
    pub grace: Duration,
}

fn stop_grace() -> Duration {
    Duration(Millis::from_secs(10))
}

impl Default for Stop {
    fn default() -> Self {
        Self { grace: stop_grace() }
    }
}

/// Limits of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU time: CPUs such as `"0.5"`, or thousandths such as `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory: bytes, or a number with a unit such as `512Mi`, `1Gi` or `64M`. An instance that needs more is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("examples" = [256]))]
    pub pids: Option<u32>,
}
