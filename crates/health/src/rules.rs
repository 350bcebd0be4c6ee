//! What instances are held to.

use fairway_model::traffic::{Outliers, Probe, Treatment};

/// The part of a service's treatment that decides about its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// When traffic takes an instance out.
    pub outliers: Outliers,
    /// When probes do. Absent: the service has none, and what earlier ones said does not count.
    pub probe: Option<ProbeRules>,
    /// Over how many milliseconds an instance that came back or joined gets its full share; 0 at once.
    pub slow_start_ms: u64,
}

/// How many probes in a row it takes. 0 is read as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRules {
    /// Good ones to come back.
    pub rise: u32,
    /// Bad ones to be taken out.
    pub fall: u32,
}

impl From<&Probe> for ProbeRules {
    fn from(probe: &Probe) -> Self {
        Self { rise: probe.rise, fall: probe.fall }
    }
}

impl From<&Treatment> for Rules {
    fn from(treatment: &Treatment) -> Self {
        let Treatment {
            upstream: _,
            upstream_tls: _,
            probe,
            outliers,
            retries: _,
            limits: _,
            slow_start_ms,
            sticky: _,
            hold: _,
            gate: _,
        } = treatment;
        Self {
            outliers: *outliers,
            probe: probe.as_ref().map(ProbeRules::from),
            slow_start_ms: *slow_start_ms,
        }
    }
}
