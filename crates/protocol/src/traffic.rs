//! What the edge serves for one environment and what went through, as the agent passes it on: `GET
//! /v1/environments/{env}/traffic` of the agent's API.
//!
//! It is the edge's own view (its table, its counters), with words of this API where the edge's table has what should
//! not travel: hashes of passwords stay on the host.

use crate::edge::{CertificateStatus, EdgeInfo, EnvironmentStats};
use fairway_model::traffic::Guard;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// What the edge serves for one environment and what went through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// The environment.
    pub environment: String,
    /// The edge that was asked. When its process is another one than last time, all counters began anew.
    pub edge: EdgeInfo,
    /// Generation of the table that serves.
    pub generation: u64,
    /// Its revision.
    pub revision: u64,
    /// Where the edge listens, by name.
    pub listeners: BTreeMap<String, Door>,
    /// Which requests reach which service.
    pub routes: Vec<RouteView>,
    /// Services that have a contract and no program: the edge answers for them.
    pub stubs: BTreeSet<String>,
    /// Certificates of this environment; none when the edge is too old to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<CertificateStatus>>,
    /// Entries of the table that could not be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Open client connections of the whole edge, over all environments.
    pub connections: u64,
    /// What went through.
    pub stats: EnvironmentStats,
}

/// A listener of the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Its address; with the port that the edge chose when that was left to it.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// Whether the edge really listens there. After a restart another program may have the address.
    pub bound: bool,
}

/// A route of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Name of the listener.
    pub listener: String,
    /// For which host: an exact name, `*.suffix`, or absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// For which paths: `/prefix`, or `=/exactly/this`.
    pub path: String,
    /// Name of the service.
    pub service: String,
    /// What requests must pass first. The hashes of passwords are left out: users have an empty one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guard: Guard,
}

fn is_default(guard: &Guard) -> bool {
    *guard == Guard::default()
}

impl RouteView {
    /// A route without what must stay on the host.
    #[must_use]
    pub fn new(listener: String, host: Option<String>, path: String, service: String, guard: Guard) -> Self {
        let mut guard = guard;
        if let Some(auth) = &mut guard.basic_auth {
            auth.users.values_mut().for_each(String::clear);
        }
        Self { listener, host, path, service, guard }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairway_model::traffic::BasicAuth;

    #[test]
    fn no_hash_of_a_password_travels() {
        let users = [("ada".to_owned(), "5e88".repeat(16))].into();
        let guard = Guard {
            basic_auth: Some(BasicAuth { realm: "closed".into(), users }),
            security_headers: true,
            ..Guard::default()
        };
        let view = RouteView::new("public".into(), None, "/".into(), "web".into(), guard);
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(
            json,
            r#"{"listener":"public","path":"/","service":"web","guard":{"basic_auth":{"realm":"closed","users":{"ada":""}},"security_headers":true}}"#
        );
        assert_eq!(serde_json::from_str::<RouteView>(&json).unwrap(), view);
    }
}
