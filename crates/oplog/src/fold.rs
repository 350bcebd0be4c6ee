//! The fold: one operation after the other, each checked against what came before.

use crate::{
    Entry, Finish, Intent, LeaseId, Lock, OPERATION_FORMAT, Operation, OperationKind, Outcome, Pending,
    Serving, State, When,
};
use fairway_model::{EnvironmentName, Generation};
use std::borrow::Borrow;

/// Why a sequence of operations is not the log of an environment. Each names the operation that does not fit;
/// the state is the one before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The operation has a format that this version does not know.
    #[error("operation {number} has format {found}, not {OPERATION_FORMAT}")]
    Format {
        /// The operation.
        number: u64,
        /// Its format.
        found: u32,
    },
    /// An operation is missing, or stands twice in the log.
    #[error(
        "operation {expected} was expected, and operation {found} came: the log has a gap or a repetition"
    )]
    Gap {
        /// The number that follows.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The operation belongs to another log.
    #[error("operation {number} belongs to the environment {found}, not to {expected}")]
    Environment {
        /// The operation.
        number: u64,
        /// Whose log this is.
        expected: EnvironmentName,
        /// Whose operation this is.
        found: EnvironmentName,
    },
    /// Something was written by a holder whose lease was lost, or by someone without the lease that is held.
    #[error("operation {number} carries the fence {carried}, but {}: its writer had lost the lock or never held it", held_fence(*.current))]
    Fence {
        /// The operation.
        number: u64,
        /// The fence it carries.
        carried: u64,
        /// The fence of the lock that was held.
        current: Option<u64>,
    },
    /// A lock was taken that someone else held.
    #[error("operation {number} takes the lock that {holder} held under operation {fence} until {}", When(*.until))]
    Held {
        /// The operation.
        number: u64,
        /// Who held it.
        holder: String,
        /// The fence of the lock that was held.
        fence: u64,
        /// When it would have expired.
        until: u64,
    },
    /// A lock says that it replaces one that was not there.
    #[error("operation {number} says that it takes over the lock of operation {claimed}, which was not held")]
    NothingToTakeOver {
        /// The operation.
        number: u64,
        /// The fence that it names.
        claimed: u64,
    },
    /// A lease that is not held was renewed or given back.
    #[error("operation {number} names the lease {lease}, which was not held")]
    NotHeld {
        /// The operation.
        number: u64,
        /// The lease it names.
        lease: LeaseId,
    },
    /// A release was committed while another one was on its way.
    #[error("operation {number} commits generation {generation} while generation {pending} has not finished")]
    Unfinished {
        /// The operation.
        number: u64,
        /// The generation it commits.
        generation: Generation,
        /// The one on its way.
        pending: Generation,
    },
    /// A generation was given out that is not higher than all before.
    #[error(
        "operation {number} commits generation {generation}, but generation {highest} was given out before"
    )]
    GenerationNotIncreasing {
        /// The operation.
        number: u64,
        /// The generation it commits.
        generation: Generation,
        /// The highest before it.
        highest: Generation,
    },
    /// A release was committed against something else than what served.
    #[error("operation {number} names {} as its parent, but {} served", which(*.parent), which(*.serving))]
    Parent {
        /// The operation.
        number: u64,
        /// The parent it names.
        parent: Option<Generation>,
        /// What served.
        serving: Option<Generation>,
    },
    /// A revert or restore points at a generation that was never committed, or has another content than it.
    #[error(
        "operation {number} brings back generation {target}, which was never committed with that content"
    )]
    Target {
        /// The operation.
        number: u64,
        /// The generation it points at.
        target: Generation,
    },
    /// A release came to its end that was not on its way.
    #[error("operation {number} finishes generation {generation}, but {} was on its way", which(*.pending))]
    NotPending {
        /// The operation.
        number: u64,
        /// The generation it finishes.
        generation: Generation,
        /// The one on its way.
        pending: Option<Generation>,
    },
}

fn held_fence(current: Option<u64>) -> String {
    current.map_or_else(
        || "no lock was held".to_owned(),
        |fence| format!("the lock of operation {fence} was held"),
    )
}

fn which(generation: Option<Generation>) -> String {
    generation.map_or_else(|| "nothing".to_owned(), |generation| format!("generation {generation}"))
}

impl State {
    /// Folds the log of an environment from its beginning.
    ///
    /// # Errors
    /// [`FoldError`] naming the first operation that does not fit.
    pub fn fold<I>(environment: &EnvironmentName, operations: I) -> Result<Self, FoldError>
    where
        I: IntoIterator,
        I::Item: Borrow<Operation>,
    {
        let mut state = Self::new(environment.clone());
        for operation in operations {
            state.apply(operation.borrow())?;
        }
        Ok(state)
    }

    /// Takes in the next operation. On an error the state is unchanged.
    ///
    /// # Errors
    /// [`FoldError`] when the operation does not fit.
    pub fn apply(&mut self, operation: &Operation) -> Result<(), FoldError> {
        self.check(operation)?;
        self.take(operation);
        Ok(())
    }

