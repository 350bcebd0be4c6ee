//! What a release says about the edge: how requests to a service and to its environment are treated. None of it is
//! about instances, so a release that changes nothing else starts none.

use crate::{
    Millis, SecretVersion,
    traffic::{Certificate, ListenerTls, Options, Treatment},
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How the edge treats requests to one service. The default is the edge's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrafficSpec {
    /// How long it waits for what.
    #[serde(skip_serializing_if = "is_default")]
    pub timeouts: TimeoutSpec,
    /// Health, retries, limits. A release never holds requests back: `hold` is for people at work.
    #[serde(skip_serializing_if = "is_default")]
    pub treatment: Treatment,
}

/// How long the edge waits. `None` is the edge's default, zero is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutSpec {
    /// For a connection to an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Millis>,
    /// From the end of a request to the head of its response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Millis>,
    /// Between two pieces of a body, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Millis>,
    /// Without a byte either way on an upgraded connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_idle: Option<Millis>,
}

/// How the edge treats everything that comes to an environment. The default is the edge's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeSpec {
    /// A public listener that speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// What holds for all requests.
    #[serde(skip_serializing_if = "is_default")]
    pub options: Options,
}

impl EdgeSpec {
    /// The secrets that the edge needs.
    pub fn secrets(&self) -> impl Iterator<Item = SecretVersion> {
        self.tls.iter().flat_map(|tls| tls.certificates.iter().flat_map(Certificate::secrets))
    }
}

/// A public listener that speaks TLS, beside the plain one or instead of it. It has the same routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSpec {
    /// Address and port; port 0 is any free one.
    pub address: SocketAddr,
    /// How it speaks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub settings: ListenerTls,
    /// What it shows. At least one.
    pub certificates: Vec<Certificate>,
}
