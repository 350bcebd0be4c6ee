//! The edge's control API: HTTP/1.1 with JSON bodies over the Unix socket `<home>/edge.sock`.
//!
//! | method and path | request | answer |
//! |---|---|---|
//! | `PUT /v1/environments/{env}/table` | a route table (`fairway_route::Table`) | 200 [`Applied`] once every listener is bound and the table serves; 409 stale or address in use, 422 bad entries: [`Problem`] |
//! | `GET /v1/environments/{env}/table` | – | the table that is served, as it was sent |
//! | `DELETE /v1/environments/{env}?generation=N` | – | 204 once its listeners are closed, also when it was not there; 409 when the edge has a newer generation |
//! | `GET /v1/tables` | – | [`TableList`] |
//! | `GET /v1/certificates` | – | [`CertificateList`] |
//! | `GET /v1/stats?environment=E` | – | [`Stats`], of all environments without the parameter |
//! | `POST /v1/environments/{env}/instances/{id}/close` | [`CloseRequest`] | 202 [`CloseAnswer`]; returns at once, watch the stats |
//! | `GET /v1/version` | – | [`EdgeInfo`] |
//! | `GET /metrics` | – | Prometheus text |
//! | `POST /v1/shutdown` | [`ShutdownRequest`] or nothing | 202; listeners close, exchanges finish, the process ends |
//!
//! `{env}` and `{id}` are percent-encoded into one path segment. Every error has a [`Problem`] as its body.
//!
//! # Draining
//!
//! After the answer to `PUT`, instances that the table no longer lists (or lists with weight 0) get no new request;
//! their `in_flight` in the stats only falls. At 0 the instance can be stopped without anyone noticing. What will not
//! end by itself (WebSockets, event streams) is ended by `close`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Version of this API.
pub const API_VERSION: u32 = 1;

/// A table is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The environment.
    pub environment: String,
    /// Generation of the table that serves now.
    pub generation: u64,
    /// Its revision.
    pub revision: u64,
    /// Whether the request changed anything; false when this very table served already.
    pub changed: bool,
    /// The bound address of every listener, also of those whose port the edge chose.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// What moved, one line each, for logs.
    pub changes: Vec<String>,
}

/// What the edge serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableList {
    /// One for each environment, by name.
    pub tables: BTreeMap<String, TableSummary>,
}

/// The head of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Its generation.
    pub generation: u64,
    /// Its revision.
    pub revision: u64,
    /// The bound address of every listener. One that could not be bound after a restart is missing here and named in
    /// `problems`.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Number of services.
    pub services: usize,
    /// Number of routes in force.
    pub routes: usize,
    /// Entries of a stored table that could not be used.
    pub problems: Vec<String>,
}

/// What went through the edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// By environment.
    pub environments: BTreeMap<String, EnvironmentStats>,
    /// Open client connections on all listeners.
    pub connections: u64,
    /// What the edge answered itself where several environments share a listener and none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnAnswers>,
}

/// Answers that the edge gave itself, without an instance, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAnswers {
    /// The reason, as in the answers: `no_route`, `rate_limited`, `queue_full`, …
    pub code: String,
    /// Their status.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// What went through one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentStats {
    /// Generation of the table that serves; 0 when it was removed and instances are still in flight.
    pub generation: u64,
    /// Its revision.
    pub revision: u64,
    /// By service, stubs included.
    pub services: BTreeMap<String, ServiceStats>,
    /// Requests on this environment's listeners that no route matched (answered 404). A listener that several
    /// environments share counts them for none.
    pub unrouted: u64,
    /// What the edge answered itself where no route was found, `unrouted` among it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnAnswers>,
}

/// What went to one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// Requests that found no instance (answered 503).
    pub no_instance: u64,
    /// Requests that the stub answered.
    pub stubbed: u64,
    /// Requests that wait at the edge now: held, or for an instance with room for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// What the edge answered itself in place of its instances: refusals of guards, full queues, `no_instance` and stubs
    /// among it. Failures of an instance are counted there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnAnswers>,
    /// Instances by id: those of the table, those that still have exchanges, and those that left a short while ago.
    pub instances: BTreeMap<String, InstanceStats>,
}

/// What went to one instance since the edge has known it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStats {
    /// Where it is.
    pub address: SocketAddr,
    /// Generation of the release that started it.
    pub release: u64,
    /// Its weight in the table that serves; 0 when it left.
    pub weight: u32,
    /// Whether it gets no new requests: it left the table or has weight 0.
    pub draining: bool,
    /// Whether it gets its share of the requests.
    #[serde(default, skip_serializing_if = "Standing::is_fit")]
    pub standing: Standing,
    /// How often traffic took it out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ejections: u64,
    /// Exchanges that have begun and not ended, upgraded connections included.
    pub in_flight: u64,
    /// Upgraded connections (WebSockets) among them.
    pub upgrades: u64,
    /// Exchanges that were answered, failed or given up by their clients, each counted at that moment; it only grows.
    /// One that moved on because its dial failed counts where it moved to.
    pub total: u64,
    /// Answers of the instance by first digit of the status.
    pub responses: StatusClasses,
    /// Exchanges that failed at the edge or broke off.
    pub failed: Failures,
    /// Dials that failed and went to another instance, unnoticed by the client.
    pub redialled: u64,
    /// Clients that went away before the end.
    pub clients_gone: u64,
    /// Time from the request to the head of the answer.
    pub latency: Latency,
}

