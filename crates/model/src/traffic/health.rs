//! How an edge treats the instances of a service.

use serde::{Deserialize, Serialize};

use super::upstream::{Upstream, UpstreamTls};

/// Everything about one service beyond its instances. The default is safe for any HTTP/1.1 service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Treatment {
    /// What the instances speak.
    #[serde(skip_serializing_if = "is_default")]
    pub upstream: Upstream,
    /// Whom instances must be that speak TLS.
    #[serde(skip_serializing_if = "is_default")]
    pub upstream_tls: UpstreamTls,
    /// The edge asks the instances whether they are well. Absent: only their traffic tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// When traffic tells that an instance is not well.
    #[serde(skip_serializing_if = "is_default")]
    pub outliers: Outliers,
    /// What is tried again.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: Retries,
    /// How much a service takes at once.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Over how many milliseconds an instance that came back, or joined others that serve already, gets its full
    /// share; it begins with a tenth. Default 0: at once.
    #[serde(skip_serializing_if = "is_default")]
    pub slow_start_ms: u64,
    /// Clients stay with their instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Requests wait at the edge instead of reaching an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// When a release goes back because the service does worse with it. The edge counts; whoever bakes decides.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: GateLimits,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Active probes. The edge probes each instance on its own schedule for as long as a table lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Path of a GET; redirects are not followed. 200–299 is well.
    pub path: String,
    /// The `Host` header. Default: `localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Time between two probes of an instance. Default 2 s, spread by a tenth.
    #[serde(default = "interval")]
    pub interval_ms: u64,
    /// How long an answer may take. Default 1 s.
    #[serde(default = "timeout")]
    pub timeout_ms: u64,
    /// So many good answers in a row bring an instance back. Default 2.
    #[serde(default = "rise")]
    pub rise: u32,
    /// So many bad answers in a row take an instance out. Default 3.
    #[serde(default = "fall")]
    pub fall: u32,
}

fn interval() -> u64 {
    2_000
}

fn timeout() -> u64 {
    1_000
}

fn rise() -> u32 {
    2
}

fn fall() -> u32 {
    3
}

/// Passive observation: what traffic tells about instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outliers {
    /// So many failures in a row (refused, broken or late, not answers of the service) take an instance out. Default 5;
    /// 0 never.
    pub consecutive_failures: u32,
    /// So many answers 500, 502, 503 or 504 in a row do. Default 0: never, a service may mean it.
    pub consecutive_5xx: u32,
    /// For how long the first time; it doubles with each time up to 16 times this, and one doubling is forgiven for
    /// each 10 times this that it behaved. Then one request at a time tries it. Default 5 s.
    pub eject_ms: u64,
    /// At most this part of the instances that have a weight is out at once, in percent, by traffic and probes
    /// together. When more would be, or all, everybody is asked as if nothing was known (panic: a bad instance is
    /// better than none). 0: nobody is ever out. Default 50.
    pub most_ejected_percent: u8,
}

impl Default for Outliers {
    fn default() -> Self {
        Self { consecutive_failures: 5, consecutive_5xx: 0, eject_ms: 5_000, most_ejected_percent: 50 }
    }
}

/// What is tried again, always within safety: never when a byte may have been acted upon twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// For how long a request waits and dials again while no instance accepts connections. Default 2 s: a restart of
    /// a single instance is not an error for its clients.
    pub patience_ms: u64,
    /// Retries may be at most this part of all requests, in percent, over ten seconds (and never fewer than ten).
    /// Dialling again while nobody accepts the request is none. 0: nothing is tried again. Default 20.
    pub budget_percent: u8,
}

impl Default for Retries {
    fn default() -> Self {
        Self { patience_ms: 2_000, budget_percent: 20 }
    }
}

/// Limits of one service at one edge. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Exchanges at once on each instance, upgraded connections not counted. Default 0.
    pub exchanges: u32,
    /// How many requests wait when all instances are at their limit; more are answered 503. Default 1000.
    pub queue: u32,
    /// How long one of them waits before it is answered 503. Default 5 s.
    pub queue_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { exchanges: 0, queue: 1_000, queue_ms: 5_000 }
    }
}

/// A cookie that the edge sets and reads itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// Its name. Default `fairway`.
    #[serde(default = "cookie")]
    pub cookie: String,
    /// For how long, in seconds. Default 0: as long as the browser runs.
    #[serde(default)]
    pub max_age_s: u64,
}

fn cookie() -> String {
    "fairway".to_owned()
}

/// Requests wait, for a moment in which no instance may be asked (a migration that locks, a move of data).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// How many may wait; more are answered 503. Default 1000.
    pub queue: u32,
    /// How long one waits before it is answered 504. Default 30 s.
    pub most_ms: u64,
}

impl Default for Hold {
    fn default() -> Self {
        Self { queue: 1_000, most_ms: 30_000 }
    }
}

/// When a new release does worse than the old one. Errors are exchanges that failed and
/// answers 500–599. What is beyond a limit by no more than chance explains is watched for longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateLimits {
    /// So many requests to each of the two make a comparison; 0 makes none. Default 100.
    pub requests: u64,
    /// So many more of 1000 requests may be errors than with the old release, and so many more clients may go away
    /// before an answer. Default 10: one percent point.
    pub more_errors_permille: u32,
    /// 99 of 100 answers take at most this part of the time that they take with the old release, in percent.
    /// Default 200: twice as long. Times are known as well as the edge's histogram knows them.
    pub p99_percent: u32,
    /// Answers within this time are never too slow, in milliseconds. Default 10 000: instances that have just started are
    /// slower for a while, and a release under load must not go back for that; say less where times matter.
    pub p99_floor_ms: u32,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self { requests: 100, more_errors_permille: 10, p99_percent: 200, p99_floor_ms: 10_000 }
    }
}
