//! What the agent is started with.

use std::{path::PathBuf, time::Duration};

/// Everything that [`crate::run`] needs to know.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// The directory that holds all state of this host. One agent at a time owns it.
    pub home: PathBuf,
    /// The program that becomes the edge when it is started with `edge --home <home>`.
    pub executable: PathBuf,
    /// Version of the binary, for [`fairway_protocol::agent::AgentInfo`].
    pub version: String,
    /// How long things may take.
    pub timing: Timing,
    /// Environment variables that every instance gets unless its release says otherwise; usually `PATH` and `LANG`
    /// of whoever started the agent.
    pub inherited: Vec<(String, String)>,
    /// Environment variables that the edge gets beside those: what it takes to reach a store, and only that.
    pub edge: Vec<(String, String)>,
}

/// How the names of variables begin that are for the edge.
const OF_THE_EDGE: [&str; 1] = ["AWS_"];

impl AgentSettings {
    /// Settings with the usual timing, and `PATH`, `LANG` and `TZ` of this process; its `AWS_…` for the edge.
    #[must_use]
    pub fn new(home: PathBuf, executable: PathBuf, version: impl Into<String>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
        let path = variable("PATH").unwrap_or_else(|| ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()));
        let lang = variable("LANG").unwrap_or_else(|| ("LANG".into(), "C.UTF-8".into()));
        let inherited = [Some(path), Some(lang), variable("TZ")].into_iter().flatten().collect();
        let edge = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| OF_THE_EDGE.iter().any(|prefix| name.starts_with(prefix)))
            .collect();
        Self { home, executable, version: version.into(), timing: Timing::default(), inherited, edge }
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a release that has not switched lives after its caller was last heard of.
    pub lease: Duration,
    /// How long a baked release waits for the request to retire what is old before it does so by itself.
    pub baked: Duration,
    /// Time between two looks at the edge's counters during a bake or a drain.
    pub watch: Duration,
    /// Time between two comparisons of the edge's table with what it should be.
    pub reconcile: Duration,
    /// How long the edge may take to start and to answer.
    pub edge: Duration,
    /// How long a migration or seed command may run.
    pub one_shot: Duration,
    /// How many releases are kept so that a revert finds everything it needs.
    pub kept_releases: usize,
    /// How long an artifact or secret that no release names stays after it arrived or was asked for.
    pub arrivals: Duration,
    /// The restart counter of instances: first pause after an unwanted end.
    pub first_restart: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            baked: Duration::from_secs(600),
            watch: Duration::from_millis(100),
            reconcile: Duration::from_secs(2),
            edge: Duration::from_secs(10),
            one_shot: Duration::from_secs(600),
            kept_releases: 5,
            arrivals: Duration::from_secs(3600),
            first_restart: Duration::from_millis(200),
        }
    }
}
