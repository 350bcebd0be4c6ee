//! Probes, as people write them: `none`, a path, or a path with its times.

use crate::Duration;
use fairway_model::{Millis, ProbeSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An HTTP probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Probe {
    /// `none`, or a path to `GET`: any 2xx is a success, redirects are not followed.
    Short(#[schemars(extend("format" = "probe", "pattern" = "^(none|/.*)$"))] String),
    /// A path with its times.
    Full(ProbeSettings),
}

/// An HTTP probe with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeSettings {
    /// The path to `GET`, with a query if need be: any 2xx is a success, redirects are not followed.
    #[schemars(extend("format" = "probe-path", "pattern" = "^/", "examples" = ["/ready"]))]
    pub path: String,
    /// Time between two probes: 1s for `ready` and 5s for `health` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Time after which a probe counts as failed.
    #[serde(default = "timeout")]
    pub timeout: Duration,
    /// Successes in a row that make an instance good.
    #[serde(default = "rise")]
    #[schemars(range(min = 1, max = 1000))]
    pub rise: u32,
    /// Failures in a row that make an instance bad.
    #[serde(default = "fall")]
    #[schemars(range(min = 1, max = 1000))]
    pub fall: u32,
}

// What starts is asked much more often, and a process that ends is seen at once; `health` only finds those that hang.
const READY_INTERVAL: Millis = Millis::from_secs(1);
const LIVE_INTERVAL: Millis = Millis::from_secs(5);

fn timeout() -> Duration {
    Duration(Millis::from_secs(2))
}

fn rise() -> u32 {
    1
}

fn fall() -> u32 {
    3
}

impl Probe {
    /// The readiness probe with its defaults filled in; `None` for `none`.
    #[must_use]
    pub fn ready_spec(&self) -> Option<ProbeSpec> {
        self.spec(READY_INTERVAL)
    }

    /// The liveness probe with its defaults filled in; `None` for `none`.
    #[must_use]
    pub fn live_spec(&self) -> Option<ProbeSpec> {
        self.spec(LIVE_INTERVAL)
    }

    /// The path that is asked; `None` for `none`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Short(text) if text == "none" => None,
            Self::Short(path) | Self::Full(ProbeSettings { path, .. }) => Some(path),
        }
    }

    fn spec(&self, usual_interval: Millis) -> Option<ProbeSpec> {
        let path = self.path()?.to_owned();
        let (interval, timeout, rise, fall) = match self {
            Self::Short(_) => (None, timeout(), rise(), fall()),
            Self::Full(ProbeSettings { path: _, interval, timeout, rise, fall }) => {
                (*interval, *timeout, *rise, *fall)
            }
        };
        let interval = interval.map_or(usual_interval, |interval| interval.0);
        Some(ProbeSpec { path, interval, timeout: timeout.0, rise, fall })
    }
}
