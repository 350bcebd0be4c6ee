//! What to run and how.

use crate::{Backoff, LogPolicy};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

/// Everything that decides how a process is started, kept and stopped.
#[derive(Clone)]
pub struct Spec {
    /// Name of the instance, unique on this host; names the control group and stands in messages.
    pub id: String,
    /// The program. With a slash it is a path, relative to `directory`; without one it is looked up in `PATH` of `env`.
    pub program: PathBuf,
    /// Arguments after the program's own name.
    pub args: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Working directory; must exist.
    pub directory: PathBuf,
    /// The user to become; `None` keeps the supervisor's own.
    pub user: Option<User>,
    /// Where standard output and standard error go.
    pub log: LogPolicy,
    /// Resource limits.
    pub limits: Limits,
    /// How to stop it.
    pub stop: StopPolicy,
    /// What to do when it ends by itself.
    pub restart: Restart,
}

impl fmt::Debug for Spec {
    /// Shows the names of the environment variables and hides their values: some of them are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, program, args, env, directory, user, log, limits, stop, restart } = self;
        f.debug_struct("Spec")
            .field("id", id)
            .field("program", program)
            .field("args", args)
            .field("env", &env.keys().collect::<Vec<_>>())
            .field("directory", directory)
            .field("user", user)
            .field("log", log)
            .field("limits", limits)
            .field("stop", stop)
            .field("restart", restart)
            .finish()
    }
}

/// A user to run as. Supplementary groups are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Limits of one process and everything it starts; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory, swap included.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU.
    pub cpu_millis: Option<u32>,
    /// Number of processes and threads.
    pub pids: Option<u32>,
}

/// How to ask a process to end, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPolicy {
    /// The signal that asks.
    pub signal: StopSignal,
    /// How long it may take before everything is killed.
    pub grace: Duration,
}

impl Default for StopPolicy {
    /// SIGTERM and ten seconds.
    fn default() -> Self {
        Self { signal: StopSignal::Term, grace: Duration::from_secs(10) }
    }
}

/// Signals that programs take as a request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSignal {
    /// SIGTERM
    Term,
    /// SIGINT
    Int,
    /// SIGQUIT
    Quit,
    /// SIGHUP
    Hup,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
    /// SIGWINCH
    Winch,
}

impl StopSignal {
    pub(crate) fn signal(self) -> rustix::process::Signal {
        use rustix::process::Signal;
        match self {
            Self::Term => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Hup => Signal::HUP,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
            Self::Winch => Signal::WINCH,
        }
    }
}

/// What to do when a process ends by itself, with any code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Leave it ended.
    Never,
    /// Start it again after a pause.
    Backoff(Backoff),
}