/// Whether an instance gets its share of the requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    #[default]
    Fit,
    /// It came back or joined a short while ago, and gets a part.
    Starting {
        /// This part, in thousandths.
        share: u32,
    },
    /// Traffic took it out.
    Ejected {
        /// For so many more milliseconds.
        for_ms: u64,
    },
    /// One request tries whether it is well again.
    OnTrial,
    /// Probes took it out.
    Down,
}

impl Standing {
    /// Whether it gets its whole share.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        *self == Self::Fit
    }

    /// Whether it gets nothing, or one request to try it.
    #[must_use]
    pub fn is_out(&self) -> bool {
        matches!(self, Self::Ejected { .. } | Self::OnTrial | Self::Down)
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Answers by first digit of the status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusClasses {
    /// 100–199: upgrades.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// 200–299.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// 300–399.
    #[serde(rename = "3xx")]
    pub redirection: u64,
    /// 400–499.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// 500–599, made by the instance.
    #[serde(rename = "5xx")]
    pub server_error: u64,
}

/// Exchanges that failed at the edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Nothing accepted the connection (answered 502).
    pub refused: u64,
    /// TLS could not be spoken on the connection (answered 502).
    #[serde(default)]
    pub tls: u64,
    /// No connection within the limit (answered 504).
    pub connect_timeout: u64,
    /// No answer within the limit (answered 504).
    pub header_timeout: u64,
    /// The connection ended before the answer (answered 502).
    pub broken: u64,
    /// The answer ended before its end: broken off by the instance, or silent for too long.
    pub broken_streams: u64,
    /// Cut by the edge because the deadline of a close had passed.
    pub cut: u64,
}

impl Failures {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { refused, tls, connect_timeout, header_timeout, broken, broken_streams, cut } = *self;
        refused + tls + connect_timeout + header_timeout + broken + broken_streams + cut
    }
}

/// A distribution of durations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Their sum in milliseconds.
    pub sum_ms: f64,
    /// Estimates from the buckets, in milliseconds; 0 when there are none.
    pub p50_ms: f64,
    /// The same for 90 of 100.
    pub p90_ms: f64,
    /// The same for 99 of 100.
    pub p99_ms: f64,
    /// How many took at most so long: `(milliseconds, count)`, cumulative. What is missing to `count` took longer.
    pub buckets: Vec<(f64, u64)>,
}

/// End what does not end by itself on a draining instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloseRequest {
    /// WebSockets get a close frame (1012, service restart) and event streams their end at once. What is still there
    /// after this many milliseconds is cut.
    pub grace_ms: u64,
}

impl Default for CloseRequest {
    fn default() -> Self {
        Self { grace_ms: 5_000 }
    }
}

/// What a close found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseAnswer {
    /// Exchanges on the instance when the close began.
    pub in_flight: u64,
    /// Upgraded connections among them.
    pub upgrades: u64,
}

/// The certificates of an edge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateList {
    /// Of all environments.
    pub certificates: Vec<CertificateStatus>,
}

/// How it stands with one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Who wants it.
    pub environment: String,
    /// For which names; those of the certificate when its environment names none.
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: CertificateOrigin,
    /// Who signed what is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When that expires, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
    /// Whether clients get it for at least one of its names.
    pub serving: bool,
    /// Whether that is a self-signed one that is only there until the first is issued.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stand_in: bool,
    /// What is wrong, what goes on in spite of it and what happens next, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When the next one is asked for, in seconds since 1970. None for files, which are looked at all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<u64>,
    /// Whether what edges share of it can be reached. None when it is shared with nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_reached: Option<bool>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateOrigin {
    /// Files that somebody else keeps.
    Files,
    /// The edge's own authority.
    Local,
    /// An ACME server.
    Acme,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeInfo {
    /// [`API_VERSION`] of the edge.
    pub api: u32,
    /// Version of the binary.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}

/// End the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownRequest {
    /// How long exchanges may take to finish, in milliseconds.
    pub grace_ms: u64,
}