    /// Whether the operation may follow.
    pub(crate) fn check(&self, operation: &Operation) -> Result<(), FoldError> {
        let Operation { format, number, environment, at, by: _, fence, kind } = operation;
        let (number, at) = (*number, *at);
        if *format != OPERATION_FORMAT {
            return Err(FoldError::Format { number, found: *format });
        }
        if number != self.last + 1 {
            return Err(FoldError::Gap { expected: self.last + 1, found: number });
        }
        if *environment != self.environment {
            return Err(FoldError::Environment {
                number,
                expected: self.environment.clone(),
                found: environment.clone(),
            });
        }
        match kind {
            OperationKind::Committed(committed) => {
                self.check_fence(number, *fence)?;
                self.check_commit(number, committed)
            }
            OperationKind::Finished { generation, .. } => {
                self.check_fence(number, *fence)?;
                let pending = self.pending.as_ref().map(|pending| pending.committed.generation);
                if pending == Some(*generation) {
                    Ok(())
                } else {
                    Err(FoldError::NotPending { number, generation: *generation, pending })
                }
            }
            OperationKind::Locked { takes_over, .. } => match (&self.lock, takes_over) {
                (None, None) => Ok(()),
                (Some(lock), Some(claimed)) if lock.fence == *claimed && lock.is_expired(at) => Ok(()),
                (Some(lock), _) => Err(FoldError::Held {
                    number,
                    holder: lock.holder.clone(),
                    fence: lock.fence,
                    until: lock.until,
                }),
                (None, Some(claimed)) => Err(FoldError::NothingToTakeOver { number, claimed: *claimed }),
            },
            OperationKind::Renewed { lease, .. } | OperationKind::Unlocked { lease, forced: None } => {
                self.check_held(number, lease)?;
                self.check_fence(number, *fence)
            }
            OperationKind::Unlocked { lease, forced: Some(_) } => self.check_held(number, lease),
            // Anyone may remark on a locked environment: a note changes nothing.
            OperationKind::Noted { .. } => Ok(()),
        }
    }

    fn check_fence(&self, number: u64, carried: u64) -> Result<(), FoldError> {
        let current = self.lock.as_ref().map(|lock| lock.fence);
        if carried == current.unwrap_or(0) {
            Ok(())
        } else {
            Err(FoldError::Fence { number, carried, current })
        }
    }

    fn check_held(&self, number: u64, lease: &LeaseId) -> Result<(), FoldError> {
        match &self.lock {
            Some(lock) if lock.lease == *lease => Ok(()),
            _ => Err(FoldError::NotHeld { number, lease: lease.clone() }),
        }
    }

    fn check_commit(&self, number: u64, committed: &crate::Committed) -> Result<(), FoldError> {
        if let Some(pending) = &self.pending {
            return Err(FoldError::Unfinished {
                number,
                generation: committed.generation,
                pending: pending.committed.generation,
            });
        }
        if committed.generation <= self.generation {
            return Err(FoldError::GenerationNotIncreasing {
                number,
                generation: committed.generation,
                highest: self.generation,
            });
        }
        let serving = self.serving.as_ref().map(|serving| serving.generation);
        if committed.parent != serving {
            return Err(FoldError::Parent { number, parent: committed.parent, serving });
        }
        match committed.intent {
            Intent::Apply | Intent::Down => Ok(()),
            Intent::Revert { to: target } | Intent::Restore { of: target } => match self.entry(target) {
                Some(entry) if entry.committed.release == committed.release => Ok(()),
                _ => Err(FoldError::Target { number, target }),
            },
        }
    }

    fn take(&mut self, operation: &Operation) {
        let Operation { format: _, number, environment: _, at, by, fence: _, kind } = operation;
        let (number, at) = (*number, *at);
        match kind {
            OperationKind::Committed(committed) => {
                self.generation = committed.generation;
                self.pending = Some(Pending { committed: committed.clone(), at, by: by.clone(), number });
                self.history.push(Entry {
                    committed: committed.clone(),
                    number,
                    at,
                    by: by.clone(),
                    finish: None,
                });
            }
            OperationKind::Finished { generation: _, outcome } => self.finish(outcome, at, by, number),
            OperationKind::Locked { lease, holder, until, reason, takes_over: _ } => {
                self.lock = Some(Lock {
                    lease: lease.clone(),
                    fence: number,
                    holder: holder.clone(),
                    by: by.clone(),
                    at,
                    until: *until,
                    reason: reason.clone(),
                });
            }
            OperationKind::Renewed { lease: _, until } => {
                if let Some(lock) = &mut self.lock {
                    lock.until = *until;
                }
            }
            OperationKind::Unlocked { .. } => self.lock = None,
            OperationKind::Noted { .. } => {}
        }
        self.last = number;
    }

    fn finish(&mut self, outcome: &Outcome, at: u64, by: &crate::Author, number: u64) {
        let Some(pending) = self.pending.take() else { return };
        if let Some(entry) = self.history.last_mut() {
            entry.finish = Some(Finish { outcome: outcome.clone(), at, by: by.clone(), number });
        }
        match outcome {
            Outcome::Applied { .. } => {
                self.stuck = None;
                self.serving = match pending.committed.intent {
                    Intent::Down => None,
                    Intent::Apply | Intent::Revert { .. } | Intent::Restore { .. } => Some(Serving {
                        generation: pending.committed.generation,
                        release: pending.committed.release,
                        plan: pending.committed.plan,
                        at,
                        by: pending.by,
                    }),
                };
            }
            Outcome::Stuck { .. } => self.stuck = Some(pending.committed.generation),
            Outcome::Failed { .. } | Outcome::Reverted { .. } | Outcome::Aborted { .. } => {}
        }
    }
}
