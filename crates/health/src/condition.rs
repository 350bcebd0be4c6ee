//! What is known about one instance.

use std::sync::Arc;

use fairway_protocol::edge::Standing;

use crate::circuit::{Circuit, Phase, Ticket};
use crate::outcome::{Change, Outcome, Reason};
use crate::probes::Probes;
use crate::rules::Rules;
use crate::sync::{AtomicU64, Ordering};

/// A full share of the requests, in thousandths.
pub(crate) const FULL: u32 = 1_000;

/// What an instance that came back or joined begins with, in thousandths.
const FIRST: u32 = 100;

/// What is known about one instance, over all tables that list it. Changed by all threads, without locks.
///
/// It has cache lines of its own: what happens to one instance does not slow down requests to another.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Condition {
    circuit: Circuit,
    probes: Probes,
    /// Failures in a row in the lower half, server errors in a row in the upper half. They count while the instance is
    /// in, and begin anew when it comes back.
    rows: AtomicU64,
    /// When its slow start began; 0 when it never had one.
    back_since: AtomicU64,
    /// How often it was taken out by traffic.
    ejections: AtomicU64,
}

impl Condition {
    /// An instance that nobody has heard of yet, of a service that is new as a whole.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The instance joins others that serve already: its slow start begins.
    pub fn joins(&self, now: u64) {
        self.back_since.store(now.max(1), Ordering::Relaxed);
    }

    /// Another process stands behind the id, such as one at another address: nothing that was known holds. It begins with
    /// a slow start.
    pub fn replaced(&self, now: u64) {
        self.joins(now);
        self.rows.store(0, Ordering::Relaxed);
        self.probes.forget();
        self.circuit.reset(now);
    }

    /// Probing begins, or begins anew with another path: what probes said before is forgotten.
    pub fn forget_probes(&self) {
        self.probes.forget();
    }

    /// Whether it may take requests as far as is known.
    pub fn is_fit(&self, rules: &Rules) -> bool {
        self.is_up(rules) && self.circuit.is_in()
    }

    fn is_up(&self, rules: &Rules) -> bool {
        rules.probe.is_none() || self.probes.is_up()
    }

    /// What part of its share it takes, in thousandths, from 100 to 1000.
    pub(crate) fn share(&self, rules: &Rules, now: u64) -> u32 {
        if rules.slow_start_ms == 0 {
            return FULL;
        }
        let since = self.back_since.load(Ordering::Relaxed);
        if since == 0 {
            return FULL;
        }
        let passed = now.saturating_sub(since);
        if passed >= rules.slow_start_ms {
            return FULL;
        }
        let more = u128::from(FULL - FIRST) * u128::from(passed) / u128::from(rules.slow_start_ms);
        FIRST + u32::try_from(more).expect("less than what a full share is more than the first one")
    }

    /// What is to be said about it.
    pub fn standing(&self, rules: &Rules, now: u64) -> Standing {
        if !self.is_up(rules) {
            return Standing::Down;
        }
        let word = self.circuit.word();
        match word.phase {
            Phase::Ejected => Standing::Ejected { for_ms: word.at.saturating_sub(now) },
            Phase::Trial => Standing::OnTrial,
            Phase::In => match self.share(rules, now) {
                FULL => Standing::Fit,
                share => Standing::Starting { share },
            },
        }
    }

    /// How often traffic took it out since it is known.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Takes the trial, when one is due, nobody has it, and probes do not speak against it.
    pub(crate) fn claim(self: &Arc<Self>, rules: &Rules, now: u64) -> Option<Trial> {
        if !self.is_up(rules) {
            return None;
        }
        let ticket = self.circuit.claim(now)?;
        Some(Trial { condition: Arc::clone(self), ticket: Some(ticket) })
    }

    /// For a request that is sent to it although it is out, because everybody is: an answer brings it back.
    pub(crate) fn watch(self: &Arc<Self>) -> Option<Trial> {
        let ticket = self.circuit.watch()?;
        Some(Trial { condition: Arc::clone(self), ticket: Some(ticket) })
    }

