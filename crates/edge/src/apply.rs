//! Changing what is served: check, bind, store, swap, close, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fairway_protocol::edge::{Applied, CloseAnswer, Problem, ProblemCode};
use fairway_route::{Admission, Compiled, Table, admit, diff};

use crate::access_log::{AccessLog, Limits};
use crate::clock;
use crate::edge::{Control, Edge, Shared};
use crate::error::StoreError;
use crate::instance::Instance;
use crate::listener::Bound;
use crate::state::{Clash, DoorKey, Placed, State, build};
use crate::trust::{self, Doubts};

/// For how long an instance that left stays in the stats once nothing is in flight: whoever switched wants to read
/// what it did.
const REMEMBERED: Duration = Duration::from_secs(600);

const NOTHING_CHANGED: &str = "The edge serves what it served before.";

impl Edge {
    /// Makes a table serve. When this returns, every listener is bound, the table is stored and no new request
    /// follows the table before it.
    ///
    /// # Errors
    /// A [`Problem`] says why nothing changed: the table is stale, wrong, a listener can't be bound, or it can't be
    /// stored.
    pub async fn apply(&self, table: Table) -> Result<Applied, Problem> {
        let edge = self.clone();
        // On its own, so that a caller that goes away does not leave it half done.
        whole(tokio::spawn(async move { edge.apply_whole(table).await })).await
    }

    /// Removes an environment. When this returns its listeners are closed. Removing what is not there is no error.
    ///
    /// # Errors
    /// A [`Problem`] when the edge has a newer generation, or the removal can't be stored.
    pub async fn remove(&self, environment: &str, generation: u64) -> Result<(), Problem> {
        let edge = self.clone();
        let environment = environment.to_owned();
        whole(tokio::spawn(async move { edge.remove_whole(&environment, generation).await })).await
    }

    async fn apply_whole(&self, table: Table) -> Result<Applied, Problem> {
        let shared = &self.shared;
        let mut control = shared.control.lock().await;
        self.stays()?;
        let environment = table.environment.clone();
        let current = control.placed.get(&environment).map(|placed| Arc::clone(&placed.table));
        if let Some(removed) = control.removed.get(&environment)
            && table.generation < *removed
        {
            return Err(stale(&table, (*removed, 0), "was removed at"));
        }
        match admit(current.as_deref(), &table) {
            Admission::Newer => {}
            Admission::Same if control.is_complete(&environment) => {
                return Ok(applied(&control, &table, false, Vec::new()));
            }
            // It serves, but not on every listener yet.
            Admission::Same => {}
            Admission::Stale(at) => return Err(stale(&table, (at.generation, at.revision), "is at")),
            Admission::Contradicts(at) => return Err(contradicts(&table, (at.generation, at.revision))),
        }
        let compiled = Compiled::new(&table);
        if !compiled.problems.is_empty() {
            let entries = compiled.problems.iter().map(ToString::to_string).collect();
            return Err(wrong(&table, entries));
        }
        let Doubts { blind, outdated } = self.recognise(&compiled).await;
        if !blind.is_empty() {
            return Err(wrong(&table, blind));
        }
        let mut placed = control.placed.clone();
        let changes = match &current {
            Some(current) => diff(current, &table),
            None => diff(&Table::empty(environment.clone(), 0, 0), &table),
        };
        let mut changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let table = Arc::new(table);
        let new = Placed {
            table: Arc::clone(&table),
            compiled: Arc::new(compiled),
            problems: Vec::new(),
            doubts: outdated.clone(),
        };
        placed.insert(environment.clone(), new);
        let (state, clashes) = build(&placed, &mut shared.registry());
        let result = async {
            // Clashes of stored tables were reported when they were loaded.
            let before: Vec<Clash> = build(&control.placed, &mut shared.registry()).1;
            let clashes: Vec<String> = clashes
                .iter()
                .filter(|clash| !before.contains(clash))
                .map(|clash| clash.words.clone())
                .collect();
            if !clashes.is_empty() {
                return Err(wrong(&table, clashes));
            }
            let bound =
                bind(&control, &placed, shared.workers.len()).map_err(|error| cannot_bind(&table, &error))?;
            store(shared, move |store| store.save(&table)).await.map_err(|error| cannot_store(&error))?;
            Ok(bound)
        };
        let bound = match result.await {
            Ok(bound) => bound,
            Err(problem) => {
                shared.registry().tidy(&control.placed, REMEMBERED);
                return Err(problem);
            }
        };
        control.removed.remove(&environment);
        let Table { certificates, secrets, .. } = &*placed[&environment].table;
        // A certificate that can't be had yet keeps nothing from being served.
        for problem in shared.certificates.apply(&environment, certificates, secrets.as_deref()).await {
            changes.push(format!("! {problem}"));
        }
        changes.extend(outdated.iter().map(|doubt| format!("! {doubt}")));
        self.swap(&mut control, placed, state, bound).await;
        self.lead().await;
        let table = &control.placed[&environment].table;
        tracing::info!(
            %environment, generation = table.generation, revision = table.revision, changes = changes.join("; "),
            "table serves"
        );
        Ok(applied(&control, table, true, changes))
    }

