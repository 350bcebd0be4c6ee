//! Why an operation may not be written now. Nothing was changed in any of these cases.

use crate::{FoldError, LeaseId, When};
use fairway_model::{EnvironmentName, Generation, PlanBase, ReleaseDigest};
use std::fmt;

/// Why an operation may not be written now. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What the plan was made against has moved.
    #[error("{0}")]
    Stale(Box<Stale>),
    /// A release is on its way.
    #[error(
        "generation {generation} of {environment} was committed by {by} at {} and has not finished: nothing was \
         changed; let it finish and plan again (`apply --wait 5m` waits for it)",
        When(*.at)
    )]
    Unfinished {
        /// The environment.
        environment: EnvironmentName,
        /// The release on its way.
        generation: Generation,
        /// Who committed it.
        by: String,
        /// When, in milliseconds since the Unix epoch.
        at: u64,
    },
    /// Someone else holds the lock.
    #[error(
        "{environment} is locked by {holder} since {} ({reason}): nothing was changed; {}",
        When(*.since), locked_next(*.until, *.expired)
    )]
    Locked {
        /// The environment.
        environment: EnvironmentName,
        /// Who holds it.
        holder: String,
        /// What for.
        reason: String,
        /// When it was taken, in milliseconds since the Unix epoch.
        since: u64,
        /// When it ends, in milliseconds since the Unix epoch.
        until: u64,
        /// It has ended; it only needs to be taken over.
        expired: bool,
    },
    /// The writer believed to hold a lease that it has lost.
    #[error(
        "the lock of {environment} was lost ({}): nothing was changed; look at the environment's state and start again",
        lost(.holder.as_deref())
    )]
    LeaseLost {
        /// The environment.
        environment: EnvironmentName,
        /// The lease that was lost.
        lease: LeaseId,
        /// Who holds the lock now.
        holder: Option<String>,
    },
    /// There is no lock to take away.
    #[error("{environment} is not locked: nothing was changed, and nothing needs to be")]
    NotLocked {
        /// The environment.
        environment: EnvironmentName,
    },
    /// The plan is for another environment.
    #[error(
        "the plan is for {plan}, not for {environment}: nothing was changed; plan {environment} and apply that"
    )]
    OtherEnvironment {
        /// The environment of the log.
        environment: EnvironmentName,
        /// The environment of the plan.
        plan: EnvironmentName,
    },
    /// The plan holds verdicts that refuse it.
    #[error("the plan for {environment} is refused: {}; nothing was changed", .reasons.join("; "))]
    Gate {
        /// The environment.
        environment: EnvironmentName,
        /// What the verdicts say.
        reasons: Vec<String>,
    },
    /// No release is on its way that could be finished, or another one.
    #[error(
        "generation {generation} of {environment} is not on its way ({state}): nothing was changed, and there is nothing to finish"
    )]
    NotPending {
        /// The environment.
        environment: EnvironmentName,
        /// The generation that was to be finished.
        generation: Generation,
        /// How it stands, in a word.
        state: String,
    },
    /// The operation would not fit the log for another reason, which is a defect of its maker.
    #[error("the operation does not fit the log, and was not written")]
    Invalid(#[source] FoldError),
}

impl From<Stale> for Refusal {
    fn from(stale: Stale) -> Self {
        Self::Stale(Box::new(stale))
    }
}

fn locked_next(until: u64, expired: bool) -> String {
    if expired {
        format!("its lease ran out at {}, so it can be taken over", When(until))
    } else {
        format!("wait until it is released (at the latest {}), or unlock it", When(until))
    }
}

fn lost(holder: Option<&str>) -> String {
    holder.map_or_else(|| "it was taken away".to_owned(), |holder| format!("{holder} holds it now"))
}

/// A plan whose base has moved: what it was made against, and what moved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The environment.
    pub environment: EnvironmentName,
    /// What the plan was made against.
    pub planned: PlanBase,
    /// What the log says now.
    pub current: PlanBase,
    /// What happened since the plan was made, oldest first: one line for each release.
    pub since: Vec<String>,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plan is stale: it was made for {} when {}", self.environment, base(&self.planned))?;
        if self.since.is_empty() {
            write!(f, ", and now {}", base(&self.current))?;
        } else {
            write!(f, ". Since then: {}", self.since.join("; "))?;
        }
        f.write_str(". Nothing was changed; plan again and look at what is different")
    }
}

impl std::error::Error for Stale {}

fn base(base: &PlanBase) -> String {
    let serving = base.serving.as_ref().map_or_else(
        || "nothing served".to_owned(),
        |(generation, release): &(Generation, ReleaseDigest)| {
            format!("generation {generation} served (release {})", release.short())
        },
    );
    match &base.serving {
        Some((generation, _)) if *generation == base.generation => serving,
        None if base.generation == Generation(0) => serving,
        _ => format!("{serving}, and generation {} was the newest", base.generation),
    }
}
