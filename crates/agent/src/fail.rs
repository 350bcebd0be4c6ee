//! Failures in the words that callers see.

use fairway_model::{Failure, FailureKind};
use std::{fmt, io};

/// What an operation leaves as it was, as long as nothing has been switched.
pub(crate) const NOTHING_MOVED: &str = "Routes, running instances and their data are as they were";

/// Something that the machine refused.
pub(crate) fn machine(what: impl fmt::Display, error: &io::Error) -> Failure {
    let next = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the host and try again",
        io::ErrorKind::PermissionDenied => {
            "Check who owns the agent's home directory and as whom the agent runs"
        }
        _ => "Check the host and the agent's log, then try again",
    };
    Failure::new(FailureKind::Machine, format!("{what}: {error}"), NOTHING_MOVED, next)
}

/// A request that cannot be carried out as it is.
pub(crate) fn invalid(message: impl Into<String>, next: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid, message, NOTHING_MOVED, next)
}

/// A request that does not fit the phase.
pub(crate) fn wrong_phase(message: impl Into<String>, next: impl Into<String>) -> Failure {
    Failure::new(FailureKind::WrongPhase, message, NOTHING_MOVED, next)
}

/// A defect of the agent.
pub(crate) fn internal(message: impl fmt::Display) -> Failure {
    Failure::new(
        FailureKind::Internal,
        format!("the agent failed: {message}"),
        "What already runs keeps running",
        "Look into agent.log in the agent's home directory and report it",
    )
}

/// The chain of causes of an error in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
