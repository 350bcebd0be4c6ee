//! One entry of an environment's log.

use fairway_model::{EnvironmentName, Evidence, Failure, Generation, PlanId, ReleaseDigest};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the stored form of an [`Operation`].
pub const OPERATION_FORMAT: u32 = 1;

/// One entry of an environment's log: who did what, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// [`OPERATION_FORMAT`].
    pub format: u32,
    /// Its place in the log, from 1 without gaps.
    pub number: u64,
    /// The environment whose log this is.
    pub environment: EnvironmentName,
    /// Milliseconds since the Unix epoch, by the writer's clock. For people and for leases; the order is the number.
    pub at: u64,
    /// Who wrote it.
    pub by: Author,
    /// The fence of the lease under which it was written: the number of the operation that locked; 0 without a lease.
    pub fence: u64,
    /// What happened.
    pub kind: OperationKind,
}

/// Who, and through which mouth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The name of a person or a robot, as the mouth knows it: `ana`, `ana@laptop`.
    pub name: String,
    /// Through which mouth.
    pub via: Via,
    /// Where to read on: the URL of a comment or of a CI run.
    pub reference: Option<String>,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.via)
    }
}

/// The mouths that speak the same verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A person at a terminal.
    Terminal,
    /// A comment on a pull request.
    Comment,
    /// The control plane's API or console.
    Api,
    /// A CI job.
    Ci,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminal => "terminal",
            Self::Comment => "comment",
            Self::Api => "API",
            Self::Ci => "CI",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperationKind {
    /// A plan was accepted; from now on it is being realised.
    Committed(Committed),
    /// A committed release came to its end.
    Finished {
        /// Which.
        generation: Generation,
        /// How it ended.
        outcome: Outcome,
    },
    /// A lease was taken. The number of this operation is its fence.
    Locked {
        /// The lease.
        lease: LeaseId,
        /// Who holds it, as people know them.
        holder: String,
        /// Milliseconds since the Unix epoch after which anyone may take it over.
        until: u64,
        /// What for.
        reason: String,
        /// The fence of the expired lease that this one replaces.
        takes_over: Option<u64>,
    },
    /// The holder of a lease is alive and wants more time.
    Renewed {
        /// The lease.
        lease: LeaseId,
        /// Milliseconds since the Unix epoch after which anyone may take it over.
        until: u64,
    },
    /// A lease was given back, or taken away.
    Unlocked {
        /// The lease.
        lease: LeaseId,
        /// Why it was taken away from its holder by someone else; `None` when the holder gave it back.
        forced: Option<String>,
    },
    /// Something worth remembering that changes nothing.
    Noted {
        /// The text.
        text: String,
    },
}

/// The intent that a commit writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// The plan that is realised.
    pub plan: PlanId,
    /// The number of the release.
    pub generation: Generation,
    /// The generation that served when this was planned and committed; `None` when nothing served.
    pub parent: Option<Generation>,
    /// The content of the release.
    pub release: ReleaseDigest,
    /// What it is meant to do.
    pub intent: Intent,
    /// Which sources it was made from.
    pub source: Source,
    /// One line for people: `2 services change: commerce, identity`.
    pub summary: String,
}

/// What a commit is meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intent {
    /// Bring a release that was made from sources.
    Apply,
    /// Bring back the release of a generation that has served.
    Revert {
        /// Which.
        to: Generation,
    },
    /// Bring the release of any generation that was ever committed.
    Restore {
        /// Which.
        of: Generation,
    },
    /// Stop everything. Afterwards nothing serves.
    Down,
}

/// Which sources a release was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The commit, if the sources are under version control.
    pub commit: Option<String>,
    /// The working tree differed from the commit.
    pub dirty: bool,
}

/// How a committed release ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It serves, and the target reported back what the plan named.
    Applied {
        /// What was measured on the way.
        evidence: Evidence,
    },
    /// It failed before the switch: nothing had moved.
    Failed {
        /// What went wrong.
        failure: Failure,
    },
    /// Trouble after the switch: the routes went back to the parent.
    Reverted {
        /// What went wrong.
        failure: Failure,
    },
    /// It was given up before the switch: nothing had moved.
    Aborted {
        /// Why.
        reason: String,
    },
    /// Trouble after the switch, and the routes could not go back: a person is needed.
    Stuck {
        /// What went wrong.
        failure: Failure,
    },
}

impl Outcome {
    /// The outcome in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Failed { .. } => "failed",
            Self::Reverted { .. } => "reverted",
            Self::Aborted { .. } => "aborted",
            Self::Stuck { .. } => "stuck",
        }
    }

    /// What went wrong, if something did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Applied { .. } | Self::Aborted { .. } => None,
            Self::Failed { failure } | Self::Reverted { failure } | Self::Stuck { failure } => Some(failure),
        }
    }
}

/// The identity of a lease; random, made by whoever asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub String);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
