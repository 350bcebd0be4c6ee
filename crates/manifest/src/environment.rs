//! An environment, as people write it.

use crate::{
    Duration,
    edge::{AccessLog, Guard, Networks, Otlp, Switch, Tls},
};
use fairway_model::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr, num::NonZeroU16, str::FromStr};

/// One place where the system runs, or with `per`, one for each pull request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Where it runs: `local` for this machine, `ssh://user@host` for a host, `kubernetes://context` for a cluster.
    /// Today only `local` environments can be applied.
    #[schemars(schema_with = "crate::schema::target", extend("examples" = ["local"]))]
    pub target: Target,

    /// The public address of the edge, for plain HTTP. Without it and `tls` nothing is reachable from outside; port 0
    /// takes any free port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::socket_address", extend("examples" = ["127.0.0.1:8080"]))]
    pub listen: Option<SocketAddr>,

    /// A public address that speaks TLS, with its certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"listen": "0.0.0.0:443", "certificates": [{"acme": {"contact": "ops@example.com"}}]}]))]
    pub tls: Option<Tls>,

    /// What requests must pass in this environment, on every public route: for a closed environment, or a closed day.
    /// What a route says wins, key by key; but a client must be in the `allow` of both, and the `maintenance` of the
    /// environment counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"allow": ["203.0.113.0/24"]}]))]
    pub guard: Option<Guard>,

    /// The proxies in front of the edge: their `Forwarded`, `X-Forwarded-*`, `X-Request-Id` and `traceparent` are
    /// believed. This machine always is, because services call each other there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::networks", extend("examples" = [["10.0.0.0/8"]]))]
    pub trusted: Option<Networks>,

    /// A line of JSON for each exchange, in `edge/access.log` of the host's home directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"one_in": 10}]))]
    pub access_log: Option<Switch<AccessLog>>,

    /// A span for each exchange, sent to a collector by OTLP over HTTP (JSON), beside the traffic and never in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"endpoint": "http://127.0.0.1:4318", "one_in": 100}]))]
    pub otlp: Option<Otlp>,

    /// The goodbyes to WebSockets and HTTP/2 connections at a switch are spread over this time, so that their clients
    /// do not all come back at once.
    #[serde(default = "goodbye_spread")]
    pub goodbye_spread: Duration,

    /// The port at which clients from outside reach HTTPS, for `redirect_https`: where another port is mapped to that of
    /// `tls.listen`, or a proxy speaks TLS on another one than 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [443]))]
    pub https_port: Option<NonZeroU16>,

    /// The domain of the environment, for `{environment.domain}`. With `per: pull-request` it may contain `{number}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "domain-template", "examples" = ["staging.example.com"]))]
    pub domain: Option<String>,

    /// The environment comes and goes, so it keeps no address for itself.
    #[serde(default)]
    pub ephemeral: bool,

    /// There is one instance of this environment for each of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,

    /// The environment in which a commit must have been verified first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["staging"]))]
    pub after: Option<String>,

    /// Who must agree before a plan is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,

    /// How many instances of each service run here, for services that do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("examples" = [3]))]
    pub replicas: Option<u32>,

    /// How long old instances stay warm after a switch while the new ones are watched.
    #[serde(default = "bake")]
    pub bake: Duration,

    /// How long old instances may take to finish their requests when they are retired.
    #[serde(default = "drain")]
    pub drain: Duration,

    /// Where the data of a new environment comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
}

impl Environment {
    /// Clients can come by HTTPS: to the edge itself, or to a proxy in front of it.
    pub(crate) fn has_https(&self) -> bool {
        self.tls.is_some() || self.trusted.is_some()
    }
}

fn bake() -> Duration {
    Duration(Millis::from_secs(5))
}

fn goodbye_spread() -> Duration {
    Duration(Millis(fairway_model::traffic::Options::default().goodbye_spread_ms))
}

fn drain() -> Duration {
    Duration(Millis::from_secs(30))
}

/// What an environment has one instance for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// One for each pull request: `test/pr-42`.
    PullRequest,
}

/// Who must agree before a plan is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// The code owners of what has changed.
    Codeowners,
}

/// Where the data of a new environment comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The environment whose data is copied.
    #[schemars(extend("examples" = ["staging"]))]
    pub from: String,
    /// A file that says which part of it is copied; everything when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "relative-path", "examples" = ["data/staging.yaml"]))]
    pub subset: Option<String>,
}

/// Where an environment runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// This machine.
    Local,
    /// A host that is reached by SSH; the whole URL.
    Ssh(String),
    /// A Kubernetes cluster; the whole URL.
    Kubernetes(String),
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a target: write `local`, `ssh://user@host` or `kubernetes://context`")]
pub struct TargetError(pub String);

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let rest = |scheme: &str| {
            text.strip_prefix(scheme).filter(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        };
        if text == "local" {
            Ok(Self::Local)
        } else if rest("ssh://").is_some() {
            Ok(Self::Ssh(text.to_owned()))
        } else if rest("kubernetes://").is_some() {
            Ok(Self::Kubernetes(text.to_owned()))
        } else {
            Err(TargetError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;
    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "local",
            Self::Ssh(url) | Self::Kubernetes(url) => url,
        })
    }
}
