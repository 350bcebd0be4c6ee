//! One environment of this host.
//!
//! An [`Environment`] is its journal, its running instances and one *keeper*: a task that does what time brings
//! (leases, bakes, deadlines). Requests change the journal first, through [`Environment::change`], and act then;
//! whatever was begun is found in the journal again after the agent was killed, and [`Environment::recover`] goes on
//! with it.

mod bake;
mod command;
mod databases;
mod destroy;
mod garbage;
mod gate;
pub(crate) mod journal;
mod observe;
mod prepare;
mod recover;
mod requests;
mod retire;
mod routes;
mod start;
mod switch;
mod table;
pub(crate) mod traffic;

pub(crate) use table::Fitness;

use crate::{clock, disk, disk::Survives, fail, instance::Managed, machine::Machine};
use fairway_model::{EnvironmentName, EventKind, Failure, Generation, Millis, Phase, ServiceName};
use fairway_route::Table;
use fairway_target::lifecycle::Action;
use journal::Journal;
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex as StdMutex},
    time::Duration,
};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

/// One environment of this host.
#[derive(Debug)]
pub(crate) struct Environment {
    name: EnvironmentName,
    machine: Arc<Machine>,
    journal: Mutex<Journal>,
    instances: StdMutex<BTreeMap<String, Arc<Managed>>>,
    /// The table that the edge has, as far as is known. Whoever puts one holds this lock while it does.
    table: Mutex<Option<Table>>,
    /// What the edge had counted at the last switch.
    at_switch: StdMutex<Option<gate::AtSwitch>>,
    /// Ends the preparation of a release.
    preparing: StdMutex<Option<(Generation, CancellationToken)>>,
    /// Held while a release is prepared; whoever cleans up after one waits for it.
    preparation: Mutex<()>,
    /// Counts changes, for those who wait for one.
    changed: watch::Sender<u64>,
    /// Wakes the keeper.
    wake: Notify,
    /// Ends the keeper and everything that watches.
    closed: CancellationToken,
    /// What ran before this agent has been taken over. Until then nobody else puts a table: it would leave out
    /// instances that run and are not known yet.
    recovered: watch::Sender<bool>,
}

impl Environment {
    /// An environment that has never had a release.
    pub(crate) fn new(name: EnvironmentName, machine: Arc<Machine>) -> Arc<Self> {
        let lease = Millis::from(machine.settings.timing.lease);
        let journal = Journal::new(name.clone(), lease);
        Self::with(name, machine, journal, true)
    }

