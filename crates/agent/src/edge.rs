//! The edge as this host's agent sees it: a process that is kept running and a control API.
//!
//! The edge does not depend on the agent. It is started in a session of its own, serves its last tables from its own
//! disk when it is started again, and outlives the agent. The agent watches its process, starts it again when it ends,
//! and compares its tables with what they should be whenever that has happened, and every now and then.
//!
//! An edge of another version than the agent's own program is succeeded by one of this version, which takes the
//! listeners over from it. The old one is let go: it finishes what is under way and ends by itself. If that does not
//! work the old one serves on.

use crate::{AgentSettings, disk, disk::Survives, fail, home::Home};
use fairway_edge::client::{Client, ClientError};
use fairway_protocol::edge::{Applied, CertificateList, EdgeInfo, Problem, Stats, TableList};
use fairway_route::Table;
use fairway_supervisor::{
    Adoption, Backoff, GiveUp, Identity, Instance, Limits, LogPolicy, Restart, Spec, State, Status,
    StopPolicy, find_by_env, log,
};
use std::{path::PathBuf, time::Duration};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

/// The variable by which an edge is found again that was started just before the agent was killed.
const TAG: &str = "FAIRWAY_EDGE_HOME";

/// Why the edge did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    /// It refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// It gave no answer; asking again is safe.
    #[error("the edge cannot be reached")]
    Unreachable {
        /// What happened on the way.
        #[source]
        source: Box<ClientError>,
    },
    /// It could not be started.
    #[error("the edge does not start: {why}")]
    NotStarted {
        /// Why, with the last lines of its log.
        why: String,
    },
}

impl From<ClientError> for EdgeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(problem) => Self::Refused(Box::new(problem)),
            source => Self::Unreachable { source: Box::new(source) },
        }
    }
}

/// The edge of this host.
#[derive(Debug)]
pub(crate) struct Edge {
    client: Client,
    spec: Spec,
    journal: PathBuf,
    limit: Duration,
    /// The version of the agent's own program, which is the edge's too.
    version: String,
    process: Mutex<Option<Instance>>,
    status: watch::Sender<Option<Status>>,
}

impl Edge {
    pub(crate) fn new(home: &Home, settings: &AgentSettings) -> Self {
        let mut env: std::collections::BTreeMap<String, String> =
            settings.inherited.iter().chain(&settings.edge).cloned().collect();
        env.insert(TAG.into(), home.root().display().to_string());
        let home_argument = home.short().display().to_string();
        let args = ["edge", "--home", &home_argument, "--take-over"].map(str::to_owned).to_vec();
        let backoff = Backoff {
            initial: Duration::from_millis(10),
            max: Duration::from_secs(5),
            give_up: GiveUp { failures: None, ..Backoff::default().give_up },
            ..Backoff::default()
        };
        let spec = Spec {
            id: "edge".into(),
            program: settings.executable.clone(),
            args,
            env,
            directory: home.root().to_owned(),
            user: None,
            log: LogPolicy::new(home.edge_log()),
            limits: Limits::default(),
            stop: StopPolicy::default(),
            restart: Restart::Backoff(backoff),
        };
        Self {
            client: Client::new(home.edge_socket()).with_limit(settings.timing.edge),
            spec,
            journal: home.edge_journal(),
            limit: settings.timing.edge,
            version: settings.version.clone(),
            process: Mutex::new(None),
            status: watch::Sender::new(None),
        }
    }

    /// Takes over the edge that runs, or starts one, and waits until it answers.
    pub(crate) async fn ensure(&self) -> Result<EdgeInfo, EdgeError> {
        let mut process = self.process.lock().await;
        let begins = process.is_none();
        if begins {
            let known: Option<Identity> = disk::read_json(&self.journal).ok().flatten();
            let known =
                known.filter(Identity::is_running).or_else(|| find_by_env(TAG, &self.spec.env[TAG]).pop());
            let adopted = known.and_then(|identity| match Instance::adopt(&identity, self.spec.clone()) {
                Adoption::Adopted(instance) => Some(instance),
                Adoption::Gone => None,
            });
            let instance = match adopted {
                Some(instance) => instance,
                None => Instance::start(self.spec.clone())
                    .await
                    .map_err(|error| EdgeError::NotStarted { why: fail::chain(&error) })?,
            };
            self.follow(&instance);
            *process = Some(instance);
        }
        let exits = process.as_ref().map_or(0, |instance| instance.status().exits);
        if !begins {
            drop(process);
            return self.answers(exits).await;
        }
        let info = self.answers(exits).await?;
        // Whoever adopts a process that is on its way out, because its successor was not written down in time, looks
        // after the wrong one.
        let known = process.as_ref().and_then(|instance| instance.status().identity);
        if known.is_some_and(|known| known.pid != info.pid)
            && let Ok(identity) = Identity::of(info.pid)
            && let Adoption::Adopted(instance) = Instance::adopt(&identity, self.spec.clone())
        {
            self.follow(&instance);
            *process = Some(instance);
        }
        if info.version == self.version {
            return Ok(info);
        }
        match self.succeed(&mut process, &info).await {
            Ok(info) => Ok(info),
            Err(error) => {
                let (old, new, error) = (&info.version, &self.version, fail::chain(&error));
                tracing::error!(old, new, error, "the edge of the other version serves on");
                Ok(info)
            }
        }
    }

