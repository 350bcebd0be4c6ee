//! The certificates of an edge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use fairway_model::traffic::{AcmeChallenge, Certificate, CertificateSource, ListenerTls};
use fairway_protocol::edge::CertificateStatus;
use rustls::ServerConfig;
use rustls::server::{ProducesTickets, ResolvesServerCert};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::acme::{Challenges, Context};
use crate::clock;
use crate::config;
use crate::local::Authority;
use crate::serving::{Index, Offer, Rank, Resolver};
use crate::settings::Settings;
use crate::unit::Unit;
use crate::work::{self, Outcome, Tools};
use crate::worker;

/// The certificates of an edge: shared by its workers, cheap to clone. When the last clone is dropped, the work behind
/// them stops; `shutdown` also lets it clean up.
#[derive(Clone, Debug)]
pub struct Certificates {
    inner: Arc<Inner>,
}

/// Why there can be no certificates at all.
#[derive(Debug, thiserror::Error)]
#[error("this machine gives no random numbers, so sessions can't be protected; nothing was started")]
pub struct StartError(#[source] rustls::Error);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    tickets: Arc<dyn ProducesTickets>,
    ending: watch::Sender<bool>,
    worker: Mutex<Option<JoinHandle<()>>>,
    shutdown_limit: Duration,
    /// Held while an environment's set is replaced.
    applying: tokio::sync::Mutex<()>,
    /// When it was last looked what other edges answer; held while that is done.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

/// The least time between two looks for other edges' answers.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What the task and its owner share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tools: Tools,
    pub(crate) wake: Notify,
    resolver: Arc<Resolver>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    units: BTreeMap<String, Unit>,
    environments: BTreeMap<String, Vec<String>>,
    /// The names that each unit serves.
    serving: BTreeMap<String, BTreeSet<String>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(worker) = lock(&self.worker).take() {
            worker.abort();
        }
    }
}

