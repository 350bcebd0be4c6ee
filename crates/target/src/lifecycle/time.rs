//! What time brings, and what is left to do after the target itself was away.

use super::{Action, Entry, Lifecycle};
use fairway_model::Phase;

impl Lifecycle {
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
}
