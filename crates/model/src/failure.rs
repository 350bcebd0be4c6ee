//! What went wrong on a target, complete enough to act on without logging in there.

use crate::{Generation, ServiceName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What went wrong, what was not changed, and what helps to find out why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What kind of failure, for programs.
    pub kind: FailureKind,
    /// The service it concerns.
    pub service: Option<ServiceName>,
    /// The instance it concerns.
    pub instance: Option<String>,
    /// What happened, in one sentence.
    pub message: String,
    /// What was not changed, in one sentence.
    pub unchanged: String,
    /// What to do next, in one sentence.
    pub next: String,
    /// The last log lines of the failing instance or command.
    pub log: Vec<String>,
    /// The last probe, when one failed.
    pub probe: Option<ProbeReport>,
}

impl Failure {
    /// A failure with a sentence and nothing else to show.
    #[must_use]
    pub fn new(
        kind: FailureKind,
        message: impl Into<String>,
        unchanged: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            service: None,
            instance: None,
            message: message.into(),
            unchanged: unchanged.into(),
            next: next.into(),
            log: Vec::new(),
            probe: None,
        }
    }

    /// The same failure, about this service.
    #[must_use]
    pub fn of_service(mut self, service: &ServiceName) -> Self {
        self.service = Some(service.clone());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is older than what the target has accepted.
    Stale {
        /// The generation that was offered.
        offered: Generation,
        /// The generation that the target has.
        current: Generation,
    },
    /// The request does not fit the phase that the release is in.
    WrongPhase,
    /// The request is malformed or asks for what this target cannot do.
    Invalid,
    /// An artifact or secret that the release needs has not arrived.
    Missing,
    /// The database server, a database or a login could not be provided.
    Database,
    /// A migration or seed command failed.
    Migration,
    /// An instance ended or did not become ready.
    Start,
    /// The edge could not be configured.
    Edge,
    /// Trouble was seen during the bake.
    Bake,
    /// The caller went away and its lease ran out.
    Lease,
    /// Another release took over.
    Superseded,
    /// The target's machine refused: disk, permissions, limits.
    Machine,
    /// A defect of the target itself.
    Internal,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeReport {
    /// The URL that was asked.
    pub url: String,
    /// The status, when there was an answer.
    pub status: Option<u16>,
    /// The first bytes of the answer's body.
    pub body: String,
    /// Why there was no answer.
    pub error: Option<String>,
    /// What usually helps with this.
    pub hint: Option<String>,
}