    /// Starts an edge that takes over from the one that runs.
    async fn succeed(&self, process: &mut Option<Instance>, old: &EdgeInfo) -> Result<EdgeInfo, EdgeError> {
        tracing::info!(old = old.version, new = self.version, "the edge is succeeded by one of this version");
        let successor = Instance::start(self.spec.clone())
            .await
            .map_err(|error| EdgeError::NotStarted { why: fail::chain(&error) })?;
        let deadline = Instant::now() + self.limit;
        loop {
            let status = successor.status();
            if let Ok(info) = self.client.info().await
                && status.identity.is_some_and(|identity| identity.pid == info.pid)
            {
                self.follow(&successor);
                // Letting go of the old one does not stop it.
                *process = Some(successor);
                return Ok(info);
            }
            if status.exits > 0 || Instant::now() >= deadline {
                let lines = log::tail(&self.spec.log.path, 5).unwrap_or_default().join(" | ");
                if let Err(error) = successor.stop().await {
                    tracing::error!(error = %fail::chain(&error), "the successor is left");
                }
                return Err(EdgeError::NotStarted { why: format!("its log ends with: {lines}") });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it answers.
    async fn answers(&self, exits_before: u64) -> Result<EdgeInfo, EdgeError> {
        let deadline = Instant::now() + self.limit;
        loop {
            let error = match self.client.info().await {
                Ok(info) => return Ok(info),
                Err(error) => error,
            };
            let status = self.status.borrow().clone();
            let ended = status.is_some_and(|status| status.exits > exits_before + 2);
            if ended || Instant::now() >= deadline {
                let lines = log::tail(&self.spec.log.path, 5).unwrap_or_default().join(" | ");
                return Err(EdgeError::NotStarted {
                    why: format!("{}; its log ends with: {lines}", fail::chain(&error)),
                });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Writes down who the edge is, whenever that changes.
    fn follow(&self, instance: &Instance) {
        let (mut process, status, journal) = (instance.watch(), self.status.clone(), self.journal.clone());
        let write_down = move |now: Status| {
            if let Some(identity) = &now.identity
                && let Err(error) = disk::write_json(&journal, identity, Survives::Process)
            {
                tracing::error!(%error, "the edge's process could not be written down");
            }
            status.send_replace(Some(now));
        };
        // At once, so that it is never the one before this one that is written down last.
        write_down(process.borrow_and_update().clone());
        tokio::spawn(async move {
            while process.changed().await.is_ok() {
                write_down(process.borrow_and_update().clone());
            }
        });
    }

    /// What the edge's process does, as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Status>> {
        self.status.subscribe()
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let status = self.status.borrow();
        let status = status.as_ref().filter(|status| matches!(status.state, State::Running { .. }))?;
        status.identity.as_ref().map(|identity| identity.pid)
    }

    /// Stops it.
    pub(crate) async fn stop(&self) -> Result<(), EdgeError> {
        let process = self.process.lock().await;
        let Some(process) = process.as_ref() else { return Ok(()) };
        process.stop().await.map_err(|error| EdgeError::NotStarted { why: fail::chain(&error) })?;
        let _ = disk::remove(&self.journal);
        Ok(())
    }

    /// Makes a table serve.
    pub(crate) async fn put_table(&self, table: &Table) -> Result<Applied, EdgeError> {
        Ok(self.client.apply(table).await?)
    }

    /// The table that serves an environment.
    pub(crate) async fn table(&self, environment: &str) -> Result<Option<Table>, EdgeError> {
        Ok(self.client.table(environment).await?)
    }

    /// What went through.
    pub(crate) async fn stats(&self, environment: Option<&str>) -> Result<Stats, EdgeError> {
        Ok(self.client.stats(environment).await?)
    }

    /// The heads of the tables that serve.
    pub(crate) async fn tables(&self) -> Result<TableList, EdgeError> {
        Ok(self.client.tables().await?)
    }

    /// The certificates of all environments; none when the edge is too old to say.
    pub(crate) async fn certificates(&self) -> Result<Option<CertificateList>, EdgeError> {
        Ok(self.client.certificates().await?)
    }

    /// Who answers.
    pub(crate) async fn info(&self) -> Result<EdgeInfo, EdgeError> {
        Ok(self.client.info().await?)
    }

    /// Ends what does not end by itself on a draining instance.
    pub(crate) async fn close(&self, environment: &str, id: &str, grace: Duration) -> Result<(), EdgeError> {
        self.client.close_instance(environment, id, grace).await?;
        Ok(())
    }

    /// Removes an environment's routes.
    pub(crate) async fn remove(&self, environment: &str, generation: u64) -> Result<(), EdgeError> {
        Ok(self.client.remove(environment, generation).await?)
    }
}
