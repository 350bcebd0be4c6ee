//! One running instance: its process and its probes, seen as one thing.

use crate::{environment::Fitness, trust};
use fairway_model::{InstanceState, ProbeReport, ProcessSpec};
use fairway_supervisor::{
    Exit, Identity, Instance, State, Status, StopError, Stopped,
    probe::{self, ProbeKind, ProbeResult, Prober},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

/// A process that serves nothing is taken for ready when it has run for so long.
const WORKER_SETTLES: Duration = Duration::from_millis(500);

/// How an instance is, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Health {
    /// What it is doing.
    pub(crate) condition: Condition,
    /// Its process, while there is one.
    pub(crate) identity: Option<Identity>,
    /// How often it ended by itself since this agent looks after it.
    pub(crate) exits: u64,
    /// How often it was started again since then.
    pub(crate) restarts: u64,
    /// How it ended the last time.
    pub(crate) last_exit: Option<Exit>,
    /// The last answer of its readiness probe, or of the liveness probe that ended it.
    pub(crate) probe: Option<ProbeReport>,
    /// Time from the start of the present process to its first readiness.
    pub(crate) ready_after: Option<Duration>,
    /// Limits that are not enforced, in words.
    pub(crate) notes: Vec<String>,
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// It runs and has not been ready yet.
    Starting,
    /// It runs, has not been ready yet, and its time for that is over.
    Late,
    /// It is ready.
    Ready,
    /// It was ready and is not any more.
    Unready,
    /// It ended and will be started again.
    Restarting,
    /// It ended too often and is not started any more.
    CrashLoop,
    /// It was stopped.
    Stopped,
}

/// One running instance.
#[derive(Debug)]
pub(crate) struct Managed {
    instance: Arc<Instance>,
    health: watch::Receiver<Health>,
    watcher: tokio::task::JoinHandle<()>,
    /// It is on its way out: it finishes its requests.
    draining: AtomicBool,
    /// It is being stopped; too late to change one's mind.
    stopping: AtomicBool,
    /// Held by the one who drains and stops it.
    pub(crate) dismissal: Mutex<()>,
}

impl Managed {
    /// Looks after a process that runs already.
    pub(crate) fn new(instance: Instance, spec: &ProcessSpec, address: Option<SocketAddr>) -> Self {
        let instance = Arc::new(instance);
        let status = instance.status();
        let (sender, health) = watch::channel(seen(&status, Condition::Starting));
        let probes = Probes::of(spec, address);
        let watcher = tokio::spawn(watch_over(Arc::clone(&instance), probes, sender));
        Self {
            instance,
            health,
            watcher,
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            dismissal: Mutex::new(()),
        }
    }

    /// How it is now.
    pub(crate) fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// How it is, as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// How it is, as far as routing minds.
    pub(crate) fn fitness(&self) -> Fitness {
        match self.health.borrow().condition {
            Condition::Ready => Fitness::Ready,
            Condition::Starting | Condition::Late | Condition::Unready => Fitness::Running,
            Condition::Restarting | Condition::CrashLoop | Condition::Stopped => Fitness::Gone,
        }
    }

