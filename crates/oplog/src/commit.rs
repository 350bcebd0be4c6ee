//! Writing down an intent, and what came of it.

use crate::{
    Committed, Intent, OPERATION_FORMAT, Operation, OperationKind, Outcome, Refusal, Source, Stale, State,
    When, Writer,
};
use fairway_model::{Generation, Plan, PlanBase};

/// What is to be committed.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What it is meant to do.
    pub intent: Intent,
    /// Which sources it was made from.
    pub source: Source,
    /// One line for people.
    pub summary: String,
}

/// The operation that commits a plan. Only once it is stored may the plan be realised.
///
/// # Errors
/// [`Refusal::Stale`] when the base has moved, [`Refusal::Unfinished`] when a release is on its way,
/// [`Refusal::Locked`] and [`Refusal::LeaseLost`] when the lock is not the writer's, [`Refusal::Gate`] when the plan
/// holds refusing verdicts, [`Refusal::OtherEnvironment`], and [`Refusal::Invalid`] when a revert points at a
/// generation that does not have the plan's release.
pub fn commit(state: &State, writer: &Writer, draft: Draft<'_>) -> Result<Operation, Refusal> {
    let Draft { plan, intent, source, summary } = draft;
    if plan.environment != state.environment {
        return Err(Refusal::OtherEnvironment {
            environment: state.environment.clone(),
            plan: plan.environment.clone(),
        });
    }
    let fence = state.fence_of(writer)?;
    state.check_base(&plan.base)?;
    let reasons: Vec<String> = plan.refusals().map(|verdict| verdict.message.clone()).collect();
    if !reasons.is_empty() {
        return Err(Refusal::Gate { environment: state.environment.clone(), reasons });
    }
    state.write(
        writer,
        fence,
        OperationKind::Committed(Committed {
            plan: plan.id(),
            generation: plan.generation,
            parent: plan.base.serving.as_ref().map(|(generation, _)| *generation),
            release: plan.child,
            intent,
            source,
            summary,
        }),
    )
}

/// The operation that says how the pending release ended. It need not be written by who committed it.
///
/// # Errors
/// [`Refusal::NotPending`] when that generation is not on its way; [`Refusal::Locked`] and [`Refusal::LeaseLost`]
/// when the lock is not the writer's.
pub fn finish(
    state: &State,
    writer: &Writer,
    generation: Generation,
    outcome: Outcome,
) -> Result<Operation, Refusal> {
    let fence = state.fence_of(writer)?;
    if state.pending.as_ref().map(|pending| pending.committed.generation) != Some(generation) {
        return Err(Refusal::NotPending {
            environment: state.environment.clone(),
            generation,
            state: state.entry(generation).map_or("never committed", crate::Entry::word).to_owned(),
        });
    }
    state.write(writer, fence, OperationKind::Finished { generation, outcome })
}

/// An operation that remarks something and changes nothing; a lock does not keep it out.
///
/// # Errors
/// [`Refusal::Invalid`] never happens for a state that was folded.
pub fn note(state: &State, writer: &Writer, text: impl Into<String>) -> Result<Operation, Refusal> {
    let fence = state.fence_of(writer).unwrap_or(0);
    state.write(writer, fence, OperationKind::Noted { text: text.into() })
}

impl State {
    /// Whether a plan that was made against this base may still be applied.
    ///
    /// # Errors
    /// [`Refusal::Unfinished`] when a release is on its way, [`Refusal::Stale`] when the base has moved.
    pub fn check_base(&self, planned: &PlanBase) -> Result<(), Refusal> {
        if let Some(pending) = &self.pending {
            return Err(Refusal::Unfinished {
                environment: self.environment.clone(),
                generation: pending.committed.generation,
                by: pending.by.to_string(),
                at: pending.at,
            });
        }
        let current = self.base();
        if current == *planned {
            return Ok(());
        }
        let since = self
            .history
            .iter()
            .filter(|entry| entry.committed.generation > planned.generation)
            .map(|entry| {
                let Committed { generation, summary, .. } = &entry.committed;
                let (by, at, word) = (&entry.by, When(entry.at), entry.word());
                format!("generation {generation} ({summary}) was committed by {by} at {at}: {word}")
            })
            .collect();
        Err(Stale { environment: self.environment.clone(), planned: planned.clone(), current, since }.into())
    }

    /// The fence that the writer's operations carry now.
    pub(crate) fn fence_of(&self, writer: &Writer) -> Result<u64, Refusal> {
        match (&self.lock, &writer.lease) {
            (None, None) => Ok(0),
            (Some(lock), Some(lease)) if lock.lease == *lease => Ok(lock.fence),
            (lock, Some(lease)) => Err(Refusal::LeaseLost {
                environment: self.environment.clone(),
                lease: lease.clone(),
                holder: lock.as_ref().map(|lock| lock.holder.clone()),
            }),
            (Some(lock), None) => Err(self.locked(lock, writer.now)),
        }
    }

    /// Wraps up what follows in the log, after the fold has agreed to it.
    pub(crate) fn write(
        &self,
        writer: &Writer,
        fence: u64,
        kind: OperationKind,
    ) -> Result<Operation, Refusal> {
        let operation = Operation {
            format: OPERATION_FORMAT,
            number: self.last + 1,
            environment: self.environment.clone(),
            at: writer.now,
            by: writer.by.clone(),
            fence,
            kind,
        };
        self.check(&operation).map_err(Refusal::Invalid)?;
        Ok(operation)
    }
}