    async fn remove_whole(&self, environment: &str, generation: u64) -> Result<(), Problem> {
        let shared = &self.shared;
        let mut control = shared.control.lock().await;
        self.stays()?;
        let current = control.placed.get(environment).map(|placed| Arc::clone(&placed.table));
        if let Some(current) = &current
            && current.generation > generation
        {
            let asked = Table::empty(environment, generation, 0);
            return Err(stale(&asked, (current.generation, current.revision), "is at"));
        }
        let removed = control.removed.get(environment).copied().unwrap_or(0).max(generation);
        if current.is_none() && control.removed.get(environment) == Some(&removed) {
            return Ok(());
        }
        let name = environment.to_owned();
        store(shared, move |store| store.remove(&name, removed))
            .await
            .map_err(|error| cannot_store(&error))?;
        control.removed.insert(environment.to_owned(), removed);
        let mut placed = control.placed.clone();
        placed.remove(environment);
        let (state, _) = build(&placed, &mut shared.registry());
        self.swap(&mut control, placed, state, Vec::new()).await;
        self.lead().await;
        shared.certificates.remove(environment).await;
        tracing::info!(%environment, generation, "environment removed");
        Ok(())
    }

    /// Reads whom the services of a table trust.
    pub(crate) async fn recognise(&self, compiled: &Compiled) -> Doubts {
        let wanted = trust::wanted(&compiled.services);
        if wanted.is_empty() {
            return Doubts::default();
        }
        let read = tokio::task::spawn_blocking(move || trust::read(wanted)).await;
        let found = read.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()));
        self.shared.registry().trust.renew(&compiled.services, &found)
    }

    /// Refuses changes once a successor serves.
    pub(crate) fn stays(&self) -> Result<(), Problem> {
        if !self.shared.departing.is_cancelled() {
            return Ok(());
        }
        Err(problem(
            ProblemCode::Moved,
            "another edge has taken over from this one".to_owned(),
            "Connect to the control socket again and repeat the request.",
        ))
    }

    /// Lets the edge before this one follow, so that instances that left get no request from it either.
    async fn lead(&self) {
        if let Some(predecessor) = self.shared.predecessor.get() {
            predecessor.follow().await;
        }
    }

    /// The moment of change. Nothing in here can fail.
    pub(crate) async fn swap(
        &self,
        control: &mut Control,
        placed: BTreeMap<String, Placed>,
        state: State,
        bound: Vec<Bound>,
    ) {
        let shared = &self.shared;
        let leaving = {
            let mut registry = shared.registry();
            // Not before it is sure that they will guard something: what they remember must not get lost.
            registry.guards.clone_from(&state.guards);
            let mut listed = BTreeSet::new();
            let mut weightless = Vec::new();
            for (environment, placed) in &placed {
                for backend in placed.compiled.services.values().flat_map(|service| &service.instances) {
                    let key = (Arc::<str>::from(environment.as_str()), backend.id.clone());
                    let Some(instance) = registry.instances.get(&key) else { continue };
                    // Before the swap: once requests can choose it, it must take them.
                    instance.welcome(backend, clock::now());
                    if backend.weight == 0 {
                        weightless.push((Arc::clone(instance), true));
                    }
                    listed.insert(key);
                }
            }
            let gone = registry.instances.iter().filter(|(key, _)| !listed.contains(*key));
            let gone = gone.map(|(_, instance)| (Arc::clone(instance), false));
            gone.chain(weightless).collect::<Vec<_>>()
        };
        if placed.values().any(|placed| placed.table.options.access_log.is_some()) {
            shared.access_log.get_or_init(|| open_log(&shared.settings.home));
        }
        let state = Arc::new(state);
        shared.state.store(Arc::clone(&state));
        control.probers.follow(shared, &state);
        // After the swap: whoever still holds the value before it finds the mark and looks again.
        for (instance, listed) in leaving {
            if instance.drain(listed) {
                // A server that is told to stop may wait for connections that nobody uses.
                shared.close_idle(instance.address());
            }
        }
        // Who waits looks at the new table.
        for counters in shared.registry().services.values() {
            counters.held.move_all();
            counters.queue.call();
        }
        control.placed = placed;
        for bound in bound {
            control.listeners.insert(bound.key.clone(), bound.accept(shared));
        }
        let wanted: BTreeSet<DoorKey> =
            control.placed.values().flat_map(|placed| placed.doors().map(|(_, key)| key)).collect();
        let unwanted: Vec<DoorKey> =
            control.listeners.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
        for key in unwanted {
            if let Some(listener) = control.listeners.remove(&key) {
                listener.close().await;
            }
        }
        shared.registry().tidy(&control.placed, REMEMBERED);
    }

    /// Ends what does not end by itself on a draining instance: event streams and upgraded connections at once,
    /// everything else after `grace`.
    ///
    /// # Errors
    /// A [`Problem`] when there is no such instance or it takes new requests.
    pub fn close_instance(
        &self,
        environment: &str,
        id: &str,
        grace: Duration,
    ) -> Result<CloseAnswer, Problem> {
        let shared = &self.shared;
        let key = (Arc::<str>::from(environment), id.to_owned());
        let before = shared.predecessor.get();
        let there = before.and_then(|predecessor| predecessor.in_flight(environment, id));
        let known = shared.registry().instances.get(&key).cloned();
        if known.as_ref().is_none_or(|instance| instance.is_draining()) && there.is_some() {
            let (shared, environment, id) = (Arc::clone(shared), environment.to_owned(), id.to_owned());
            tokio::spawn(async move {
                if let Some(predecessor) = shared.predecessor.get() {
                    predecessor.close(environment, id, grace).await;
                }
            });
        }
        let (in_flight, upgrades) = there.unwrap_or_default();
        let Some(instance) = known else {
            if there.is_some() {
                return Ok(CloseAnswer { in_flight, upgrades });
            }
            return Err(problem(
                ProblemCode::Unknown,
                format!("environment `{environment}` has no instance `{id}` here"),
                "Ask for the stats to see the instances that the edge knows.",
            ));
        };
        if !instance.is_draining() {
            return Err(problem(
                ProblemCode::Serving,
                format!("instance `{id}` of `{environment}` takes new requests"),
                "Send a table without it first.",
            ));
        }
        let here = instance.in_flight();
        let answer = CloseAnswer { in_flight: here + in_flight, upgrades: instance.upgrades() + upgrades };
        instance.close(grace);
        if here > 0 {
            tokio::spawn(cut(Arc::clone(shared), instance, grace));
        }
        Ok(answer)
    }
}

