//! Leases: a lock with a time of expiry and a fencing number.
//!
//! A lease is taken with [`acquire`], kept alive with [`renew`] (a third of its length is a good rhythm) and given
//! back with [`release`]. When its holder dies, the lease runs out and the next [`acquire`] takes it over; the log
//! shows from whom. Clocks of different machines decide only *when* a lease may be taken over. That nobody writes
//! under a lease that was lost is decided by fences, which are numbers of the log and need no clock: a holder that is
//! late but was not replaced may go on, one that was replaced may not.

use crate::{LeaseId, Lock, Operation, OperationKind, Refusal, State, Writer};

/// What a lock is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// A new random identity.
    pub lease: LeaseId,
    /// Who holds it, as people know them: `ana on laptop-3`.
    pub holder: String,
    /// Milliseconds since the Unix epoch after which anyone may take it over.
    pub until: u64,
    /// What for: `apply`, `deploy freeze for the audit`.
    pub reason: String,
}

/// The operation that takes the lock; it takes over one that has expired. [`Writer::lease`] plays no part in it.
/// Once it is stored, the writer holds [`LockRequest::lease`].
///
/// # Errors
/// [`Refusal::Locked`] when someone holds the lock, also when that is the same lease: take it once and renew it.
pub fn acquire(state: &State, writer: &Writer, request: LockRequest) -> Result<Operation, Refusal> {
    let LockRequest { lease, holder, until, reason } = request;
    let takes_over = match &state.lock {
        None => None,
        Some(lock) if lock.is_expired(writer.now) => Some(lock.fence),
        Some(lock) => return Err(state.locked(lock, writer.now)),
    };
    state.write(writer, 0, OperationKind::Locked { lease, holder, until, reason, takes_over })
}

/// The operation that extends the writer's lease. A lease that has run out can be renewed as long as nobody took it over.
///
/// # Errors
/// [`Refusal::LeaseLost`] when it was taken over or taken away, [`Refusal::NotLocked`] when the writer has no lease.
pub fn renew(state: &State, writer: &Writer, until: u64) -> Result<Operation, Refusal> {
    let (lease, fence) = held(state, writer)?;
    state.write(writer, fence, OperationKind::Renewed { lease, until })
}

/// The operation that gives the writer's lease back.
///
/// # Errors
/// As for [`renew`].
pub fn release(state: &State, writer: &Writer) -> Result<Operation, Refusal> {
    let (lease, fence) = held(state, writer)?;
    state.write(writer, fence, OperationKind::Unlocked { lease, forced: None })
}

/// The operation that takes the lock away from whoever holds it. The holder finds out with its next operation.
///
/// # Errors
/// [`Refusal::NotLocked`] when there is no lock.
pub fn unlock(state: &State, writer: &Writer, reason: impl Into<String>) -> Result<Operation, Refusal> {
    let Some(lock) = &state.lock else {
        return Err(Refusal::NotLocked { environment: state.environment.clone() });
    };
    state.write(
        writer,
        state.fence_of(writer).unwrap_or(0),
        OperationKind::Unlocked { lease: lock.lease.clone(), forced: Some(reason.into()) },
    )
}

fn held(state: &State, writer: &Writer) -> Result<(LeaseId, u64), Refusal> {
    match &writer.lease {
        Some(lease) => Ok((lease.clone(), state.fence_of(writer)?)),
        None => Err(Refusal::NotLocked { environment: state.environment.clone() }),
    }
}

impl State {
    pub(crate) fn locked(&self, lock: &Lock, now: u64) -> Refusal {
        Refusal::Locked {
            environment: self.environment.clone(),
            holder: lock.holder.clone(),
            reason: lock.reason.clone(),
            since: lock.at,
            until: lock.until,
            expired: lock.is_expired(now),
        }
    }
}
