//! The life of releases in one environment of a target, as a state machine without I/O.
//!
//! ```text
//!            accept            on_prepared       begin_switch       on_switched      on_baked       begin_retire     on_retired
//! (nothing) ───────► Preparing ─────────► Prepared ─────────► Switching ─────► Baking ─────► Baked ─────────► Retiring ─────► Applied
//!                        │  └──────────┬─────┘                    │              │
//!               on_failed│             │abort, lease ran out      │on_failed     │on_trouble, then on_reverted
//!                        ▼             ▼                          ▼              ▼
//!                     Failed        Aborted                    Failed         Reverted  (or Stuck, when there is no way back)
//! ```
//!
//! A [`Lifecycle`] is the content of a target's journal: the target changes it, writes it down, and then acts; after
//! a crash it reads it back and does what [`Lifecycle::recover`] names. Every action is safe to repeat. The machine
//! knows no clock: each method takes `now`, in milliseconds since the Unix epoch.
//!
//! Rules that hold at all times (the property test drives random calls against them):
//!
//! - At most one release is *pending* (`Preparing`, `Prepared`, `Switching`), and at most one *serves*.
//! - [`Lifecycle::accepted`] never goes down; a request about an older generation is refused as
//!   [`FailureKind::Stale`], except that aborting what has already ended before its switch is always fine.
//! - A newer release may be prepared while the serving one is baking or retiring. The serving release is then
//!   *superseded*: whoever waits for it is told so, and it goes on serving and being watched until the newer one
//!   switches. If the newer one ends before its switch, the target finishes the older one by itself
//!   ([`Action::Retire`] comes out of [`Lifecycle::tick`]), because no caller may speak for it any more.
//! - While a pending release's caller is alive (its lease has not run out), no other release is accepted. A pending
//!   release in `Switching` has no lease: from there the target finishes the switch whatever happens.
//! - [`Lifecycle::keep`] names the instances that must stay. Anything else may be stopped at any time, so cleaning up
//!   needs no memory of what was started.

mod answer;
mod entry;
mod refusal;
#[cfg(test)]
mod tests;

pub use answer::{Accept, Action, Go};
pub use entry::{Entry, phase_word};

use fairway_model::{
    Assignment, EnvironmentName, EventKind, Evidence, Failure, FailureKind, Generation, Millis, Phase,
    ReleaseStatus, ServiceName, SpecDigest, StepKind,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the stored form of a [`Lifecycle`].
pub const LIFECYCLE_FORMAT: u32 = 1;

/// A journal of a later version is refused before anything is concluded from it.
fn known_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        LIFECYCLE_FORMAT => Ok(LIFECYCLE_FORMAT),
        found => Err(serde::de::Error::custom(format!(
            "the journal has format {found}, and this Fairway reads format {LIFECYCLE_FORMAT}: use the version that wrote it, or a later one"
        ))),
    }
}

/// How many ended releases are remembered beside those that are pending, serving or warm.
const HISTORY: usize = 16;

/// The releases of one environment on one target. See the module for the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// [`LIFECYCLE_FORMAT`]. Reading refuses a later one.
    #[serde(deserialize_with = "known_format")]
    pub format: u32,
    /// The environment.
    pub environment: EnvironmentName,
    /// How long a release that has not switched outlives its caller.
    pub lease: Millis,
    accepted: Generation,
    serving: Option<Generation>,
    warm: BTreeSet<Generation>,
    releases: BTreeMap<Generation, Entry>,
}

impl Lifecycle {
    /// An environment that has never had a release.
    #[must_use]
    pub fn new(environment: EnvironmentName, lease: Millis) -> Self {
        Self {
            format: LIFECYCLE_FORMAT,
            environment,
            lease,
            accepted: Generation(0),
            serving: None,
            warm: BTreeSet::new(),
            releases: BTreeMap::new(),
        }
    }

    /// The highest generation that was ever accepted; 0 for none.
    #[must_use]
    pub fn accepted(&self) -> Generation {
        self.accepted
    }

    /// The release that the routes point at.
    #[must_use]
    pub fn serving(&self) -> Option<&Entry> {
        self.releases.get(&self.serving?)
    }

    /// The release that has been accepted and has neither switched nor ended.
    #[must_use]
    pub fn pending(&self) -> Option<&Entry> {
        self.releases.values().rev().find(|entry| entry.is_pending())
    }

    /// The newest accepted release and its phase.
    #[must_use]
    pub fn activity(&self) -> Option<(Generation, Phase)> {
        self.releases.last_key_value().map(|(generation, entry)| (*generation, entry.phase))
    }

    /// What is known of a release.
    #[must_use]
    pub fn release(&self, generation: Generation) -> Option<&Entry> {
        self.releases.get(&generation)
    }

    /// Every release that is remembered, oldest first: their artifacts are what a revert may need.
    pub fn releases(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.releases.values()
    }

    /// The status of a release with its events after `after`; `None` when it was never accepted or is forgotten.
    #[must_use]
    pub fn status(&self, generation: Generation, after: u64) -> Option<ReleaseStatus> {
        self.release(generation).map(|entry| entry.status(after))
    }

    /// The instances that must stay, with their number: those of the serving release, of the pending one, and of the
    /// releases before the serving one that have not been retired. Anything else may be stopped.
    #[must_use]
    pub fn keep(&self) -> BTreeMap<(ServiceName, SpecDigest), u32> {
        let retiring =
            self.serving().is_none_or(|entry| matches!(entry.phase, Phase::Retiring | Phase::Applied));
        let warm =
            self.warm.iter().filter(|_| !retiring).filter_map(|generation| self.releases.get(generation));
        let mut keep = BTreeMap::new();
        for entry in self.serving().into_iter().chain(self.pending()).chain(warm) {
            for (name, service) in &entry.assignment.release.services {
                if let Some(spec) = service.spec_digest() {
                    let count = keep.entry((name.clone(), spec)).or_insert(0);
                    *count = service.replicas.max(*count);
                }
            }
        }
        keep
    }

