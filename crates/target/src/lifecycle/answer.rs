//! What the lifecycle answers: to offers, to requests, and to the question what is to be done.

use fairway_model::{Failure, Generation, Phase};

#[cfg(doc)]
use super::Lifecycle;
#[cfg(doc)]
use fairway_model::FailureKind;

/// What became of an offered assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// It is accepted and in [`Phase::Preparing`]: begin with [`Action::Prepare`].
    New {
        /// A release whose lease had run out and that was aborted to make room: clean up after it.
        aborted: Option<Generation>,
        /// The serving release that is now superseded: tell whoever waits for it.
        superseded: Option<Generation>,
    },
    /// It was accepted before and has not failed; join what is going on. In [`Phase::Preparing`] that is waiting.
    Same(Phase),
    /// Older than what was accepted, or of the same generation with other content. [`FailureKind::Stale`].
    Stale(Box<Failure>),
    /// Another release is before its switch and its caller is alive. [`FailureKind::WrongPhase`].
    Busy(Box<Failure>),
    /// The same assignment was accepted before and has ended badly; this is how.
    Ended(Box<Failure>),
    /// Plan and release do not belong together, or are for another environment. [`FailureKind::Invalid`].
    Invalid(Box<Failure>),
}

/// Whether a request has work left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Do it, or go on doing it; the phase says that it is being done.
    Do,
    /// It has been done; answer with the status.
    Done,
}

/// Something a target has to do. Repeating an action is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the release ready beside what runs, then [`Lifecycle::on_prepared`] or [`Lifecycle::on_failed`].
    Prepare(Generation),
    /// Move all routes to the release, then [`Lifecycle::on_switched`].
    Switch(Generation),
    /// The time of the bake has passed: look once more, then [`Lifecycle::on_baked`] or [`Lifecycle::on_trouble`].
    EndBake(Generation),
    /// Move the routes back, then [`Lifecycle::on_reverted`] or [`Lifecycle::on_stuck`].
    SwitchBack {
        /// The release in trouble.
        from: Generation,
        /// The release that served before it.
        to: Generation,
    },
    /// Drain and stop what [`Lifecycle::keep`] does not name, then [`Lifecycle::on_retired`].
    Retire(Generation),
    /// Stop, without ceremony, what was started for a release that has ended and that [`Lifecycle::keep`] does not name.
    CleanUp(Generation),
}
