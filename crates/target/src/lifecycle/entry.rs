//! One release on its way through its phases.

use fairway_model::{
    Assignment, Event, EventKind, Evidence, Failure, FailureKind, Generation, Millis, Phase, ReleaseStatus,
    ServiceName,
};
use serde::{Deserialize, Serialize};

/// How many events of one release are kept; a release that says more loses its oldest ones.
const EVENTS: usize = 2_000;

/// One release on its way through its phases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What was decided.
    pub assignment: Assignment,
    /// Where it stands.
    pub phase: Phase,
    /// When it entered the phase, in milliseconds since the Unix epoch.
    pub since: u64,
    /// When the caller's lease runs out; `None` once it needs none (from the switch on).
    pub lease_until: Option<u64>,
    /// When the bake is over; `None` before it has begun.
    pub bake_until: Option<u64>,
    /// The release that served before this one, to which trouble in the bake goes back.
    pub before: Option<Generation>,
    /// A newer release was accepted while this one was baking or retiring.
    pub superseded_by: Option<Generation>,
    /// Trouble was seen in the bake and the routes are to go back; kept until they have.
    pub trouble: Option<Failure>,
    /// Why it ended, in a phase that says so.
    pub failure: Option<Failure>,
    /// What was measured.
    pub evidence: Evidence,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// How many events there were, those no longer kept included.
    pub sequence: u64,
}

impl Entry {
    pub(super) fn new(assignment: Assignment, before: Option<Generation>, now: u64, lease: Millis) -> Self {
        let mut entry = Self {
            assignment,
            phase: Phase::Preparing,
            since: now,
            lease_until: Some(now.saturating_add(lease.0)),
            bake_until: None,
            before,
            superseded_by: None,
            trouble: None,
            failure: None,
            evidence: Evidence::default(),
            events: Vec::new(),
            sequence: 0,
        };
        entry.record(now, None, EventKind::Phase { phase: Phase::Preparing });
        entry
    }

    /// Its number.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.assignment.generation()
    }

    /// It is before the switch and its caller may still come back.
    #[must_use]
    pub fn waits_for_caller(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Prepared)
    }

    /// It has been accepted and has neither switched nor ended.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.waits_for_caller() || self.phase == Phase::Switching
    }

    /// Its status with the events after the one that the caller knew.
    #[must_use]
    pub fn status(&self, after: u64) -> ReleaseStatus {
        ReleaseStatus {
            generation: self.generation(),
            release: self.assignment.plan.child,
            phase: self.phase,
            events: self.events.iter().filter(|event| event.sequence > after).cloned().collect(),
            failure: self.failure.clone().or_else(|| self.superseded()),
            evidence: self.evidence.clone(),
        }
    }

    /// The failure that waiting callers get when a newer release took over.
    #[must_use]
    pub fn superseded(&self) -> Option<Failure> {
        let newer = self.superseded_by?;
        Some(Failure::new(
            FailureKind::Superseded,
            format!(
                "release {newer} was accepted while release {} was {}",
                self.generation(),
                phase_word(self.phase)
            ),
            format!("release {} keeps serving until release {newer} switches", self.generation()),
            format!("follow release {newer}; release {} needs nothing more", self.generation()),
        ))
    }

    pub(super) fn enter(&mut self, phase: Phase, now: u64) {
        let took = Millis(now.saturating_sub(self.since));
        self.evidence.phases.insert(phase_word(self.phase).to_owned(), took);
        self.phase = phase;
        self.since = now;
        if !self.waits_for_caller() {
            self.lease_until = None;
        }
        self.record(now, None, EventKind::Phase { phase });
    }

    pub(super) fn end(&mut self, phase: Phase, failure: Failure, now: u64) {
        self.failure = Some(failure);
        self.trouble = None;
        self.enter(phase, now);
    }

    pub(super) fn record(&mut self, now: u64, service: Option<ServiceName>, kind: EventKind) {
        self.sequence += 1;
        if self.events.len() >= EVENTS {
            self.events.remove(0);
        }
        self.events.push(Event { sequence: self.sequence, at: now, service, kind });
    }
}

/// The phase as people read it.
#[must_use]
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "preparing",
        Phase::Prepared => "prepared",
        Phase::Switching => "switching",
        Phase::Baking => "baking",
        Phase::Baked => "baked",
        Phase::Retiring => "retiring",
        Phase::Applied => "applied",
        Phase::Aborted => "aborted",
        Phase::Failed => "failed",
        Phase::Reverted => "reverted",
        Phase::Stuck => "stuck",
    }
}