impl Certificates {
    /// Starts without any certificate. The work behind them runs on the runtime that this is called on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings {
            directory,
            storage,
            poll,
            look,
            hook_limit,
            attempt_limit,
            turn,
            shutdown_limit,
            local_lifetime,
        } = settings;
        let (ending, told) = watch::channel(false);
        let challenges = Arc::new(Challenges::default());
        let acme = Context {
            challenges: challenges.clone(),
            hook_limit,
            attempt_limit,
            turn,
            accounts: Arc::default(),
            ending: told.clone(),
        };
        let shared = Arc::new(Shared {
            tools: Tools {
                directory,
                acme,
                local: storage,
                poll,
                look,
                local_lifetime,
                orders: Arc::default(),
            },
            wake: Notify::new(),
            resolver: Arc::new(Resolver { index: ArcSwap::default(), challenges }),
            state: Mutex::default(),
            changes: watch::channel(0).0,
        });
        let tickets = rustls::crypto::ring::Ticketer::new().map_err(StartError)?;
        let worker = tokio::spawn(worker::run(shared.clone(), told));
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                tickets,
                ending,
                worker: Mutex::new(Some(worker)),
                shutdown_limit,
                applying: tokio::sync::Mutex::default(),
                looked: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Replaces the certificates of one environment; those of others are not touched. What was there already and is
    /// wanted again stays as it is. When it returns, files are read, local certificates are made, and names that wait
    /// for an ACME server have what was issued earlier or a self-signed stand-in.
    ///
    /// `secrets` is the directory with the values of the secrets that the entries name.
    ///
    /// The answer is what is wrong, one line for each entry with a problem. A broken entry does not keep the others
    /// from serving, and it is tried again.
    pub async fn apply(
        &self,
        environment: &str,
        wanted: &[Certificate],
        secrets: Option<&Path>,
    ) -> Vec<String> {
        let _one_at_a_time = self.inner.applying.lock().await;
        let shared = &self.inner.shared;
        let mut ids: Vec<String> = Vec::new();
        let mut new = Vec::new();
        for certificate in wanted {
            let storage = shared.tools.storage(&certificate.source, secrets);
            let (mut unit, wrong) = match Unit::new(certificate, secrets, storage) {
                Ok(unit) => (unit, None),
                Err(wrong) => {
                    let (unit, error) = *wrong;
                    (unit, Some(error))
                }
            };
            if ids.contains(&unit.id) {
                continue;
            }
            ids.push(unit.id.clone());
            if lock(&shared.state).units.contains_key(&unit.id) {
                continue;
            }
            match wrong {
                None => work::begin(&shared.tools, &mut unit).await,
                Some(error) => {
                    unit.due = None;
                    unit.problem = Some(format!("{error}; {}", unit.goes_on()));
                }
            }
            new.push(unit);
        }
        // Together with the environment's list: what no environment lists is forgotten.
        let mut state = lock(&shared.state);
        state.units.extend(new.into_iter().map(|unit| (unit.id.clone(), unit)));
        state.environments.insert(environment.to_owned(), ids);
        shared.publish(&mut state);
        let problems = state.problems(environment);
        drop(state);
        shared.wake.notify_one();
        problems
    }

    /// Removes the certificates of an environment. Connections that are open stay.
    pub async fn remove(&self, environment: &str) {
        let _one_at_a_time = self.inner.applying.lock().await;
        let mut state = lock(&self.inner.shared.state);
        if state.environments.remove(environment).is_some() {
            self.inner.shared.publish(&mut state);
        }
    }

    /// How it stands with every certificate of every environment, in their order.
    pub fn status(&self) -> Vec<CertificateStatus> {
        lock(&self.inner.shared.state).status()
    }

    /// How orders of ACME servers ended since the start: issued, and failed.
    pub fn orders(&self) -> (u64, u64) {
        let orders = &self.inner.shared.tools.orders;
        (orders.issued.load(Ordering::Relaxed), orders.failed.load(Ordering::Relaxed))
    }

    /// Tries now what failed for an environment and waits for its next attempt. For people who have mended the cause.
    pub fn retry(&self, environment: &str) {
        let mut state = lock(&self.inner.shared.state);
        let State { units, environments, .. } = &mut *state;
        for id in environments.get(environment).into_iter().flatten() {
            if let Some(unit) = units.get_mut(id)
                && unit.failures.failed > 0
                && unit.due.is_some()
            {
                unit.due = Some(0);
                unit.urgent = true;
                // Whoever asks for it knows of everything that failed until now, on other edges too.
                unit.failures.last = clock::now();
            }
        }
        drop(state);
        self.inner.shared.wake.notify_one();
    }

    /// Counts up with each change of what is served or of what is wrong, so that one can wait for it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.shared.changes.subscribe()
    }

    /// What to answer to `GET /.well-known/acme-challenge/{token}` (200, `application/octet-stream`), whatever the
    /// host. None: it is not ours, and the request goes where others go.
    pub fn http01(&self, token: &str) -> Option<String> {
        self.inner.shared.resolver.challenges.http(token)
    }

    /// The same, also for the challenges of other edges that share the storage, which is looked at for tokens that are
    /// not ours as long as some certificate is proven this way.
    pub async fn http01_shared(&self, token: &str) -> Option<String> {
        if let Some(answer) = self.http01(token) {
            return Some(answer);
        }
        self.look_for_answers(&AcmeChallenge::Http01).await;
        self.http01(token)
    }

    /// Looks what other edges have to say to servers. Anybody can make an edge look: those who ask while it looks wait
    /// for the next time, which comes a little later, and all of them have the same answer.
    pub(crate) async fn look_for_answers(&self, challenge: &AcmeChallenge) {
        let shared = &self.inner.shared;
        let proven_so = |unit: &&Unit| match &unit.source {
            // What is out of reach would keep everybody waiting who asks.
            CertificateSource::Acme(acme) => acme.challenge == *challenge && unit.cut_off.is_none(),
            CertificateSource::Files { .. } | CertificateSource::Local => false,
        };
        let units: Vec<Unit> = lock(&shared.state).units.values().filter(proven_so).cloned().collect();
        if units.is_empty() {
            return;
        }
        let asked = Instant::now();
        let mut looked = self.inner.looked.lock().await;
        if looked.is_some_and(|looked| looked > asked) {
            return;
        }
        if let Some(looked) = *looked {
            tokio::time::sleep_until(looked + BETWEEN_LOOKS).await;
        }
        *looked = Some(Instant::now());
        for unit in units {
            let Some(record) = unit.record() else { continue };
            if let Err(error) = work::look(&shared.tools, &unit, &record).await {
                tracing::warn!(%error, "the answer to another edge's challenge is not known");
            }
        }
    }

    /// How TLS is spoken on a listener. The certificates of all environments are behind it, those that come later too;
    /// sessions that began on one listener or worker resume on every other.
    pub fn server_config(&self, options: &ListenerTls) -> Arc<ServerConfig> {
        config::server_config(options, self.inner.shared.resolver.clone(), self.inner.tickets.clone())
    }

    /// Chooses the certificate of a handshake, for a configuration that somebody else makes.
    pub fn resolves(&self) -> Arc<dyn ResolvesServerCert> {
        self.inner.shared.resolver.clone()
    }

    /// The root of the local authority, which people's browsers and tools must trust. None while nothing is issued by
    /// it.
    pub fn local_root(&self) -> Option<PathBuf> {
        let shared = &self.inner.shared;
        let state = lock(&shared.state);
        let local =
            state.units.values().any(|unit| unit.source == CertificateSource::Local && unit.pair.is_some());
        local.then(|| Authority::root_path(&shared.tools.directory))
    }

    /// Ends the work behind the certificates: orders are given up, and their challenges taken away again. What is
    /// served is served on, and nothing is renewed any more.
    pub async fn shutdown(&self) {
        self.inner.ending.send_replace(true);
        let worker = lock(&self.inner.worker).take();
        if let Some(mut worker) = worker
            // A panic in it has been reported by the runtime.
            && tokio::time::timeout(self.inner.shutdown_limit, &mut worker).await.is_err()
        {
            tracing::warn!("an order did not take its challenge away in time; its record stays behind");
            worker.abort();
        }
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.inner.shared.resolver
    }
}

