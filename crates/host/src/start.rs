//! Starting an agent that outlives whoever starts it.

use crate::{HostError, wire};
use fairway_protocol::agent::{API_VERSION, AgentInfo};
use fairway_supervisor::{Exit, Limits, LogPolicy, Process, Restart, Spec, StopPolicy, log};
use http::Method;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// How long a started agent may take to answer. It answers after it has looked at everything it takes over.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// How to start an agent.
#[derive(Debug, Clone)]
pub(crate) struct Starter {
    pub(crate) home: PathBuf,
    pub(crate) executable: PathBuf,
}

impl Starter {
    /// Who answers; an agent is started when nobody does.
    pub(crate) async fn ensure(&self) -> Result<AgentInfo, HostError> {
        match info(&wire::socket_of(&self.home)).await {
            Err(error) if error.is_passing() => {}
            other => return other,
        }
        let process = self.start().await?;
        let (ended, mut end) = tokio::sync::oneshot::channel();
        // Whoever starts a process has to wait for it, or it stays in the process table after its end.
        tokio::spawn(async move { ended.send(process.wait().await) });
        let deadline = Instant::now() + ANSWERS_WITHIN;
        let mut exit: Option<Exit> = None;
        loop {
            let error = match info(&wire::socket_of(&self.home)).await {
                Err(error) if error.is_passing() => error,
                other => return other,
            };
            if let Some(exit) = &exit {
                // Perhaps it found another agent that was being started; that one gets its time.
                if Instant::now() >= deadline {
                    return Err(self.failed(format!("it {exit}")));
                }
            } else if let Ok(ended) = end.try_recv() {
                let other_owner = self.log().iter().any(|line| line.contains("another agent"));
                if !other_owner {
                    return Err(self.failed(format!("it {ended}")));
                }
                exit = Some(ended);
            }
            if Instant::now() >= deadline {
                return Err(
                    self.failed(format!("it did not answer within {} s: {error}", ANSWERS_WITHIN.as_secs()))
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn log_path(&self) -> PathBuf {
        self.home.join("agent.log")
    }

    fn log(&self) -> Vec<String> {
        log::tail(&self.log_path(), 10).unwrap_or_default()
    }

    fn failed(&self, reason: String) -> HostError {
        HostError::NotStarted { reason, log: self.log() }
    }

    async fn start(&self) -> Result<Process, HostError> {
        let refused = |reason: String| HostError::NotStarted { reason, log: Vec::new() };
        make_passable(&self.home)
            .map_err(|error| refused(format!("its home {} cannot be made: {error}", self.home.display())))?;
        let home = self.home.canonicalize().map_err(|error| refused(error.to_string()))?;
        let spec = Spec {
            id: "fairway-agent".into(),
            program: self.executable.clone(),
            args: vec!["agent".into(), "--home".into(), home.display().to_string()],
            env: std::env::vars().collect(),
            directory: home.clone(),
            user: None,
            log: LogPolicy::new(self.log_path()),
            limits: Limits::default(),
            stop: StopPolicy::default(),
            restart: Restart::Never,
        };
        Process::start(&spec).await.map_err(|error| {
            let mut reason = error.to_string();
            if let Some(source) = std::error::Error::source(&error) {
                reason = format!("{reason}: {source}");
            }
            refused(reason)
        })
    }
}

/// Others may pass through: a database server may have to run as a user of its own.
fn make_passable(home: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(home)
}

/// Who answers, and whether we understand each other.
pub(crate) async fn info(socket: &Path) -> Result<AgentInfo, HostError> {
    let response = wire::send(socket, Method::GET, "/v1/agent", &wire::Payload::Empty).await?;
    let (_, bytes) = wire::answer(socket, response).await?;
    let info: AgentInfo = wire::decode(socket, &bytes)?;
    if info.api != API_VERSION {
        return Err(HostError::Version {
            version: info.version,
            pid: info.pid,
            theirs: info.api,
            ours: API_VERSION,
        });
    }
    Ok(info)
}
