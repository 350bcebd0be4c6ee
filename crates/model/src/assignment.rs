//! What a target is given to do, and what it reports while it does it.

use crate::{Event, Failure, Generation, Millis, Plan, Release, ReleaseDigest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A decided release on its way to a target: the plan says which steps, the release says with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The plan that was applied.
    pub plan: Plan,
    /// Its child release.
    pub release: Release,
}

impl Assignment {
    /// The generation that this assignment makes.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.plan.generation
    }
}

/// Where a release stands on a target. The order is the order of a release's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Databases, migrations and instances are being made ready; nothing has moved.
    Preparing,
    /// Every instance is ready; nothing has moved.
    Prepared,
    /// Routes are moving.
    Switching,
    /// Routes have moved, old instances are warm, trouble moves the routes back.
    Baking,
    /// The bake went well; old instances may go.
    Baked,
    /// Old instances are finishing their requests.
    Retiring,
    /// Done: only this release runs.
    Applied,
    /// Given up before the switch; nothing had moved.
    Aborted,
    /// Failed before the switch; nothing had moved.
    Failed,
    /// Trouble during the bake; the routes went back to the release before.
    Reverted,
    /// Trouble during the bake, and the routes could not go back: a person is needed.
    Stuck,
}

impl Phase {
    /// No more work will happen by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Applied | Self::Aborted | Self::Failed | Self::Reverted | Self::Stuck)
    }

    /// The routes point, or pointed at last, at this release.
    #[must_use]
    pub fn is_serving(self) -> bool {
        matches!(self, Self::Baking | Self::Baked | Self::Retiring | Self::Applied)
    }
}

/// A release on a target, as it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseStatus {
    /// Its number.
    pub generation: Generation,
    /// Its content.
    pub release: ReleaseDigest,
    /// Where it stands.
    pub phase: Phase,
    /// Events after the one that the caller knew, oldest first.
    pub events: Vec<Event>,
    /// What went wrong, in a phase that says so.
    pub failure: Option<Failure>,
    /// What was measured so far.
    pub evidence: Evidence,
}

/// What was measured while a release was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Duration of each phase.
    pub phases: BTreeMap<String, Millis>,
    /// The route swap itself, in microseconds.
    pub switch_micros: Option<u64>,
    /// Time that each started service took from its start to ready.
    pub starts: BTreeMap<String, Millis>,
    /// Requests that the edge answered between the begin of the switch and the end of the bake.
    pub requests_served: u64,
    /// Of these, the ones that failed at the edge or with a 5xx from an instance.
    pub requests_failed: u64,
    /// Instances that had to be cut off when they were retired because their drain deadline passed.
    pub cut_off: u64,
    /// Remarks, such as limits that are not enforced on this host.
    pub notes: Vec<String>,
}

/// What the bake of a release showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BakeReport {
    /// Requests that the edge answered.
    pub served: u64,
    /// Of these, failed ones.
    pub failed: u64,
}
