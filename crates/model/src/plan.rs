//! A plan: what would change, in which order, why, and whether it can be taken back.

use crate::{
    Digest, EnvironmentName, Generation, PlanId, ReleaseDigest, ServiceName, SpecDigest, canonical_json,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The ordered steps from a parent release to a child release of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this stored form: 1.
    pub format: u32,
    /// The environment that would change.
    pub environment: EnvironmentName,
    /// What the plan was made against; applying it is refused when that has moved.
    pub base: PlanBase,
    /// The release that would run.
    pub child: ReleaseDigest,
    /// The number that the child release would get.
    pub generation: Generation,
    /// Steps in an order that is safe to execute one after the other.
    pub steps: Vec<Step>,
    /// What changes for each service, and why it is touched. Services that are not named are not touched.
    pub services: BTreeMap<ServiceName, ServiceChange>,
    /// Changes of the environment itself: listener, resources, bake time.
    pub environment_changes: Vec<Change>,
    /// What a person or a gate should know before applying.
    pub verdicts: Vec<Verdict>,
}

impl Plan {
    /// The hash of what the plan would do.
    #[must_use]
    pub fn id(&self) -> PlanId {
        PlanId(Digest::of(&canonical_json(self)))
    }

    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The verdicts that refuse the plan.
    pub fn refusals(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.level == VerdictLevel::Refuse)
    }
}

/// The state of the log that a plan was made against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanBase {
    /// The release that serves, with its generation; `None` in a new environment.
    pub serving: Option<(Generation, ReleaseDigest)>,
    /// The highest generation that was ever given out; the plan's is one more.
    pub generation: Generation,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is done.
    pub kind: StepKind,
    /// The service it concerns; `None` for a step of the whole environment.
    pub service: Option<ServiceName>,
    /// Why, in words.
    pub reason: String,
    /// Whether it can be taken back.
    pub reversibility: Reversibility,
}

/// What a step does. The order of the variants is the order of the phases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Bring an artifact to the target (only when it is missing there).
    Deliver {
        /// Which.
        artifact: crate::ArtifactDigest,
    },
    /// Start the private database server or check the existing one.
    EnsureServer,
    /// Create the service's database and login.
    EnsureDatabase,
    /// Run the migration command.
    Migrate,
    /// Fill a new database.
    Seed,
    /// Start instances beside the old ones and wait until they are ready.
    Start {
        /// Specification of the instances.
        spec: SpecDigest,
        /// How many.
        replicas: u32,
    },
    /// Move all routes to this release at once.
    Switch,
    /// Keep the old instances warm and watch.
    Bake,
    /// Drain and stop instances.
    Retire {
        /// Specification of the instances.
        spec: SpecDigest,
    },
    /// The service is no longer part of the system: its route goes away (its database stays).
    Remove,
}

impl StepKind {
    /// The name of the step, for people.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Deliver { .. } => "deliver",
            Self::EnsureServer => "database server",
            Self::EnsureDatabase => "database",
            Self::Migrate => "migrate",
            Self::Seed => "seed",
            Self::Start { .. } => "start",
            Self::Switch => "switch",
            Self::Bake => "bake",
            Self::Retire { .. } => "retire",
            Self::Remove => "remove",
        }
    }
}

/// Whether a step can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversibility {
    /// A revert undoes it.
    Reversible,
    /// It cannot be undone; why, in words.
    OneWay {
        /// What stays.
        why: String,
    },
    /// Nobody could tell; why, in words.
    Unknown {
        /// What is not known.
        why: String,
    },
}

/// How a service is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ServiceChange {
    /// It is new.
    Add {
        /// What it will be made of.
        changes: Vec<Change>,
    },
    /// It differs.
    Update {
        /// What differs.
        changes: Vec<Change>,
    },
    /// It is no longer wanted.
    Remove,
    /// Its intent is unchanged, but what was observed differs from it.
    Repair {
        /// What was observed.
        observed: String,
    },
}

/// One difference between two releases, value by value; secrets are masked before they come here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What changes: `artifact`, `command`, `config IDENTITY_LOGIN_MODE`, `routes`, `limits.memory`, `migration 0003_x.sql`, `contract`.
    pub what: String,
    /// Before; `None` when it was not there.
    pub from: Option<String>,
    /// After; `None` when it goes away.
    pub to: Option<String>,
}

/// Something to know before applying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// How serious.
    pub level: VerdictLevel,
    /// What it is about.
    pub gate: Gate,
    /// The service it concerns.
    pub service: Option<ServiceName>,
    /// In words: what, and what to do.
    pub message: String,
}

/// How serious a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictLevel {
    /// For information.
    Note,
    /// Look at it before you apply.
    Warn,
    /// The plan will not be applied.
    Refuse,
}

/// What a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A contract changed.
    Contract,
    /// A migration.
    Migration,
    /// The target could not be seen in full.
    Observation,
    /// Something cannot be taken back.
    Revert,
    /// Room on the host.
    Capacity,
}
