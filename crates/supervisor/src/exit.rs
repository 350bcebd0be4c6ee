//! How a process ended.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// How a process ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The kernel killed it because its memory limit was reached.
    OutOfMemory {
        /// The limit in bytes.
        limit: Option<u64>,
    },
    /// It ended; the code went to another parent, because the process was adopted.
    Unknown,
    /// It could not be started again.
    NotStarted {
        /// Why, as [`crate::StartError`] says it.
        reason: String,
    },
}

impl Exit {
    /// Did it end with code 0?
    #[must_use]
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "was ended by {}", signal.as_str()),
                Err(_) => write!(f, "was ended by signal {number}"),
            },
            Self::OutOfMemory { limit: Some(limit) } => {
                write!(
                    f,
                    "was killed by the kernel: it needed more than its memory limit of {} MiB",
                    limit >> 20
                )
            }
            Self::OutOfMemory { limit: None } => {
                f.write_str("was killed by the kernel: its memory limit was reached")
            }
            Self::Unknown => f.write_str(
                "ended; its exit code is not known, because it was started by an earlier supervisor",
            ),
            Self::NotStarted { reason } => write!(f, "could not be started: {reason}"),
        }
    }
}

/// A process that was stopped on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Whether it went by itself.
    pub how: How,
    /// Time from the request to the moment when nothing of it was left.
    pub after: Duration,
}

/// Whether a stopped process went by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It ended within its grace, or had ended before.
    Exited(Exit),
    /// It, or something it had started, was still there at the deadline and was killed.
    Killed,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Exited(exit) => {
                write!(f, "{exit}, {} ms after it was asked to stop", self.after.as_millis())
            }
            How::Killed => {
                write!(f, "did not end in time and was killed after {} ms", self.after.as_millis())
            }
        }
    }
}