fn open_log(home: &std::path::Path) -> Option<AccessLog> {
    AccessLog::open(&home.join("edge"), Limits::default())
        .inspect_err(|error| tracing::error!(%error, "there is no access log"))
        .ok()
}

/// Ends what is left on an instance after its time.
async fn cut(shared: Arc<Shared>, instance: Arc<Instance>, grace: Duration) {
    tokio::time::sleep(grace).await;
    if !instance.is_draining() || instance.in_flight() == 0 {
        return;
    }
    tracing::warn!(
        environment = %instance.environment, service = %instance.service, instance = instance.id,
        in_flight = instance.in_flight(), "the time to finish is up, what is left is cut"
    );
    instance.cut();
    for visitor in shared.visitors() {
        visitor.cut_from(&instance);
    }
}

impl Control {
    /// Whether every listener of an environment accepts.
    fn is_complete(&self, environment: &str) -> bool {
        self.placed
            .get(environment)
            .is_some_and(|placed| placed.doors().all(|(_, key)| self.listeners.contains_key(&key)))
    }

    /// The bound address of each listener of an environment that accepts.
    pub(crate) fn bound(&self, placed: &Placed) -> BTreeMap<String, std::net::SocketAddr> {
        let doors = placed.doors();
        doors.filter_map(|(name, key)| Some((name.clone(), self.listeners.get(&key)?.address))).collect()
    }
}

