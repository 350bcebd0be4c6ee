//! A release is offered, and goes on as long as its caller lives.

use super::{Accept, Action, Entry, Lifecycle, phase_word};
use fairway_model::{Assignment, Failure, FailureKind, Generation, Millis, Phase};

impl Lifecycle {
    /// Someone offers a release.
    pub fn accept(&mut self, assignment: &Assignment, now: u64) -> Accept {
        if let Some(reason) = self.mismatch(assignment) {
            return Accept::Invalid(Box::new(Failure::new(
                FailureKind::Invalid,
                format!("the assignment of release {} cannot be taken: {reason}", assignment.generation()),
                format!("{} is as it was", self.environment),
                "plan again and apply the new plan",
            )));
        }
        let generation = assignment.generation();
        if let Some(entry) = self.releases.get(&generation)
            && generation == self.accepted
            && entry.assignment == *assignment
        {
            return match &entry.failure {
                Some(failure) => Accept::Ended(Box::new(failure.clone())),
                None => {
                    let phase = entry.phase;
                    self.renew(generation, now);
                    Accept::Same(phase)
                }
            };
        }
        if generation <= self.accepted {
            return Accept::Stale(Box::new(self.stale(generation)));
        }
        let mut aborted = None;
        if let Some(pending) = self.pending() {
            match pending.lease_until {
                Some(until) if until <= now => aborted = Some(pending.generation()),
                until => {
                    return Accept::Busy(Box::new(self.busy(
                        pending,
                        until.map(|until| Millis(until - now)),
                        generation,
                    )));
                }
            }
        }
        if let Some(old) = aborted {
            self.abort_for_lease(old, now);
        }
        let superseded = self.supersede(generation);
        self.accepted = generation;
        self.releases.insert(generation, Entry::new(assignment.clone(), self.serving, now, self.lease));
        self.forget_old();
        Accept::New { aborted, superseded }
    }

    /// The caller of a release that has not switched is alive.
    pub fn renew(&mut self, generation: Generation, now: u64) {
        let lease = self.lease;
        if let Some(entry) = self.releases.get_mut(&generation)
            && entry.waits_for_caller()
        {
            // Never shortened: a repeated or late message must not take time from a living caller.
            entry.lease_until = entry.lease_until.max(Some(now.saturating_add(lease.0)));
        }
    }

    /// Everything of a release is ready. Without effect unless it is in [`Phase::Preparing`].
    pub fn on_prepared(&mut self, generation: Generation, now: u64) {
        if let Some(entry) = self.in_phase(generation, &[Phase::Preparing]) {
            entry.enter(Phase::Prepared, now);
        }
    }

    /// A release failed before its switch was done; nothing has moved. Without effect in any later phase.
    /// Clean up after it with [`Action::CleanUp`].
    pub fn on_failed(&mut self, generation: Generation, now: u64, failure: Failure) {
        if let Some(entry) = self.in_phase(generation, &[Phase::Preparing, Phase::Prepared, Phase::Switching])
        {
            entry.end(Phase::Failed, failure, now);
            self.resume_superseded();
        }
    }

    /// Someone gives a release up. The answer is what to clean up, if anything.
    ///
    /// # Errors
    /// [`FailureKind::WrongPhase`] from the switch on; [`FailureKind::Stale`] for an older release that has not ended
    /// before its switch.
    pub fn abort(&mut self, generation: Generation, now: u64) -> Result<Option<Action>, Box<Failure>> {
        let phase = self.releases.get(&generation).map(|entry| entry.phase);
        match phase {
            Some(Phase::Aborted | Phase::Failed) => return Ok(None),
            _ if generation < self.accepted => return Err(Box::new(self.stale(generation))),
            Some(Phase::Preparing | Phase::Prepared) => {}
            // Never offered, so there is nothing to give up; its assignment would still be accepted later.
            None => return Ok(None),
            Some(_) => return Err(self.refused(generation, "abort")),
        }
        if let Some(entry) = self.releases.get_mut(&generation) {
            let failure = Failure::new(
                FailureKind::WrongPhase,
                format!(
                    "release {generation} was aborted on request while it was {}",
                    phase_word(entry.phase)
                ),
                "no route has moved and nothing that serves was touched",
                "plan again to try once more",
            );
            entry.end(Phase::Aborted, failure, now);
        }
        self.resume_superseded();
        Ok(Some(Action::CleanUp(generation)))
    }

    fn mismatch(&self, assignment: &Assignment) -> Option<String> {
        let Assignment { plan, release } = assignment;
        if plan.environment != self.environment || release.environment != self.environment {
            return Some(format!(
                "its plan is for {} and its release for {}, but this is {}",
                plan.environment, release.environment, self.environment
            ));
        }
        let digest = release.digest();
        if plan.child != digest {
            return Some(format!(
                "its plan names release {}, but {} came with it",
                plan.child.short(),
                digest.short()
            ));
        }
        (plan.generation == Generation(0)).then(|| "generation 0 is no release".to_owned())
    }

    /// A newer release was accepted: the serving one is no longer its caller's business.
    fn supersede(&mut self, by: Generation) -> Option<Generation> {
        let entry = self.releases.get_mut(&self.serving?)?;
        if matches!(entry.phase, Phase::Baking | Phase::Baked | Phase::Retiring) {
            entry.superseded_by = Some(by);
            return Some(entry.generation());
        }
        None
    }

    /// The newer release has ended before its switch: the serving one stands again.
    fn resume_superseded(&mut self) {
        if let Some(entry) = self.serving.and_then(|generation| self.releases.get_mut(&generation)) {
            entry.superseded_by = None;
        }
    }

    pub(super) fn abort_for_lease(&mut self, generation: Generation, now: u64) {
        let lease = self.lease;
        if let Some(entry) = self.in_phase(generation, &[Phase::Preparing, Phase::Prepared]) {
            let failure = Failure::new(
                FailureKind::Lease,
                format!("nobody asked for release {generation} for {lease}, so it was aborted"),
                "no route has moved and nothing that serves was touched",
                "plan again to try once more",
            );
            entry.end(Phase::Aborted, failure, now);
            self.resume_superseded();
        }
    }
}
