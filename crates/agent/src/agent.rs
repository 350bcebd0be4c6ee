//! The agent itself: its environments, and what concerns all of them.

use crate::{
    AgentError, AgentSettings, artifacts::Artifacts, databases::Databases, disk, edge::Edge,
    environment::Environment, fail, home::Home, machine::Machine, ports::Ports,
};
use fairway_model::{EnvironmentName, Failure};
use fairway_protocol::agent::{API_VERSION, AgentInfo};
use fairway_supervisor::{LogPolicy, cgroup::Cgroups};
use futures::future;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// What happens to instances, edge and database server when the agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// They go on.
    Keep,
    /// They are stopped.
    Stop,
}

/// The agent of one host.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) machine: Arc<Machine>,
    environments: Mutex<BTreeMap<EnvironmentName, Arc<Environment>>>,
    began: Instant,
    /// Cancelled when the agent is to end.
    pub(crate) end: CancellationToken,
    ending: Mutex<Ending>,
    /// What this machine cannot do.
    notes: OnceLock<Vec<String>>,
    /// Held while the private database server is being looked after.
    databases: tokio::sync::Mutex<()>,
}

impl Agent {
    /// Reads the journals. Nothing is started or changed yet.
    pub(crate) fn load(home: Home, settings: AgentSettings) -> Result<Arc<Self>, AgentError> {
        let path = settings.inherited.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        let machine = Arc::new(Machine {
            artifacts: Artifacts::new(&home),
            ports: Ports::default(),
            edge: Edge::new(&home, &settings),
            databases: Databases::new(&home, path),
            garbage: tokio::sync::Notify::new(),
            home,
            settings,
        });
        let mut environments = BTreeMap::new();
        let directory = machine.home.journals();
        let names = disk::names(&directory)
            .map_err(|source| AgentError::Journal { path: directory.clone(), source })?;
        for name in names {
            let path = directory.join(name);
            let loaded = Environment::load(&path, Arc::clone(&machine));
            if let Some(environment) = loaded.map_err(|source| AgentError::Journal { path, source })? {
                environments.insert(environment.name().clone(), environment);
            }
        }
        Ok(Arc::new(Self {
            machine,
            environments: Mutex::new(environments),
            began: Instant::now(),
            end: CancellationToken::new(),
            ending: Mutex::new(Ending::Keep),
            notes: OnceLock::new(),
            databases: tokio::sync::Mutex::default(),
        }))
    }

    /// Takes over what runs and goes on where an earlier agent was.
    pub(crate) async fn recover(self: &Arc<Self>) {
        if let Err(error) = self.machine.edge.ensure().await {
            tracing::error!(error = %fail::chain(&error), "the edge does not run; it is tried again");
        }
        let _ = self.notes.set(Cgroups::detect().missing().await);
        let environments = self.environments();
        self.keep_databases();
        future::join_all(environments.iter().map(Environment::recover)).await;
        self.watch_edge();
        self.collect_artifacts();
    }