    /// Marks it as finishing its requests, or not.
    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Release);
    }

    /// Marks it as being stopped.
    pub(crate) fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// It is being stopped; it cannot be used again.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Stops it for good.
    pub(crate) async fn stop(&self) -> Result<Stopped, StopError> {
        self.set_stopping();
        self.instance.stop().await
    }

    /// How it is, in the words of the model.
    pub(crate) fn state(&self) -> InstanceState {
        let health = self.health.borrow();
        let reason = || match (&health.last_exit, &health.probe) {
            (Some(exit), _) => exit.to_string(),
            (None, Some(probe)) => describe(probe),
            (None, None) => "unknown".to_owned(),
        };
        match health.condition {
            Condition::Stopped => InstanceState::Stopped,
            _ if self.draining.load(Ordering::Acquire) => InstanceState::Draining,
            Condition::Starting => InstanceState::Starting,
            Condition::Ready => InstanceState::Ready,
            Condition::Late | Condition::Unready => {
                let reason =
                    health.probe.as_ref().map_or_else(|| "its probe was not answered".to_owned(), describe);
                InstanceState::Unready { reason }
            }
            Condition::Restarting => InstanceState::Restarting { reason: reason() },
            Condition::CrashLoop => InstanceState::CrashLoop { reason: reason() },
        }
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// A probe in one sentence.
pub(crate) fn describe(probe: &ProbeReport) -> String {
    let ProbeReport { url, status, body, error, hint: _ } = probe;
    match (status, error) {
        (Some(status), _) if body.trim().is_empty() => format!("{url} answered {status}"),
        (Some(status), _) => format!("{url} answered {status}: {}", body.trim()),
        (None, Some(error)) => format!("{url}: {error}"),
        (None, None) => format!("{url} accepted a connection"),
    }
}

fn report(result: ProbeResult) -> ProbeReport {
    let ProbeResult { ok: _, url, status, body, error, duration: _, hint } = result;
    ProbeReport { url, status, body, error, hint }
}

/// What is asked of an instance.
struct Probes {
    ready: Option<(probe::ProbeSpec, SocketAddr)>,
    live: Option<(probe::ProbeSpec, SocketAddr)>,
    secure: Option<probe::Secure>,
}

impl Probes {
    fn of(spec: &ProcessSpec, address: Option<SocketAddr>) -> Self {
        let Some(address) = address else { return Self { ready: None, live: None, secure: None } };
        let start_deadline = Some(spec.probes.start_deadline.into());
        let http = |probe: &fairway_model::ProbeSpec| probe::ProbeSpec {
            kind: ProbeKind::Http { path: probe.path.clone(), host: None },
            interval: probe.interval.into(),
            timeout: probe.timeout.into(),
            rise: probe.rise,
            fall: probe.fall,
            start_deadline,
        };
        let tcp = || probe::ProbeSpec {
            kind: ProbeKind::Tcp,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 1,
            fall: 3,
            start_deadline,
        };
        Self {
            ready: Some((spec.probes.ready.as_ref().map_or_else(tcp, http), address)),
            live: spec.probes.live.as_ref().map(|probe| (http(probe), address)),
            secure: spec.probes.tls.as_ref().map(trust::secure),
        }
    }
}

fn seen(status: &Status, condition: Condition) -> Health {
    Health {
        condition,
        identity: status.identity.clone(),
        exits: status.exits,
        restarts: status.restarts,
        last_exit: status.last_exit.clone(),
        probe: None,
        ready_after: None,
        notes: status.notes.clone(),
    }
}

/// Follows the process through its lives; each life has probes of its own.
async fn watch_over(instance: Arc<Instance>, probes: Probes, health: watch::Sender<Health>) {
    let mut process = instance.watch();
    loop {
        let status = process.borrow_and_update().clone();
        match &status.state {
            State::Running { .. } => {
                one_life(&instance, &mut process, &status, &probes, &health).await;
                continue;
            }
            State::Starting => {}
            State::Backoff { .. } | State::Exited { .. } => gone(&health, &status, Condition::Restarting),
            State::CrashLoop { .. } => gone(&health, &status, Condition::CrashLoop),
            State::Stopped(_) => gone(&health, &status, Condition::Stopped),
            // It still answers; what the probes said last stands until it is gone.
            State::Stopping => {}
        }
        if process.changed().await.is_err() {
            return;
        }
    }
}

fn gone(health: &watch::Sender<Health>, status: &Status, condition: Condition) {
    health.send_modify(|health| {
        let probe = health.probe.take();
        *health = Health { probe, ..seen(status, condition) };
    });
}

/// From the start of a process to its end.
async fn one_life(
    instance: &Instance,
    process: &mut watch::Receiver<Status>,
    status: &Status,
    probes: &Probes,
    health: &watch::Sender<Health>,
) {
    let began = Instant::now();
    let pid = status.identity.as_ref().map(|identity| identity.pid);
    let ask = |(spec, address): &(probe::ProbeSpec, SocketAddr)| {
        Prober::start(spec.clone(), *address, probes.secure.clone(), move || pid)
    };
    let ready = probes.ready.as_ref().map(ask);
    let mut readiness = ready.as_ref().map(Prober::watch);
    let mut live: Option<Prober> = None;
    let mut liveness: Option<watch::Receiver<probe::ProbeState>> = None;
    health.send_modify(|health| {
        let probe = health.probe.take();
        *health = Health { probe, ..seen(status, Condition::Starting) };
    });
    let settled = tokio::time::sleep(WORKER_SETTLES);
    tokio::pin!(settled);
    let mut is_settled = false;
    loop {
        tokio::select! {
            changed = process.changed() => {
                let same_life = process.borrow().identity == status.identity
                    && matches!(process.borrow().state, State::Running { .. });
                if changed.is_err() || !same_life {
                    return;
                }
            }
            () = &mut settled, if readiness.is_none() && !is_settled => {
                is_settled = true;
                health.send_modify(|health| {
                    health.condition = Condition::Ready;
                    health.ready_after = Some(began.elapsed());
                });
            }
            () = news(&mut readiness) => {
                let Some(state) = readiness.as_mut().map(|watch| watch.borrow_and_update().clone()) else { continue };
                judge(health, state, began);
            }
            () = news(&mut liveness) => {
                let Some(state) = liveness.as_mut().map(|watch| watch.borrow_and_update().clone()) else { continue };
                if matches!(state.health, probe::Health::Bad | probe::Health::Late) {
                    let answer = state.last.map(report);
                    let reason = answer.as_ref().map_or_else(|| "no answer".to_owned(), describe);
                    tracing::warn!(instance = instance.id(), %reason, "the liveness probe fails; starting it again");
                    health.send_modify(|health| health.probe = answer);
                    if let Err(error) = instance.restart().await {
                        tracing::error!(instance = instance.id(), %error, "it could not be stopped");
                    }
                    return;
                }
            }
        }
        // An instance that has never been ready may be slow; only its start deadline judges it until then.
        let has_been_ready = health.borrow().ready_after.is_some();
        if live.is_none() && has_been_ready {
            live = probes.live.as_ref().map(ask);
            liveness = live.as_ref().map(Prober::watch);
        }
    }
}

async fn news(watch: &mut Option<watch::Receiver<probe::ProbeState>>) {
    let over = match watch {
        Some(watch) => watch.changed().await.is_err(),
        None => true,
    };
    if over {
        std::future::pending::<()>().await;
    }
}

fn judge(health: &watch::Sender<Health>, state: probe::ProbeState, began: Instant) {
    let condition = match state.health {
        probe::Health::Starting => Condition::Starting,
        probe::Health::Late => Condition::Late,
        probe::Health::Good => Condition::Ready,
        probe::Health::Bad => Condition::Unready,
    };
    let answer = state.last.map(report);
    health.send_if_modified(|health| {
        let first = condition == Condition::Ready && health.ready_after.is_none();
        let changed = health.condition != condition;
        health.condition = condition;
        health.probe = answer;
        if first {
            health.ready_after = Some(began.elapsed());
        }
        // A probe that says the same again wakes nobody.
        changed
    });
}
