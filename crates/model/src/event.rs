//! What happens, as it happens.

use crate::{Millis, Phase, ServiceName};
use serde::{Deserialize, Serialize};

/// One thing that happened on the way of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Position in the release's sequence of events, from 1 without gaps.
    pub sequence: u64,
    /// Milliseconds since the Unix epoch, by the target's clock.
    pub at: u64,
    /// The service it concerns.
    pub service: Option<ServiceName>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventKind {
    /// The release entered a phase.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// A step began.
    StepStarted {
        /// [`crate::StepKind::verb`] of the step.
        step: String,
    },
    /// A step ended well.
    StepDone {
        /// [`crate::StepKind::verb`] of the step.
        step: String,
        /// How long it took.
        took: Millis,
        /// What it found, in a few words.
        detail: String,
    },
    /// A step failed.
    StepFailed {
        /// [`crate::StepKind::verb`] of the step.
        step: String,
        /// Why, in a sentence.
        message: String,
    },
    /// Something worth a line.
    Note {
        /// The line.
        message: String,
    },
}
