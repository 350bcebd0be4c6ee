//! What a plan is made of.

use fairway_model::{Digest, EnvironmentName, Observed, PlanBase, Release, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a plan depends on.
#[derive(Debug, Clone)]
pub struct PlanInput<'a> {
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// What the log says: the plan is valid as long as this does not move.
    pub base: PlanBase,
    /// The release that the log says serves: the content of `base.serving`.
    pub serving: Option<&'a Release>,
    /// The release that should run.
    pub desired: &'a Release,
    /// What the target sees.
    pub observed: &'a Observed,
    /// What was found out beforehand, and what is allowed.
    pub context: Context,
}

/// What was found out beforehand, and what is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// For each service whose contract changes, the differences. A changed contract without an entry here counts as
    /// not compared; an entry without findings says that there is no difference a client could see.
    pub contracts: BTreeMap<ServiceName, Vec<ContractFinding>>,
    /// Migrations that are known to have run, beside those of the recorded release: the digests of the migrations of
    /// releases that were applied earlier.
    pub migrated: BTreeMap<ServiceName, BTreeSet<Digest>>,
    /// Breaking contract changes were allowed by whoever asked for the plan.
    pub allow_breaking: bool,
    /// Destructive migrations were allowed by whoever asked for the plan.
    pub allow_destructive: bool,
    /// The desired release has been there before.
    pub is_revert: bool,
}

/// One difference between two versions of a contract, as far as a plan needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractFinding {
    /// What it means to a client.
    pub level: FindingLevel,
    /// The rule that it falls under: `operation-removed`.
    pub rule: String,
    /// Where: `GET /orders/{id}`.
    pub place: String,
    /// What, in words.
    pub message: String,
}

/// What a difference means to a client that was written against the older version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// It keeps working.
    Compatible,
    /// Nobody could tell.
    Unknown,
    /// It may break.
    Breaking,
}