/// Why a listener can't be bound.
pub(crate) struct BindError {
    pub(crate) key: DoorKey,
    pub(crate) error: std::io::Error,
}

/// Binds what is wanted and not there. On failure nothing stays bound.
fn bind(
    control: &Control,
    placed: &BTreeMap<String, Placed>,
    workers: usize,
) -> Result<Vec<Bound>, BindError> {
    let wanted: BTreeSet<DoorKey> =
        placed.values().flat_map(|placed| placed.doors().map(|(_, key)| key)).collect();
    let missing = wanted.into_iter().filter(|key| !control.listeners.contains_key(key));
    missing.map(|key| Bound::bind(key.clone(), workers).map_err(|error| BindError { key, error })).collect()
}

async fn store(
    shared: &Shared,
    write: impl FnOnce(&crate::store::Store) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    let store = shared.store.clone();
    let written = tokio::task::spawn_blocking(move || write(&store)).await;
    written.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
}

async fn whole<T>(task: tokio::task::JoinHandle<Result<T, Problem>>) -> Result<T, Problem> {
    task.await.unwrap_or_else(|ended| {
        tracing::error!(error = %ended, "a change ended with a panic");
        Err(problem(
            ProblemCode::Internal,
            "the change was not finished".to_owned(),
            "Look at the edge's log.",
        ))
    })
}

fn applied(control: &Control, table: &Table, changed: bool, changes: Vec<String>) -> Applied {
    Applied {
        environment: table.environment.clone(),
        generation: table.generation,
        revision: table.revision,
        changed,
        listeners: control.bound(&control.placed[&table.environment]),
        changes,
    }
}

pub(crate) fn problem(code: ProblemCode, message: String, next: &str) -> Problem {
    Problem {
        code,
        message,
        unchanged: NOTHING_CHANGED.into(),
        next: next.into(),
        entries: Vec::new(),
        current: None,
    }
}

fn stale(asked: &Table, current: (u64, u64), verb: &str) -> Problem {
    let (generation, revision) = current;
    let message = format!(
        "environment `{}` {verb} generation {generation}.{revision}, the request is for {}",
        asked.environment,
        asked.position()
    );
    let next = "Read what is served and decide again; a newer release has been here.";
    Problem { current: Some(current), ..problem(ProblemCode::Stale, message, next) }
}

fn contradicts(asked: &Table, current: (u64, u64)) -> Problem {
    let message = format!(
        "environment `{}` serves another table of generation {}",
        asked.environment,
        asked.position()
    );
    let next = "Send it with a greater revision if it is meant to replace the other one.";
    Problem { current: Some(current), ..problem(ProblemCode::Contradicts, message, next) }
}

fn wrong(asked: &Table, entries: Vec<String>) -> Problem {
    let message = format!(
        "the table {} of environment `{}` has {} wrong entries: {}",
        asked.position(),
        asked.environment,
        entries.len(),
        entries.join("; ")
    );
    Problem {
        entries,
        ..problem(ProblemCode::Table, message, "Correct the entries and send the table again.")
    }
}

fn cannot_bind(asked: &Table, error: &BindError) -> Problem {
    let BindError { key, error } = error;
    let address = key.address();
    let names = asked.listeners.iter().filter(|(_, at)| **at == address).map(|(name, _)| name.as_str());
    let names: Vec<&str> = names.collect();
    let message = format!("listener `{}` can't be bound to {address}: {error}", names.join("`, `"));
    problem(
        ProblemCode::Listener,
        message,
        "Free the address (`ss -ltnp` shows who has it) or choose another one.",
    )
}

fn cannot_store(error: &StoreError) -> Problem {
    let message = format!("{error}: {}", error.source);
    problem(ProblemCode::Storage, message, "Make room or correct the permissions, then send it again.")
}
