//! The agent's API: HTTP/1.1 with JSON bodies over a Unix socket.
//!
//! | method and path | request | answer |
//! |---|---|---|
//! | `GET /v1/agent` | – | [`AgentInfo`] |
//! | `GET /v1/environments` | – | [`EnvironmentList`] |
//! | `GET /v1/environments/{env}` | – | [`fairway_model::Observed`] |
//! | `DELETE /v1/environments/{env}?purge=true` | – | 204; stops everything, `purge` deletes databases and logs too |
//! | `HEAD /v1/artifacts/{digest}` | – | 200 or 404 |
//! | `PUT /v1/artifacts/{digest}` | the bytes | 204; 422 when they do not hash to the digest |
//! | `PUT /v1/environments/{env}/secrets/{version}` | [`SecretValue`] | 204 |
//! | `POST /v1/environments/{env}/releases/{generation}/prepare` | [`fairway_model::Assignment`] | 202 [`fairway_model::ReleaseStatus`]; the same assignment again is the same 202 |
//! | `POST /v1/environments/{env}/releases/{generation}/switch` | – | 200 [`fairway_model::ReleaseStatus`], after the swap |
//! | `POST /v1/environments/{env}/releases/{generation}/bake` | – | 200 [`fairway_model::ReleaseStatus`] while the bake goes on and when it went well; else the failure |
//! | `POST /v1/environments/{env}/releases/{generation}/retire` | – | 202 [`fairway_model::ReleaseStatus`] |
//! | `POST /v1/environments/{env}/releases/{generation}/abort` | – | 200 [`fairway_model::ReleaseStatus`] once what was started for it is gone; `null` when it was never offered |
//! | `GET /v1/environments/{env}/releases/{generation}?after=N&wait_ms=M` | – | [`fairway_model::ReleaseStatus`]; answers when there is an event after `N` or `M` milliseconds have passed; asking renews the caller's lease |
//! | `GET /v1/environments/{env}/logs?service=S&tail=N&follow=true` | – | lines of [`LogLine`] as NDJSON |
//! | `GET /v1/environments/{env}/endpoints` | – | [`Endpoints`] |
//! | `GET /v1/environments/{env}/traffic` | – | [`crate::traffic::Traffic`]: what the edge serves and what went through; `null` when it serves nothing of it |
//! | `POST /v1/shutdown?instances=keep\|stop` | – | 202; `keep` leaves instances and edge running |
//!
//! `{env}` is the environment's name percent-encoded into one path segment. Every error is a status and a
//! [`fairway_model::Failure`]: 400 malformed, 404 unknown, 409 stale, superseded or wrong phase, 422 invalid content,
//! 500 the agent's own defect, 507 no room.

use fairway_model::{EnvironmentName, Redacted, ServiceName};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Version of this API.
pub const API_VERSION: u32 = 1;

/// The longest path that is used for a Unix socket, in bytes; the kernel takes little more.
pub const LONGEST_SOCKET_PATH: usize = 100;

/// Where an agent can be reached: the content of `agent.json` in its home directory while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentAddress {
    /// [`API_VERSION`] of the agent.
    pub api: u32,
    /// Version of the binary.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Path of its socket: `agent.sock` in its home, unless that path is longer than [`LONGEST_SOCKET_PATH`].
    pub socket: String,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// [`API_VERSION`] of the agent.
    pub api: u32,
    /// Version of the binary.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Process id of the edge, when it runs.
    pub edge_pid: Option<u32>,
    /// Process id of the private PostgreSQL server, when one runs.
    pub postgres_pid: Option<u32>,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// The agent's home directory.
    pub home: String,
    /// What this host cannot do, in words: limits that are not enforced and the like.
    pub notes: Vec<String>,
}

/// The environments of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentList {
    /// Their names.
    pub environments: Vec<EnvironmentName>,
}

/// A secret value on its way in. The type writes the value only through [`SecretValue::to_body`].
#[derive(Debug, Deserialize)]
pub struct SecretValue {
    /// The value.
    pub value: Redacted,
}

impl SecretValue {
    /// The request body; the one place where the value is written out.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        serde_json::json!({ "value": self.value.expose() }).to_string().into_bytes()
    }
}

/// Where the services of an environment can be reached on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The public address of the edge, if the environment has one.
    pub public: Option<SocketAddr>,
    /// The public address with TLS, if the environment has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_tls: Option<SocketAddr>,
    /// Each service's loopback address behind the edge.
    pub services: BTreeMap<ServiceName, SocketAddr>,
}

impl Endpoints {
    /// What a browser is given, with TLS first: an environment may have one of them, both or none.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let tls = self.public_tls.map(|address| url("https", address, 443));
        let plain = self.public.map(|address| url("http", address, 80));
        tls.into_iter().chain(plain).collect()
    }
}

fn url(scheme: &str, address: SocketAddr, usual: u16) -> String {
    // An address on which a program listens for all is none to go to.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let host = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if address.port() == usual {
        format!("{scheme}://{host}/")
    } else {
        format!("{scheme}://{host}:{}/", address.port())
    }
}

/// One line of a service's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The service.
    pub service: ServiceName,
    /// The instance, or the one-shot command with its generation (`migrate-7`, `seed-7`).
    pub instance: String,
    /// The line as the process wrote it, without its end.
    pub line: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_is_given() {
        let check = |public: Option<&str>, tls: Option<&str>, expect: &[&str]| {
            let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            let (public, public_tls) = (address(public), address(tls));
            assert_eq!(Endpoints { public, public_tls, services: BTreeMap::new() }.urls(), expect);
        };
        check(None, None, &[]);
        check(Some("127.0.0.1:8080"), None, &["http://127.0.0.1:8080/"]);
        check(None, Some("127.0.0.1:8443"), &["https://127.0.0.1:8443/"]);
        check(Some("0.0.0.0:80"), Some("[::]:443"), &["https://[::1]/", "http://127.0.0.1/"]);
    }

    /// An agent before this one does not say where TLS is.
    #[test]
    fn endpoints_of_an_older_agent() {
        let found: Endpoints = serde_json::from_str(r#"{"public":null,"services":{}}"#).unwrap();
        assert_eq!(found.public_tls, None);
    }
}
