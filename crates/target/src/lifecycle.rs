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
mod offer;
mod refusal;
mod serve;
#[cfg(test)]
mod tests;
mod time;

pub use answer::{Accept, Action, Go};
pub use entry::{Entry, phase_word};

use fairway_model::{
    EnvironmentName, EventKind, Evidence, Failure, FailureKind, Generation, Millis, Phase, ReleaseStatus,
    ServiceName, SpecDigest,
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