impl Shared {
    /// Hands out what is due and not being worked on, and when the next is due, in milliseconds since 1970.
    pub(crate) fn take_due(&self, now: u64) -> (Vec<Unit>, Option<u64>) {
        let mut due = Vec::new();
        let mut next = None;
        let mut state = lock(&self.state);
        // A certificate that has expired gives way to another for the same name.
        if state.units.values().any(|unit| unit.rank(now / 1000) != unit.told) {
            self.publish(&mut state);
        }
        for unit in state.units.values_mut().filter(|unit| !unit.busy) {
            match unit.due {
                Some(at) if at <= now => {
                    unit.busy = true;
                    due.push(unit.clone());
                }
                Some(at) => next = Some(next.map_or(at, |next: u64| next.min(at))),
                None => {}
            }
        }
        (due, next)
    }

    /// The work on it is done.
    pub(crate) fn settle(&self, id: &str, outcome: Outcome) {
        let mut state = lock(&self.state);
        // It may have been removed in the meantime.
        let Some(unit) = state.units.get_mut(id) else { return };
        let told = |unit: &Unit| (unit.problem.clone(), unit.cut_off.clone(), unit.suggestion);
        let before = told(unit);
        let changed = work::settle(&self.tools, unit, outcome);
        if changed || before != told(unit) {
            self.publish(&mut state);
        }
    }

    /// Lets handshakes see what the state says.
    fn publish(&self, state: &mut State) {
        let State { units, environments, serving } = state;
        let wanted: BTreeSet<&String> = environments.values().flatten().collect();
        units.retain(|id, _| wanted.contains(id));
        let now = clock::now();
        let mut seen = BTreeSet::new();
        let mut offers = Vec::new();
        for id in environments.values().flatten().filter(|id| seen.insert(*id)) {
            let Some(unit) = units.get_mut(id) else { continue };
            let rank = unit.rank(now);
            if rank == Rank::OutOfDate && unit.told != rank {
                tracing::warn!(
                    names = unit.serves().join(", "),
                    "a certificate is not in force; clients refuse it"
                );
            }
            unit.told = rank;
            if let Some(pair) = &unit.pair {
                offers.push(Offer { id: unit.id.clone(), names: unit.serves(), pair: pair.clone(), rank });
            }
        }
        let (index, names) = Index::new(&offers);
        *serving = names;
        self.resolver.index.store(Arc::new(index));
        self.changes.send_modify(|count| *count += 1);
    }
}

impl State {
    fn status(&self) -> Vec<CertificateStatus> {
        let now = clock::now();
        let mut all = Vec::new();
        for (environment, ids) in &self.environments {
            for unit in ids.iter().filter_map(|id| self.units.get(id)) {
                let names = unit.serves();
                all.push(CertificateStatus {
                    environment: environment.clone(),
                    serving: self.serving.contains_key(&unit.id),
                    problem: unit.trouble(now, &self.lost(unit, &names)),
                    names,
                    source: unit.origin(),
                    issuer: unit.pair.as_ref().map(|pair| pair.facts.issuer.clone()),
                    not_after: unit.pair.as_ref().map(|pair| pair.facts.not_after),
                    stand_in: unit.stand_in,
                    next_attempt: unit.next_attempt(),
                    store_reached: unit.is_shared().then_some(unit.cut_off.is_none()),
                });
            }
        }
        all
    }

    /// What is wrong in an environment. That a certificate is being issued is not.
    fn problems(&self, environment: &str) -> Vec<String> {
        let now = clock::now();
        let units =
            self.environments.get(environment).into_iter().flatten().filter_map(|id| self.units.get(id));
        units
            .filter(|unit| !(unit.stand_in && unit.problem.is_none() && unit.cut_off.is_none()))
            .filter_map(|unit| {
                let names = unit.serves();
                let trouble = unit.trouble(now, &self.lost(unit, &names))?;
                let whose = if names.is_empty() { "certificate".to_owned() } else { names.join(", ") };
                Some(format!("{whose}: {trouble}"))
            })
            .collect()
    }

    /// The names of a unit that are served with another one's certificate.
    fn lost(&self, unit: &Unit, names: &[String]) -> Vec<String> {
        if unit.pair.is_none() {
            return Vec::new();
        }
        let serving = self.serving.get(&unit.id);
        names.iter().filter(|name| !serving.is_some_and(|all| all.contains(*name))).cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half-way through a change; serving on is better than failing every handshake.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