    /// Notes how an exchange went. `trial` is what [`Choice`](crate::Choice) came with.
    pub fn report(&self, rules: &Rules, outcome: Outcome, trial: Option<Trial>, now: u64) -> Option<Change> {
        if let Some(trial) = trial {
            return trial.settle(rules, outcome, now);
        }
        let (failures, errors) = self.count(rules, outcome)?;
        let outliers = &rules.outliers;
        let reached = |count: u32, limit: u32| limit > 0 && count >= limit;
        let reason = if reached(failures, outliers.consecutive_failures) {
            Reason::Failures(failures)
        } else if reached(errors, outliers.consecutive_5xx) {
            Reason::ServerErrors(errors)
        } else {
            return None;
        };
        let for_ms = self.circuit.eject(now, outliers.eject_ms)?;
        self.ejections.fetch_add(1, Ordering::Relaxed);
        Some(Change::Ejected { reason, for_ms })
    }

    /// Counts failures and errors in a row. None when there are none, or when it is out anyway: what ends now began
    /// before, and while everything fails, nothing is written.
    fn count(&self, rules: &Rules, outcome: Outcome) -> Option<(u32, u32)> {
        let mut rows = self.rows.load(Ordering::Relaxed);
        let bad = outcome.is_failure() || outcome.is_server_error();
        if !bad && rows == 0 || !self.circuit.is_in() {
            return None;
        }
        loop {
            let (failures, errors) = unpack(rows);
            let (failures, errors) = if outcome.is_failure() {
                // Not an answer of the service, so it neither adds to the errors nor ends their row.
                (failures.saturating_add(1), errors)
            } else if outcome.is_server_error() && rules.outliers.consecutive_5xx > 0 {
                (0, errors.saturating_add(1))
            } else {
                (0, 0)
            };
            let new = pack(failures, errors);
            if new == rows {
                return None;
            }
            match self.rows.compare_exchange_weak(rows, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return bad.then_some((failures, errors)),
                Err(other) => rows = other,
            }
        }
    }

    /// Notes the answer to a probe.
    pub fn probe(&self, rules: &Rules, good: bool, now: u64) -> Option<Change> {
        let probe = rules.probe?;
        if good && !self.probes.is_up() {
            // Before it may be up: nobody may see it up with a full share.
            self.joins(now);
        }
        let change = self.probes.note(probe, good)?;
        if matches!(change, Change::ProbedUp { .. }) {
            // Probes know more than the length of an ejection does: it need not be waited for.
            self.circuit.hasten(now);
        }
        Some(change)
    }
}

fn pack(failures: u32, errors: u32) -> u64 {
    u64::from(errors) << 32 | u64::from(failures)
}

fn unpack(rows: u64) -> (u32, u32) {
    let failures = u32::try_from(rows & u64::from(u32::MAX)).expect("the lower half");
    let errors = u32::try_from(rows >> 32).expect("the upper half");
    (failures, errors)
}

/// The right to ask an instance that was taken out, or the right to be heard about one that was asked because everybody
/// is out. Report the outcome with it; when it is dropped instead, because the client went away for example, the next
/// request may try.
#[derive(Debug)]
#[must_use = "a trial that is dropped at once is given back"]
pub struct Trial {
    condition: Arc<Condition>,
    /// None once it is settled.
    ticket: Option<Ticket>,
}

impl Trial {
    fn settle(mut self, rules: &Rules, outcome: Outcome, now: u64) -> Option<Change> {
        let ticket = self.ticket.take().expect("settled only here, and that consumes it");
        let condition = &self.condition;
        let outliers = &rules.outliers;
        let failed = outcome.is_failure() || outcome.is_server_error() && outliers.consecutive_5xx > 0;
        if failed {
            let for_ms = condition.circuit.eject_again(ticket, now, outliers.eject_ms)?;
            condition.ejections.fetch_add(1, Ordering::Relaxed);
            return Some(Change::Ejected { reason: Reason::Trial, for_ms });
        }
        // Both before it is in: nobody may see it in with a full share or old counts.
        condition.rows.store(0, Ordering::Relaxed);
        condition.joins(now);
        condition.circuit.readmit(ticket, now).then_some(Change::Readmitted)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.condition.circuit.give_back(ticket);
        }
    }
}
