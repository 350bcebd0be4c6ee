//! The traffic of a service, as people write it.

use super::{Switch, seconds};
use crate::Duration;
use fairway_model::{
    Millis, TimeoutSpec, TrafficSpec,
    traffic::{self, GateLimits, Treatment, Upstream, UpstreamTls},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the edge treats requests to a service, public ones and those of other services. A release that changes nothing
/// else starts no instance, except between TLS and plain text: `ready` and `health` are asked otherwise then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// What the instances speak: `http1`, or `h2c` for HTTP/2 without TLS, as gRPC servers do; in TLS, `https` is
    /// HTTP/1.1 and `h2` HTTP/2. `ready` and `health` are asked in TLS, too, if it is spoken, and otherwise over HTTP/1.1.
    #[schemars(extend("examples" = ["h2c"]))]
    pub protocol: Protocol,

    /// Whom the instances must be by their certificates, which are always checked. Only for `protocol: https` and `h2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"server_name": "web.internal", "roots": "/etc/ssl/internal.pem"}]))]
    pub tls: Option<InstanceTls>,

    /// How long the edge waits for what. `0s` takes a limit away.
    pub timeouts: Timeouts,

    /// The edge asks the instances itself whether they are well. Not needed on a host, whose agent asks `ready` all
    /// the time and tells the edge; it helps where instances must be taken out while the agent is away. `true` asks
    /// the path of `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub probe: Option<Switch<EdgeProbe>>,

    /// When requests show that an instance is not well, it gets none for a while.
    pub outliers: Outliers,

    /// What is tried again: only what no instance can have acted upon, and what is safe to repeat.
    pub retries: Retries,

    /// How much the service takes at once.
    pub limits: TrafficLimits,

    /// Over how long an instance that comes back gets its full share; at once when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10s"]))]
    pub slow_start: Option<Duration>,

    /// Clients stay with their instance, by a cookie that the edge sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub sticky: Option<Switch<Sticky>>,

    /// During a bake the new instances are compared with the old ones: when they certainly fail more often or answer
    /// much slower, the release goes back. `false` compares nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [false]))]
    pub gate: Option<Switch<Gate>>,
}

/// What instances speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS.
    H2c,
    /// HTTP/1.1 in TLS.
    Https,
    /// HTTP/2 in TLS.
    H2,
}

impl Protocol {
    fn spec(self) -> Upstream {
        match self {
            Self::Http1 => Upstream::Http1,
            Self::H2c => Upstream::H2c,
            Self::Https => Upstream::Https,
            Self::H2 => Upstream::H2,
        }
    }

    /// Whether it is spoken in TLS.
    pub(crate) fn is_tls(self) -> bool {
        self.spec().is_tls()
    }
}

/// Whom instances must be that speak TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceTls {
    /// The host name or address that their certificates must be for; `localhost` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "server-name", "examples" = ["web.internal"]))]
    pub server_name: Option<String>,
    /// A PEM file on the host with the roots that their certificates are checked against, read again when it
    /// changes; those of the system when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "absolute-path", "pattern" = "^/", "examples" = ["/etc/ssl/internal.pem"]))]
    pub roots: Option<String>,
}

impl InstanceTls {
    fn spec(&self) -> UpstreamTls {
        let Self { server_name, roots } = self;
        let usual = UpstreamTls::default();
        UpstreamTls {
            server_name: server_name.clone().unwrap_or(usual.server_name),
            roots: roots.as_ref().map(Into::into),
        }
    }
}

/// How long the edge waits. `0s` takes a limit away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection to an instance: `2s` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Duration>,
    /// From the end of a request to the head of its response: `60s` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Duration>,
    /// Between two pieces of a body, either way: `5m` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// Without a byte either way on a WebSocket: `1h` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_idle: Option<Duration>,
}

/// A probe of the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeProbe {
    /// The path to `GET`; that of `ready` when left out. Any 2xx is a success, redirects are not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "probe-path", "pattern" = "^/", "examples" = ["/ready"]))]
    pub path: Option<String>,
    /// The `Host` header; `localhost` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "host-name", "examples" = ["shop.example.com"]))]
    pub host: Option<String>,
    /// Time between two probes of an instance.
    pub interval: Duration,
    /// Time after which a probe counts as failed.
    pub timeout: Duration,
    /// Successes in a row that bring an instance back.
    #[schemars(range(min = 1, max = 1000))]
    pub rise: u32,
    /// Failures in a row that take an instance out.
    #[schemars(range(min = 1, max = 1000))]
    pub fall: u32,
}

impl Default for EdgeProbe {
    fn default() -> Self {
        Self {
            path: None,
            host: None,
            interval: Duration(Millis::from_secs(2)),
            timeout: Duration(Millis::from_secs(1)),
            rise: 2,
            fall: 3,
        }
    }
}

/// When requests show that an instance is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Outliers {
    /// Connections in a row that were refused, broken or late; 0 for never.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub failures: u32,
    /// Answers 500, 502, 503 or 504 in a row; 0 for never, because a service may mean them.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub server_errors: u32,
    /// For how long the first time. It doubles with each time, up to 16 times this.
    pub eject: Duration,
    /// At most so many of a hundred instances are out at once: a bad instance is better than none.
    #[schemars(range(min = 0, max = 100))]
    pub most_percent: u8,
}

