//! What holds for all requests of an environment.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// What holds for all requests of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Clients whose `Forwarded`, `X-Forwarded-*`, `X-Request-Id` and `traceparent` are believed. Default: loopback.
    pub trusted: Vec<Network>,
    /// A line for each exchange. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
    /// A span for each exchange, sent to a collector. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Over how many milliseconds the goodbyes to WebSockets and HTTP/2 connections are spread, so that their clients
    /// do not all come back at once. Default 2 s.
    pub goodbye_spread_ms: u64,
    /// The port at which clients from outside reach HTTPS. Absent: that of the listener with TLS, 443 without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_port: Option<NonZeroU16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trusted: Network::LOOPBACK.into(),
            access_log: None,
            otlp: None,
            goodbye_spread_ms: 2_000,
            https_port: None,
        }
    }
}

/// The access log: JSON lines in `edge/access.log` of the edge's home, with rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// One line for so many exchanges; answers 500 and above and whatever failed always have theirs. Default 1.
    pub one_in: u32,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { one_in: 1 }
    }
}

/// Where spans go: OTLP over HTTP with JSON bodies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector, such as `http://127.0.0.1:4318`; spans are posted to `/v1/traces` below it.
    pub endpoint: String,
    /// Of traces that begin at the edge, one in so many; whoever is trusted and has decided is followed. Default 1.
    #[serde(default = "one")]
    pub one_in: u32,
}

fn one() -> u32 {
    1
}
