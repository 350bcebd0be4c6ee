//! The algebra of going back: which release a revert or a restore points at.
//!
//! Going back never rewrites the log. It names an older release; planning that release against what is there now
//! gives an ordinary plan with a new generation.
//!
//! * `revert` without a number takes *the release that served before the one that serves now, and is not the same
//!   release*. Releases that failed, were aborted or went back by themselves have not served and are skipped. After
//!   A, B, a revert brings A; another revert brings B again, because B served before. To go further back, name a
//!   generation.
//! * `revert N` takes the release of generation N, if that has served.
//! * After `down`, a revert brings back what served last.
//! * `restore N` takes the release of generation N, whatever became of it: to look at a failed release again, or to
//!   go on from it. It takes any generation that was ever committed, except one that took the environment down.

use crate::{Entry, Intent, State};
use fairway_model::{EnvironmentName, Generation, PlanId, ReleaseDigest};

/// The release that a revert or a restore brings back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevertTarget {
    /// The generation whose release it is.
    pub generation: Generation,
    /// The release.
    pub release: ReleaseDigest,
    /// The plan that brought it the first time.
    pub plan: PlanId,
    /// The intent to commit with: [`Intent::Revert`] or [`Intent::Restore`].
    pub intent: Intent,
    /// Generations after it that were applied, oldest first: what is taken back.
    pub takes_back: Vec<Generation>,
}

/// Why there is nothing to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing has ever served.
    #[error(
        "nothing has served in {environment} yet: nothing was changed, and there is nothing to go back to"
    )]
    NothingServed {
        /// The environment.
        environment: EnvironmentName,
    },
    /// The release that serves is the only one that ever did.
    #[error(
        "generation {serving} serves in {environment}, and no other release has served before it: nothing was changed, \
         and there is nothing to go back to"
    )]
    NoPrevious {
        /// The environment.
        environment: EnvironmentName,
        /// The generation that serves.
        serving: Generation,
    },
    /// There is no such generation.
    #[error(
        "{environment} has no generation {wanted}: nothing was changed; see its history for the generations it has had"
    )]
    NoSuchGeneration {
        /// The environment.
        environment: EnvironmentName,
        /// What was asked for.
        wanted: Generation,
    },
    /// The generation has never served.
    #[error(
        "generation {wanted} of {environment} was {outcome} and has never served: nothing was changed; choose one that \
         was applied, or check out what it was made from and apply that"
    )]
    NeverServed {
        /// The environment.
        environment: EnvironmentName,
        /// What was asked for.
        wanted: Generation,
        /// What became of it, in a word.
        outcome: &'static str,
    },
    /// The generation took the environment down.
    #[error(
        "generation {wanted} took {environment} down and has no release to bring back: nothing was changed; choose another one"
    )]
    WasDown {
        /// The environment.
        environment: EnvironmentName,
        /// What was asked for.
        wanted: Generation,
    },
    /// It serves already.
    #[error(
        "the release of generation {wanted} is what serves in {environment} (as generation {serving}): nothing was changed, and nothing needs to be"
    )]
    Serving {
        /// The environment.
        environment: EnvironmentName,
        /// What was asked for.
        wanted: Generation,
        /// The generation that serves.
        serving: Generation,
    },
}

/// The release that a revert brings back; see the module's text for the rule.
///
/// # Errors
/// [`TargetError`]: each says why there is nothing to go back to.
pub fn revert_target(state: &State, to: Option<Generation>) -> Result<RevertTarget, TargetError> {
    let entry = match to {
        Some(wanted) => named(state, wanted)?,
        None => previous(state)?,
    };
    if !entry.has_served() {
        return Err(TargetError::NeverServed {
            environment: state.environment.clone(),
            wanted: entry.committed.generation,
            outcome: entry.word(),
        });
    }
    Ok(target(state, entry, Intent::Revert { to: entry.committed.generation }))
}

/// The release that a restore brings back: that of any generation that was ever committed.
///
/// # Errors
/// [`TargetError::NoSuchGeneration`], [`TargetError::WasDown`] or [`TargetError::Serving`].
pub fn restore_target(state: &State, of: Generation) -> Result<RevertTarget, TargetError> {
    let entry = named(state, of)?;
    Ok(target(state, entry, Intent::Restore { of }))
}

fn named(state: &State, wanted: Generation) -> Result<&Entry, TargetError> {
    let environment = || state.environment.clone();
    let entry = state
        .entry(wanted)
        .ok_or_else(|| TargetError::NoSuchGeneration { environment: environment(), wanted })?;
    if entry.committed.intent == Intent::Down {
        return Err(TargetError::WasDown { environment: environment(), wanted });
    }
    match &state.serving {
        Some(serving) if serving.release == entry.committed.release => {
            Err(TargetError::Serving { environment: environment(), wanted, serving: serving.generation })
        }
        _ => Ok(entry),
    }
}

fn previous(state: &State) -> Result<&Entry, TargetError> {
    let serving = state.serving.as_ref();
    let mut served = state.history.iter().rev().filter(|entry| entry.has_served());
    served.find(|entry| serving.is_none_or(|serving| entry.committed.release != serving.release)).ok_or_else(
        || {
            let environment = state.environment.clone();
            match serving {
                Some(serving) => TargetError::NoPrevious { environment, serving: serving.generation },
                None => TargetError::NothingServed { environment },
            }
        },
    )
}

fn target(state: &State, entry: &Entry, intent: Intent) -> RevertTarget {
    let takes_back = state
        .history
        .iter()
        .filter(|later| later.committed.generation > entry.committed.generation && later.is_applied())
        .map(|later| later.committed.generation)
        .collect();
    RevertTarget {
        generation: entry.committed.generation,
        release: entry.committed.release,
        plan: entry.committed.plan,
        intent,
        takes_back,
    }
}