impl Default for ShutdownRequest {
    fn default() -> Self {
        Self { grace_ms: 10_000 }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind, for programs.
    pub code: ProblemCode,
    /// What happened, in one sentence.
    pub message: String,
    /// What was not changed, in one sentence.
    pub unchanged: Box<str>,
    /// What to do next, in one sentence.
    pub next: Box<str>,
    /// The entries of the table that are wrong, one line each: `routes[2]: service …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
    /// The generation and revision that the edge has, when the request was stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<(u64, u64)>,
}

/// What kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request is older than what the edge has (409).
    Stale,
    /// The edge has another table of the same generation and revision (409).
    Contradicts,
    /// A listener could not be bound (409).
    Listener,
    /// The instance takes new requests and can't be closed (409).
    Serving,
    /// Entries of the table are wrong (422).
    Table,
    /// The request is not of the documented shape (400).
    Malformed,
    /// No such path, environment or instance (404).
    Unknown,
    /// The body is larger than the edge reads (413).
    TooLarge,
    /// Another edge has taken over from the one that was asked (421); connect again, repeating is safe.
    Moved,
    /// The table could not be stored (507).
    Storage,
    /// A defect of the edge (500).
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What version 1 looks like on the wire. Clients and edges of different versions meet: names may be added, never
    /// changed.
    #[test]
    fn the_wire() {
        fn check<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(
            value: &T,
            json: &str,
        ) {
            assert_eq!(serde_json::to_string(value).unwrap(), json);
            assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
        }
        let address: SocketAddr = ([127, 0, 0, 1], 8080).into();
        let applied = Applied {
            environment: "dev".into(),
            generation: 7,
            revision: 2,
            changed: true,
            listeners: [("public".to_owned(), address)].into(),
            changes: vec!["+ service web".into()],
        };
        check(
            &applied,
            r#"{"environment":"dev","generation":7,"revision":2,"changed":true,"listeners":{"public":"127.0.0.1:8080"},"changes":["+ service web"]}"#,
        );
        let problem = Problem {
            code: ProblemCode::Stale,
            message: "m".into(),
            unchanged: "u".into(),
            next: "n".into(),
            entries: Vec::new(),
            current: Some((7, 2)),
        };
        check(&problem, r#"{"code":"stale","message":"m","unchanged":"u","next":"n","current":[7,2]}"#);
        let instance = InstanceStats {
            address,
            release: 7,
            weight: 1,
            draining: false,
            standing: Standing::Fit,
            ejections: 0,
            in_flight: 1,
            upgrades: 0,
            total: 2,
            responses: StatusClasses { success: 2, ..StatusClasses::default() },
            failed: Failures::default(),
            redialled: 0,
            clients_gone: 0,
            latency: Latency { count: 2, sum_ms: 1.5, buckets: vec![(0.5, 1)], ..Latency::default() },
        };
        check(
            &instance,
            r#"{"address":"127.0.0.1:8080","release":7,"weight":1,"draining":false,"in_flight":1,"upgrades":0,"total":2,"responses":{"1xx":0,"2xx":2,"3xx":0,"4xx":0,"5xx":0},"failed":{"refused":0,"tls":0,"connect_timeout":0,"header_timeout":0,"broken":0,"broken_streams":0,"cut":0},"redialled":0,"clients_gone":0,"latency":{"count":2,"sum_ms":1.5,"p50_ms":0.0,"p90_ms":0.0,"p99_ms":0.0,"buckets":[[0.5,1]]}}"#,
        );
        let certificate = CertificateStatus {
            environment: "prod".into(),
            names: vec!["example.com".into()],
            source: CertificateOrigin::Acme,
            issuer: Some("E5, Let's Encrypt".into()),
            not_after: Some(1_900_000_000),
            serving: true,
            stand_in: false,
            problem: None,
            next_attempt: Some(1_897_000_000),
            store_reached: None,
        };
        check(
            &certificate,
            r#"{"environment":"prod","names":["example.com"],"source":"acme","issuer":"E5, Let's Encrypt","not_after":1900000000,"serving":true,"next_attempt":1897000000}"#,
        );
        let shared = CertificateStatus { store_reached: Some(false), ..certificate };
        let json = serde_json::to_string(&shared).unwrap();
        assert!(json.ends_with(r#","store_reached":false}"#), "{json}");
        let ejected =
            InstanceStats { standing: Standing::Ejected { for_ms: 1200 }, ejections: 2, ..instance };
        let json = serde_json::to_string(&ejected).unwrap();
        assert!(json.contains(r#""standing":{"ejected":{"for_ms":1200}},"ejections":2"#), "{json}");
        assert_eq!(serde_json::from_str::<InstanceStats>(&json).unwrap(), ejected);
        check(&CloseRequest::default(), r#"{"grace_ms":5000}"#);
        check(&ShutdownRequest::default(), r#"{"grace_ms":10000}"#);
    }

    #[test]
    fn failures_add_up() {
        let failures = Failures {
            refused: 1,
            connect_timeout: 2,
            header_timeout: 4,
            broken: 8,
            broken_streams: 16,
            cut: 32,
            tls: 64,
        };
        assert_eq!(failures.total(), 127);
    }
}