    /// The private database server is started again when it has given up or does not run. Beside everything else: a
    /// server that recovers from a crash takes its time.
    fn keep_databases(self: &Arc<Self>) {
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(_alone) = agent.databases.try_lock() else { return };
            let mut needed = false;
            for environment in agent.environments() {
                needed |= environment.needs_private_server().await;
            }
            // A server that is not there yet is made by the release that needs it.
            if needed
                && agent.machine.databases.has_private()
                && let Err(failure) = agent.machine.databases.private(None).await
            {
                tracing::error!(%failure, "the database server does not run");
            }
        });
    }

    /// Every environment.
    pub(crate) fn environments(&self) -> Vec<Arc<Environment>> {
        self.lock().values().cloned().collect()
    }

    /// An environment that this host knows.
    pub(crate) fn environment(&self, name: &EnvironmentName) -> Option<Arc<Environment>> {
        self.lock().get(name).cloned()
    }

    /// An environment, known or new.
    pub(crate) fn environment_or_new(&self, name: &EnvironmentName) -> Arc<Environment> {
        let mut environments = self.lock();
        let environment = environments.entry(name.clone()).or_insert_with(|| {
            let environment = Environment::new(name.clone(), Arc::clone(&self.machine));
            environment.keep();
            environment
        });
        Arc::clone(environment)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<EnvironmentName, Arc<Environment>>> {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an environment down; `purge` forgets it.
    pub(crate) async fn destroy(
        self: &Arc<Self>,
        name: &EnvironmentName,
        purge: bool,
    ) -> Result<(), Failure> {
        let Some(environment) = self.environment(name) else { return Ok(()) };
        environment.destroy(purge).await?;
        if purge {
            self.lock().remove(name);
        }
        let mut needed = false;
        for environment in self.environments() {
            needed |= environment.needs_private_server().await;
        }
        if !needed && self.machine.databases.has_private() {
            self.machine.databases.stop().await?;
        }
        Ok(())
    }

    /// Who answers.
    pub(crate) fn info(&self) -> AgentInfo {
        AgentInfo {
            api: API_VERSION,
            version: self.machine.settings.version.clone(),
            pid: std::process::id(),
            postgres_pid: self.machine.databases.pid(),
            edge_pid: self.machine.edge.pid(),
            uptime_seconds: self.began.elapsed().as_secs(),
            home: self.machine.home.root().display().to_string(),
            notes: self.notes.get().cloned().unwrap_or_default(),
        }
    }

    /// After each start of the edge, and every now and then, every environment's table is compared.
    fn watch_edge(self: &Arc<Self>) {
        let agent = Arc::clone(self);
        let mut status = self.machine.edge.watch();
        let pause = self.machine.settings.timing.reconcile;
        let watching = async move {
            loop {
                status.borrow_and_update();
                if let Err(error) = agent.machine.edge.ensure().await {
                    tracing::error!(error = %fail::chain(&error), "the edge does not answer");
                }
                agent.keep_databases();
                for environment in agent.environments() {
                    let reviving = Arc::clone(&environment);
                    tokio::spawn(async move { reviving.revive().await });
                    if let Err(failure) = environment.reconcile().await {
                        let environment = environment.name();
                        tracing::warn!(%environment, %failure, "the edge does not have the right table yet");
                    }
                }
                agent.rotate_log();
                tokio::select! {
                    changed = status.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(pause) => {}
                }
            }
        };
        let end = self.end.clone();
        tokio::spawn(async move { end.run_until_cancelled(watching).await });
    }

    /// The agent's own log, when whoever started it has put it into its home.
    fn rotate_log(&self) {
        let policy = LogPolicy::new(self.machine.home.root().join("agent.log"));
        if policy.path.is_file()
            && let Err(error) = fairway_supervisor::log::rotate(&policy)
        {
            tracing::warn!(%error, "agent.log could not be rotated");
        }
    }

    /// Artifacts are shared by all environments, so they are collected here.
    fn collect_artifacts(self: &Arc<Self>) {
        let agent = Arc::clone(self);
        let collecting = async move {
            loop {
                agent.machine.garbage.notified().await;
                let mut keep = BTreeSet::new();
                for environment in agent.environments() {
                    keep.extend(environment.needed_artifacts().await);
                }
                let arrivals = agent.machine.settings.timing.arrivals;
                match agent.machine.artifacts.collect(&keep, arrivals) {
                    Ok(removed) if removed.is_empty() => {}
                    Ok(removed) => {
                        tracing::info!(count = removed.len(), "artifacts that no release needs were removed")
                    }
                    Err(error) => tracing::warn!(%error, "old artifacts are left"),
                }
            }
        };
        let end = self.end.clone();
        tokio::spawn(async move { end.run_until_cancelled(collecting).await });
    }

    /// Asks the agent to end.
    pub(crate) fn shut_down(&self, ending: Ending) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = ending;
        self.end.cancel();
    }

    /// What is done last, after the control socket was closed.
    pub(crate) async fn finish(&self) {
        let ending = *self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let environments = self.environments();
        environments.iter().for_each(|environment| environment.close());
        if ending == Ending::Keep {
            return;
        }
        // The edge first: clients see a closed port and not an error of a service that is being stopped.
        if let Err(error) = self.machine.edge.stop().await {
            tracing::error!(error = %fail::chain(&error), "the edge could not be stopped");
        }
        future::join_all(environments.iter().map(|environment| environment.stop_instances())).await;
        if self.machine.databases.has_private()
            && let Err(failure) = self.machine.databases.stop().await
        {
            tracing::error!(%failure, "the database server could not be stopped");
        }
    }
}
