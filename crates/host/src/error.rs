//! Why an agent did not do what it was asked.

use fairway_model::Failure;
use fairway_target::TargetError;
use std::path::PathBuf;

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Nobody listens on the socket.
    #[error("no agent answers on {}: {reason}", socket.display())]
    Absent {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The connection broke or what came was no answer of this API. What the agent did is not known; asking again is safe.
    #[error("the agent on {} gave no complete answer: {reason}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// The agent speaks another version of the API.
    #[error(
        "the agent (version {version}, process {pid}) speaks API {theirs} and this client speaks API {ours}; nothing was \
         changed. Stop that agent with its own version (its instances keep running) and let this version start a new one"
    )]
    Version {
        /// Version of the agent's binary.
        version: String,
        /// The agent's process.
        pid: u32,
        /// The API that the agent speaks.
        theirs: u32,
        /// The API that this client speaks.
        ours: u32,
    },
    /// The agent was started and did not come up.
    #[error("the agent did not start: {reason}{}", tail(log))]
    NotStarted {
        /// What happened.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The agent answered that it will not or could not.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// Something on the caller's side could not be read.
    #[error("{what} cannot be read; nothing was sent")]
    Local {
        /// What.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

fn tail(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!("; its log ends with:\n  {}", log.join("\n  ")) }
}

impl HostError {
    /// The failure that the agent reported, if it answered.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Asking again may help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::Broken { .. })
    }

    pub(crate) fn into_target(self, target: String) -> TargetError {
        match self {
            Self::Failed(failure) => TargetError::Failed(failure),
            Self::Local { ref source, .. } => {
                TargetError::Unreachable { target, reason: format!("{self}: {source}") }
            }
            other => TargetError::Unreachable { target, reason: other.to_string() },
        }
    }
}