    /// An environment as its journal has it. Call [`Environment::recover`] next.
    pub(crate) fn load(path: &Path, machine: Arc<Machine>) -> io::Result<Option<Arc<Self>>> {
        let Some(mut journal) = disk::read_json::<Journal>(path)? else { return Ok(None) };
        if journal.format != journal::JOURNAL_FORMAT {
            let message = format!(
                "its format is {}, this version reads format {}",
                journal.format,
                journal::JOURNAL_FORMAT
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        journal.lifecycle.lease = Millis::from(machine.settings.timing.lease);
        for port in journal.edge_ports() {
            machine.ports.remember(port);
        }
        for port in journal.instances.values().filter_map(|record| record.port) {
            machine.ports.remember(port);
        }
        let name = journal.lifecycle.environment.clone();
        Ok(Some(Self::with(name, machine, journal, false)))
    }

    fn with(name: EnvironmentName, machine: Arc<Machine>, journal: Journal, recovered: bool) -> Arc<Self> {
        Arc::new(Self {
            name,
            machine,
            journal: Mutex::new(journal),
            instances: StdMutex::default(),
            table: Mutex::new(None),
            at_switch: StdMutex::default(),
            preparing: StdMutex::default(),
            preparation: Mutex::default(),
            changed: watch::Sender::new(0),
            wake: Notify::new(),
            closed: CancellationToken::new(),
            recovered: watch::Sender::new(recovered),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &EnvironmentName {
        &self.name
    }

    /// Changes the journal and writes it down. The change stands in memory also when the disk refuses.
    async fn try_change<R>(
        &self,
        survives: Survives,
        change: impl FnOnce(&mut Journal, u64) -> R,
    ) -> io::Result<R> {
        let mut journal = self.journal.lock().await;
        let answer = change(&mut journal, clock::now());
        let path = self.machine.home.journal(&self.name);
        let bytes = serde_json::to_vec(&*journal).map_err(io::Error::other)?;
        // The lock is held over the write, so that the file never goes back to an older state.
        let written = match tokio::task::spawn_blocking(move || disk::write(&path, &bytes, survives)).await {
            Ok(written) => written,
            Err(error) => Err(io::Error::other(error)),
        };
        drop(journal);
        self.announce();
        written.map(|()| answer)
    }

    /// The same where there is nobody to tell: a refusing disk is logged, and the next change tries again.
    async fn change<R: Default>(&self, survives: Survives, change: impl FnOnce(&mut Journal, u64) -> R) -> R {
        let mut answer = None;
        let written = self.try_change(survives, |journal, now| answer = Some(change(journal, now))).await;
        if let Err(error) = written {
            tracing::error!(environment = %self.name, %error, "the journal could not be written; a restart of the agent would not know of the last change");
        }
        answer.unwrap_or_default()
    }

    /// Tells everybody who waits that something has changed.
    fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
        self.wake.notify_one();
    }

    /// Adds an event to a release.
    async fn record(&self, generation: Generation, service: Option<&ServiceName>, kind: EventKind) {
        self.change(Survives::Process, |journal, now| {
            journal.lifecycle.record(generation, now, service.cloned(), kind);
        })
        .await;
    }

    /// Adds a line to a release and to the agent's log.
    async fn note(&self, generation: Generation, service: Option<&ServiceName>, message: String) {
        tracing::info!(environment = %self.name, %generation, service = service.map(ServiceName::as_str), "{message}");
        self.record(generation, service, EventKind::Note { message }).await;
    }

    fn managed(&self, id: &str) -> Option<Arc<Managed>> {
        self.lock_instances().get(id).cloned()
    }

    fn lock_at_switch(&self) -> std::sync::MutexGuard<'_, Option<gate::AtSwitch>> {
        self.at_switch.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lock_instances(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Managed>>> {
        self.instances.lock().expect("nobody panics while holding this lock")
    }

    /// Begins to look after the environment.
    pub(crate) fn keep(self: &Arc<Self>) {
        let environment = Arc::clone(self);
        tokio::spawn(async move {
            let closed = environment.closed.clone();
            closed.run_until_cancelled(environment.keeper()).await;
        });
    }

    async fn keeper(self: Arc<Self>) {
        loop {
            let actions = self.due().await;
            for action in actions {
                self.act(action);
            }
            let pause = self.watch_bake().await;
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What time has brought.
    async fn due(&self) -> Vec<Action> {
        let now = clock::now();
        let baked = Millis::from(self.machine.settings.timing.baked).0;
        let unretired = |journal: &Journal| {
            let entry = journal.lifecycle.serving()?;
            let waited = entry.phase == Phase::Baked && entry.since.saturating_add(baked) <= now;
            (waited && journal.lifecycle.pending().is_none()).then(|| entry.generation())
        };
        {
            let journal = self.journal.lock().await;
            let deadline = journal.lifecycle.next_deadline().is_some_and(|at| at <= now);
            let newest = journal.lifecycle.accepted();
            let orphan = journal.lifecycle.pending().is_none()
                && journal
                    .lifecycle
                    .serving()
                    .is_some_and(|entry| entry.phase == Phase::Baked && entry.generation() < newest);
            if !deadline && !orphan && unretired(&journal).is_none() {
                return Vec::new();
            }
        }
        self.change(Survives::Machine, |journal, now| {
            let mut actions = journal.lifecycle.tick(now);
            if let Some(generation) = unretired(journal)
                && journal.lifecycle.begin_retire(generation, now).is_ok()
            {
                actions.push(Action::Retire(generation));
            }
            actions
        })
        .await
    }

    /// Does what the lifecycle asks for, in a task of its own.
    fn act(self: &Arc<Self>, action: Action) {
        let environment = Arc::clone(self);
        match action {
            Action::Prepare(generation) => self.begin_prepare(generation),
            Action::Switch(generation) => {
                self.spawn(generation, async move {
                    // The failure is in the journal; whoever asks for the status gets it.
                    let _ = environment.switch(generation).await;
                });
            }
            Action::EndBake(generation) => {
                self.spawn(generation, async move { environment.end_bake(generation).await })
            }
            Action::SwitchBack { from, to } => {
                self.spawn(from, async move { environment.switch_back(from, to).await });
            }
            Action::Retire(generation) => {
                self.spawn(generation, async move { environment.retire(generation).await })
            }
            Action::CleanUp(generation) => {
                self.cancel_preparation(generation);
                self.spawn(generation, async move { environment.clean_up(generation).await });
            }
        }
    }

    /// Runs a piece of work; a defect in it becomes the release's failure and not silence.
    fn spawn(self: &Arc<Self>, generation: Generation, work: impl Future<Output = ()> + Send + 'static) {
        let environment = Arc::clone(self);
        tokio::spawn(async move {
            let work = tokio::spawn(work);
            if let Err(error) = work.await {
                tracing::error!(environment = %environment.name, %generation, %error, "defect");
                let failure = fail::internal(error);
                environment
                    .change(Survives::Machine, |journal, now| {
                        journal.lifecycle.on_failed(generation, now, failure);
                    })
                    .await;
            }
        });
    }

    /// Waits until `ready` finds something, looking again after every change; `None` when the time is over.
    async fn wait_for<R>(&self, limit: Duration, mut ready: impl FnMut(&Journal) -> Option<R>) -> Option<R> {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = ready(&*self.journal.lock().await) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.ok()
    }

    /// Lets go of everything without stopping it.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }
}

/// The answer about a release that is not known.
pub(crate) fn unknown(environment: &EnvironmentName, generation: Generation) -> Failure {
    fail::wrong_phase(
        format!("release {generation} of {environment} is not known on this host"),
        "Prepare it first",
    )
}
