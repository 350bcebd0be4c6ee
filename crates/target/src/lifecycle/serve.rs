//! A release serves: its routes have moved, it is watched, then the old instances go or the routes go back.

use super::{Action, Entry, Go, Lifecycle};
use fairway_model::{Failure, Generation, Millis, Phase, StepKind};

impl Lifecycle {
    /// May the routes move to this release? [`Go::Do`] puts it into [`Phase::Switching`].
    ///
    /// # Errors
    /// [`FailureKind::Stale`], [`FailureKind::WrongPhase`], or the failure that ended the release.
    pub fn begin_switch(&mut self, generation: Generation, now: u64) -> Result<Go, Box<Failure>> {
        let entry = self.current(generation)?;
        match entry.phase {
            Phase::Prepared if entry.lease_until.is_some_and(|until| until <= now) => {
                self.abort_for_lease(generation, now);
                Err(self.refused(generation, "switch"))
            }
            Phase::Prepared => {
                entry.enter(Phase::Switching, now);
                Ok(Go::Do)
            }
            Phase::Switching => Ok(Go::Do),
            Phase::Baking | Phase::Baked | Phase::Retiring | Phase::Applied => Ok(Go::Done),
            Phase::Preparing | Phase::Aborted | Phase::Failed | Phase::Reverted | Phase::Stuck => {
                Err(self.refused(generation, "switch"))
            }
        }
    }

    /// The routes point at the release. Without effect unless it is in [`Phase::Switching`].
    pub fn on_switched(&mut self, generation: Generation, now: u64) {
        let before = self.serving;
        let Some(entry) = self.in_phase(generation, &[Phase::Switching]) else { return };
        // A plan bakes only what there is a way back from.
        let bakes = entry.assignment.plan.steps.iter().any(|step| step.kind == StepKind::Bake);
        let bake = if bakes { entry.assignment.release.bake } else { Millis(0) };
        entry.before = before;
        entry.bake_until = Some(now.saturating_add(bake.0));
        entry.enter(Phase::Baking, now);
        self.serving = Some(generation);
        if let Some(before) = before {
            self.warm.insert(before);
            if let Some(old) = self.releases.get_mut(&before)
                && old.superseded_by == Some(generation)
            {
                // It served to the last; what is left of its bake and retirement is this release's matter now.
                old.trouble = None;
                old.failure = old.superseded();
                old.enter(Phase::Applied, now);
            }
        }
    }

    /// How does the bake of this release stand? [`Go::Do`] means that it is going on.
    ///
    /// # Errors
    /// [`FailureKind::Superseded`], [`FailureKind::Bake`] after the routes went back, [`FailureKind::Stale`],
    /// [`FailureKind::WrongPhase`] before the switch.
    pub fn bake(&self, generation: Generation) -> Result<Go, Box<Failure>> {
        let Some(entry) = self.releases.get(&generation) else {
            return Err(Box::new(self.unknown(generation, "bake")));
        };
        if let Some(failure) = entry.superseded() {
            return Err(Box::new(failure));
        }
        if generation < self.accepted {
            return Err(Box::new(self.stale(generation)));
        }
        match entry.phase {
            Phase::Baking => Ok(Go::Do),
            Phase::Baked | Phase::Retiring | Phase::Applied => Ok(Go::Done),
            _ => Err(self.refused(generation, "bake")),
        }
    }

    /// The bake went well. Without effect unless the release is in [`Phase::Baking`] without trouble.
    pub fn on_baked(&mut self, generation: Generation, now: u64) {
        if let Some(entry) = self.in_phase(generation, &[Phase::Baking])
            && entry.trouble.is_none()
        {
            entry.enter(Phase::Baked, now);
        }
    }

    /// Trouble was seen while the release was baking. The answer is what to do: move the routes back, or nothing
    /// when there was no release before (it is then [`Phase::Stuck`] and stays where it is), when the routes are
    /// already going back, or when the bake is over.
    pub fn on_trouble(&mut self, generation: Generation, now: u64, failure: Failure) -> Option<Action> {
        if self.serving != Some(generation) {
            return None;
        }
        let entry = self.in_phase(generation, &[Phase::Baking])?;
        if entry.trouble.is_some() {
            return None;
        }
        if let Some(to) = entry.before {
            entry.trouble = Some(failure);
            Some(Action::SwitchBack { from: generation, to })
        } else {
            entry.end(Phase::Stuck, failure, now);
            None
        }
    }

    /// The routes went back to the release before. Without effect unless [`Lifecycle::on_trouble`] asked for it.
    pub fn on_reverted(&mut self, generation: Generation, now: u64) {
        let Some(entry) = self.in_phase(generation, &[Phase::Baking]) else { return };
        let (Some(failure), Some(before)) = (entry.trouble.clone(), entry.before) else { return };
        entry.end(Phase::Reverted, failure, now);
        self.serving = Some(before);
        self.warm.remove(&before);
        // A release that is being prepared now follows the one that serves again.
        if let Some(pending) = self.pending().map(Entry::generation)
            && let Some(entry) = self.releases.get_mut(&pending)
        {
            entry.before = Some(before);
        }
    }

    /// The routes could not go back: a person is needed. Without effect unless [`Lifecycle::on_trouble`] asked for it.
    pub fn on_stuck(&mut self, generation: Generation, now: u64, failure: Failure) {
        if let Some(entry) = self.in_phase(generation, &[Phase::Baking])
            && entry.trouble.is_some()
        {
            entry.end(Phase::Stuck, failure, now);
        }
    }

    /// May the old instances go? [`Go::Do`] puts the release into [`Phase::Retiring`].
    ///
    /// # Errors
    /// [`FailureKind::Stale`], [`FailureKind::WrongPhase`], or the failure that ended the release.
    pub fn begin_retire(&mut self, generation: Generation, now: u64) -> Result<Go, Box<Failure>> {
        let entry = self.current(generation)?;
        match entry.phase {
            Phase::Baked => {
                entry.enter(Phase::Retiring, now);
                Ok(Go::Do)
            }
            Phase::Retiring => Ok(Go::Do),
            Phase::Applied => Ok(Go::Done),
            _ => Err(self.refused(generation, "retire")),
        }
    }

    /// Nothing but what [`Lifecycle::keep`] names is left. Without effect unless the release is in [`Phase::Retiring`].
    pub fn on_retired(&mut self, generation: Generation, now: u64) {
        if let Some(entry) = self.in_phase(generation, &[Phase::Retiring]) {
            entry.enter(Phase::Applied, now);
            entry.superseded_by = None;
            self.warm.clear();
            self.forget_old();
        }
    }
}