impl Default for Outliers {
    fn default() -> Self {
        let traffic::Outliers { consecutive_failures, consecutive_5xx, eject_ms, most_ejected_percent } =
            traffic::Outliers::default();
        Self {
            failures: consecutive_failures,
            server_errors: consecutive_5xx,
            eject: Duration(Millis(eject_ms)),
            most_percent: most_ejected_percent,
        }
    }
}

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Retries {
    /// For how long a request waits while no instance accepts connections: a restart is not an error for clients.
    pub patience: Duration,
    /// At most so many retries for a hundred requests.
    #[schemars(range(min = 0, max = 100))]
    pub budget_percent: u8,
}

impl Default for Retries {
    fn default() -> Self {
        let traffic::Retries { patience_ms, budget_percent } = traffic::Retries::default();
        Self { patience: Duration(Millis(patience_ms)), budget_percent }
    }
}

/// How much a service takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct TrafficLimits {
    /// Requests at once on each instance, WebSockets not counted; 0 for any number.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub exchanges: u32,
    /// How many requests wait when all instances have as many as they take; more are answered 503.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queue: u32,
    /// How long one of them waits before it is answered 503.
    pub queue_time: Duration,
}

impl Default for TrafficLimits {
    fn default() -> Self {
        let traffic::Limits { exchanges, queue, queue_ms } = traffic::Limits::default();
        Self { exchanges, queue, queue_time: Duration(Millis(queue_ms)) }
    }
}

/// When new instances do worse than the old ones. What chance explains is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Nothing is compared before each of the two had so many requests.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: u32,
    /// So many more of a thousand requests may fail (5xx, broken, timed out), or be given up by clients, than before.
    #[schemars(range(min = 0, max = 1000))]
    pub more_errors_permille: u32,
    /// The time that 99 of 100 answers stay within may be so many percent of what it was.
    #[schemars(range(min = 100, max = 10_000))]
    pub p99_percent: u32,
    /// Answers within this time are never too slow.
    pub p99_floor: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        let GateLimits { requests, more_errors_permille, p99_percent, p99_floor_ms } = GateLimits::default();
        Self {
            requests: u32::try_from(requests).unwrap_or(u32::MAX),
            more_errors_permille,
            p99_percent,
            p99_floor: Duration(Millis(p99_floor_ms.into())),
        }
    }
}

impl Gate {
    fn spec(self) -> GateLimits {
        let Self { requests, more_errors_permille, p99_percent, p99_floor } = self;
        let p99_floor_ms = u32::try_from(p99_floor.0.0).unwrap_or(u32::MAX);
        GateLimits { requests: requests.into(), more_errors_permille, p99_percent, p99_floor_ms }
    }
}

/// A cookie that keeps clients with their instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sticky {
    /// Its name.
    #[schemars(length(min = 1), extend("format" = "token"))]
    pub cookie: String,
    /// For how long; as long as the browser runs when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1h"]))]
    pub max_age: Option<Duration>,
}

impl Default for Sticky {
    fn default() -> Self {
        Self { cookie: "fairway".to_owned(), max_age: None }
    }
}

impl Traffic {
    /// Whom the instances must be, if they speak TLS.
    pub(crate) fn upstream_tls(&self) -> Option<UpstreamTls> {
        self.protocol.is_tls().then(|| self.tls.as_ref().map(InstanceTls::spec).unwrap_or_default())
    }

    /// The traffic of a service whose `ready` asks this path.
    pub(crate) fn spec(&self, ready: Option<&str>) -> TrafficSpec {
        let Self { protocol, tls, timeouts, probe, outliers, retries, limits, slow_start, sticky, gate } =
            self;
        let Timeouts { connect, header, idle, upgrade_idle } = *timeouts;
        let Outliers { failures, server_errors, eject, most_percent } = *outliers;
        let Retries { patience, budget_percent } = *retries;
        let TrafficLimits { exchanges, queue, queue_time } = *limits;
        let millis = |duration: Option<Duration>| duration.map(|duration| duration.0);
        TrafficSpec {
            timeouts: TimeoutSpec {
                connect: millis(connect),
                header: millis(header),
                idle: millis(idle),
                upgrade_idle: millis(upgrade_idle),
            },
            treatment: Treatment {
                upstream: protocol.spec(),
                upstream_tls: tls.as_ref().map(InstanceTls::spec).unwrap_or_default(),
                probe: probe.as_ref().and_then(Switch::settings).and_then(|probe| probe.spec(ready)),
                outliers: traffic::Outliers {
                    consecutive_failures: failures,
                    consecutive_5xx: server_errors,
                    eject_ms: eject.0.0,
                    most_ejected_percent: most_percent,
                },
                retries: traffic::Retries { patience_ms: patience.0.0, budget_percent },
                limits: traffic::Limits { exchanges, queue, queue_ms: queue_time.0.0 },
                slow_start_ms: slow_start.map_or(0, |duration| duration.0.0),
                sticky: sticky.as_ref().and_then(Switch::settings).map(|sticky| traffic::Sticky {
                    cookie: sticky.cookie,
                    max_age_s: sticky.max_age.map_or(0, seconds),
                }),
                // Holding requests back is for people at work, not for a release.
                hold: None,
                gate: match gate {
                    None => GateLimits::default(),
                    Some(gate) => gate
                        .settings()
                        .map_or(GateLimits { requests: 0, ..GateLimits::default() }, |gate| gate.spec()),
                },
            },
        }
    }
}

impl EdgeProbe {
    /// `None` when there is no path to ask, which the checks refuse.
    fn spec(self, ready: Option<&str>) -> Option<traffic::Probe> {
        let Self { path, host, interval, timeout, rise, fall } = self;
        let path = path.or_else(|| ready.map(str::to_owned))?;
        Some(traffic::Probe { path, host, interval_ms: interval.0.0, timeout_ms: timeout.0.0, rise, fall })
    }
}
