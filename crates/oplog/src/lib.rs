//! Operations, and the fold that turns them into an environment's state; the algebra of revert and restore.
//!
//! An environment is the fold of its log. The log is a sequence of [`Operation`]s, numbered from 1 without gaps;
//! whoever stores it promises one thing only: *create number n if it is absent*. Everything else follows from it:
//!
//! * **Order.** Two writers that fold the same log build an operation with the same number, and one of them wins.
//!   The other folds again, and its constructor now tells what has moved ([`Refusal`]).
//! * **Commit, then realise.** [`commit`] writes the intent before anything is touched; [`finish`] writes what came
//!   of it. Between the two the release is *pending*, and nothing else can be committed: whoever comes next finishes
//!   it first. A release serves only after an operation says [`Outcome::Applied`].
//! * **Locks are operations.** [`acquire`] writes a lease with a time of expiry; the number of that operation is the
//!   *fence* that everything written under the lease carries. A holder that slept through the loss of its lease
//!   carries an older fence: the constructors refuse it, and a log that contains such an operation does not fold.
//! * **Going back is going on.** [`revert_target`] and [`restore_target`] point at an older release; bringing it
//!   back is a new plan with a new generation. The log is never rewritten.
//!
//! The constructors are pure: time, identity and lease come in with a [`Writer`], the operation goes out. Each
//! checks what it writes by folding it, so no constructor can write what the fold would reject.
//!
//! ```text
//! 1 locked     lease L1                                    fence 0
//! 2 committed  generation 1, release A, parent none        fence 1
//! 3 finished   generation 1, applied        -> serving 1   fence 1
//! 4 unlocked   lease L1                                    fence 1
//! 5 committed  generation 2, release B, parent 1           fence 0
//! 6 finished   generation 2, failed         -> serving 1   fence 0
//! ```

mod codec;
mod commit;
mod fold;
mod lease;
mod operation;
mod refusal;
mod revert;
mod state;
mod when;

pub use codec::DecodeError;
pub use commit::{Draft, commit, finish, note};
pub use fold::FoldError;
pub use lease::{LockRequest, acquire, release, renew, unlock};
pub use operation::{
    Author, Committed, Intent, LeaseId, OPERATION_FORMAT, Operation, OperationKind, Outcome, Source, Via,
};
pub use refusal::{Refusal, Stale};
pub use revert::{RevertTarget, TargetError, restore_target, revert_target};
pub use state::{Entry, Finish, Lock, Pending, Serving, State, Writer};
pub use when::When;
