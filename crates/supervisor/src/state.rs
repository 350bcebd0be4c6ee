//! What an instance is doing.

use crate::{Exit, Identity, Stopped};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// Where an instance stands in its life.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// The program is being started.
    Starting,
    /// It runs.
    Running {
        /// Since when it is known to run.
        since: SystemTime,
        /// Was it started by an earlier supervisor?
        adopted: bool,
    },
    /// It ended by itself and stays ended, because its policy is [`crate::Restart::Never`].
    Exited {
        /// How it ended.
        exit: Exit,
        /// How long it ran.
        ran: Duration,
    },
    /// It ended by itself and will be started again.
    Backoff {
        /// How it ended.
        exit: Exit,
        /// When it will be started again.
        until: tokio::time::Instant,
    },
    /// It ended too often and stays ended.
    CrashLoop {
        /// How it ended the last time.
        exit: Exit,
        /// Exits within the window of its policy.
        failures: u32,
    },
    /// It was asked to stop.
    Stopping,
    /// It was stopped.
    Stopped(Stopped),
}

impl State {
    /// Will the instance stay as it is unless somebody asks for something?
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Exited { .. } | Self::CrashLoop { .. } | Self::Stopped(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Running { .. } => f.write_str("running"),
            Self::Exited { exit, ran } => write!(f, "{exit} after {} ms", ran.as_millis()),
            Self::Backoff { exit, .. } => write!(f, "{exit}; will be started again"),
            Self::CrashLoop { exit, failures } => {
                write!(
                    f,
                    "crash loop: {exit}, for the {failures}. time in a short while; it is not started again"
                )
            }
            Self::Stopping => f.write_str("stopping"),
            Self::Stopped(stopped) => write!(f, "stopped: {stopped}"),
        }
    }
}

/// An instance as its owner sees it. A `watch` receiver may miss states that pass quickly; the counters here do not lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// The process, while there is one. Write it down whenever it changes: it is what makes adoption possible.
    pub identity: Option<Identity>,
    /// How often it ended by itself since this supervisor owns it.
    pub exits: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// How it ended the last time.
    pub last_exit: Option<Exit>,
    /// What was asked for and could not be had, in words: limits that are not enforced.
    pub notes: Vec<String>,
}