    /// Adds an event to a release.
    pub fn record(
        &mut self,
        generation: Generation,
        now: u64,
        service: Option<ServiceName>,
        kind: EventKind,
    ) {
        if let Some(entry) = self.releases.get_mut(&generation) {
            entry.record(now, service, kind);
        }
    }

    /// What was measured for a release, to be added to.
    pub fn evidence(&mut self, generation: Generation) -> Option<&mut Evidence> {
        self.releases.get_mut(&generation).map(|entry| &mut entry.evidence)
    }

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

    /// Everything of the environment was stopped. Its number stays, so that a late request of the past is still
    /// refused; forgetting that too is dropping the lifecycle.
    pub fn on_destroyed(&mut self, now: u64) {
        for entry in self.releases.values_mut() {
            entry.trouble = None;
            entry.superseded_by = None;
            if entry.is_pending() {
                let failure = Failure::new(
                    FailureKind::Superseded,
                    format!(
                        "{} was destroyed while release {} was {}",
                        self.environment,
                        entry.generation(),
                        phase_word(entry.phase)
                    ),
                    "databases and logs are kept unless the environment was purged",
                    "plan again to bring the environment back",
                );
                entry.end(Phase::Aborted, failure, now);
            } else if !entry.phase.is_final() {
                entry.enter(Phase::Applied, now);
            }
        }
        self.serving = None;
        self.warm.clear();
    }

    /// What time has brought: leases that ran out, bakes that are over, and the retirement of a release that nobody
    /// may speak for any more. Call it whenever [`Lifecycle::next_deadline`] has come, and after each `on_` method.
    pub fn tick(&mut self, now: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        let expired = self.pending().filter(|entry| entry.lease_until.is_some_and(|until| until <= now));
        if let Some(generation) = expired.map(Entry::generation) {
            self.abort_for_lease(generation, now);
            actions.push(Action::CleanUp(generation));
        }
        if let Some(entry) = self.serving() {
            let generation = entry.generation();
            let orphan = generation < self.accepted && self.pending().is_none();
            match entry.phase {
                Phase::Baking
                    if entry.trouble.is_none() && entry.bake_until.is_some_and(|until| until <= now) =>
                {
                    actions.push(Action::EndBake(generation));
                }
                Phase::Baked if orphan => {
                    if let Some(entry) = self.releases.get_mut(&generation) {
                        entry.enter(Phase::Retiring, now);
                    }
                    actions.push(Action::Retire(generation));
                }
                _ => {}
            }
        }
        actions
    }

    /// When [`Lifecycle::tick`] will have something next, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let lease = self.pending().and_then(|entry| entry.lease_until);
        let bake = self.serving().filter(|entry| entry.phase == Phase::Baking && entry.trouble.is_none());
        lease.into_iter().chain(bake.and_then(|entry| entry.bake_until)).min()
    }

    /// What to go on with after the target itself was restarted. A release before its switch gets a fresh lease,
    /// because its caller could not renew it while the target was away.
    pub fn recover(&mut self, now: u64) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::new();
        if let Some(pending) = self.pending() {
            let (generation, phase) = (pending.generation(), pending.phase);
            self.renew(generation, now);
            match phase {
                Phase::Preparing => actions.push(Action::Prepare(generation)),
                Phase::Switching => actions.push(Action::Switch(generation)),
                _ => {}
            }
        }
        if let Some(entry) = self.serving() {
            match (entry.phase, &entry.trouble, entry.before) {
                (Phase::Retiring, ..) => actions.push(Action::Retire(entry.generation())),
                (Phase::Baking, Some(_), Some(to)) => {
                    actions.push(Action::SwitchBack { from: entry.generation(), to })
                }
                _ => {}
            }
        }
        // What a release that ended left behind when the target went down in the middle of cleaning up.
        let ended = self
            .releases
            .values()
            .filter(|entry| matches!(entry.phase, Phase::Aborted | Phase::Failed | Phase::Reverted));
        actions.extend(ended.map(|entry| Action::CleanUp(entry.generation())));
        actions
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

    fn in_phase(&mut self, generation: Generation, phases: &[Phase]) -> Option<&mut Entry> {
        self.releases.get_mut(&generation).filter(|entry| phases.contains(&entry.phase))
    }

    /// The newest release, if that is the one meant.
    fn current(&mut self, generation: Generation) -> Result<&mut Entry, Box<Failure>> {
        if generation < self.accepted {
            return Err(Box::new(self.stale(generation)));
        }
        let unknown = self.unknown(generation, "go on with");
        self.releases.get_mut(&generation).ok_or_else(|| Box::new(unknown))
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

    fn abort_for_lease(&mut self, generation: Generation, now: u64) {
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

    /// Ended releases beyond the newest ones are forgotten, with their events and assignments.
    fn forget_old(&mut self) {
        let live = |generation: &Generation| {
            Some(*generation) == self.serving
                || self.warm.contains(generation)
                || *generation == self.accepted
        };
        let old: Vec<Generation> = self
            .releases
            .keys()
            .rev()
            .filter(|generation| !live(generation))
            .skip(HISTORY)
            .copied()
            .collect();
        for generation in old {
            self.releases.remove(&generation);
        }
    }
}
