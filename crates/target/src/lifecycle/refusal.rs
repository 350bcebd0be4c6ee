//! Why the lifecycle refuses a request, in words: what happened, what was not changed, what to do.

use super::{Entry, Lifecycle, phase_word};
use fairway_model::{Failure, FailureKind, Generation, Millis};

impl Lifecycle {
    pub(super) fn stale(&self, offered: Generation) -> Failure {
        let current = self.accepted;
        let message = if offered == current {
            format!("generation {offered} of {} is already taken by another plan", self.environment)
        } else {
            format!(
                "release {offered} of {} is older than release {current}, which is the newest here",
                self.environment
            )
        };
        Failure::new(
            FailureKind::Stale { offered, current },
            message,
            format!("{} is as release {current} left it", self.environment),
            "plan again: the new plan starts from what is there now",
        )
    }

    pub(super) fn busy(&self, pending: &Entry, left: Option<Millis>, offered: Generation) -> Failure {
        let (generation, digest) = (pending.generation(), pending.assignment.plan.child.short());
        let wait = match left {
            Some(left) => format!(
                "wait until it ends, abort it, or wait {left} for its lease to run out if its caller is gone"
            ),
            None => "wait until its switch is done".to_owned(),
        };
        Failure::new(
            FailureKind::WrongPhase,
            format!(
                "release {offered} cannot begin: release {generation} ({digest}) of {} is {} and its caller is alive",
                self.environment,
                phase_word(pending.phase)
            ),
            format!("release {generation} goes on undisturbed"),
            wait,
        )
    }

    pub(super) fn unknown(&self, generation: Generation, verb: &str) -> Failure {
        Failure::new(
            FailureKind::WrongPhase,
            format!("cannot {verb} release {generation} of {}: it was never prepared here", self.environment),
            format!("{} is as it was", self.environment),
            "prepare it first",
        )
    }

    /// Why a release is not in a phase for this: the failure that ended it, or the phase itself.
    pub(super) fn refused(&self, generation: Generation, verb: &str) -> Box<Failure> {
        let Some(entry) = self.releases.get(&generation) else {
            return Box::new(self.unknown(generation, verb));
        };
        if let Some(failure) = &entry.failure {
            return Box::new(failure.clone());
        }
        Box::new(Failure::new(
            FailureKind::WrongPhase,
            format!(
                "cannot {verb} release {generation} of {} while it is {}",
                self.environment,
                phase_word(entry.phase)
            ),
            format!("release {generation} goes on undisturbed"),
            "ask for its status and go on from there",
        ))
    }
}
