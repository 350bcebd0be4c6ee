//! Serving what is stored, at once and as far as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fairway_route::Compiled;

use crate::edge::{Edge, Shared};
use crate::error::EdgeError;
use crate::handover::Inheritance;
use crate::listener::Bound;
use crate::reread;
use crate::state::{DoorKey, Placed, State, build};
use crate::trust;

/// How often listeners that could not be bound at the start are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Edge {
    /// Serves the stored tables, on the listeners of a predecessor if there is one. What is wrong with single tables is
    /// no error.
    pub(crate) async fn restore(&self, inheritance: Option<Inheritance>) -> Result<(), EdgeError> {
        let shared = &self.shared;
        let Stored { mut placed, state, removed } = self.stored()?;
        let (mut inherited, testament) = match inheritance {
            Some(Inheritance { sockets, testament, .. }) => (sockets, Some(testament)),
            None => (BTreeMap::new(), None),
        };
        let wanted: BTreeSet<DoorKey> =
            placed.values().flat_map(|placed| placed.doors().map(|(_, key)| key)).collect();
        let mut bound = Vec::new();
        let mut missing = false;
        let workers = shared.workers.len();
        for key in wanted {
            let address = key.address();
            let listener = match inherited.remove(&key) {
                Some(sockets) => Bound::inherit(key, sockets, workers),
                None => Bound::bind(key, workers),
            };
            match listener {
                Ok(listener) => bound.push(listener),
                Err(error) => {
                    missing = true;
                    tracing::error!(%address, %error, "a stored listener can't be bound; it is tried again every second");
                }
            }
        }
        for (key, sockets) in inherited {
            let (address, count) = (key.address(), sockets.len());
            tracing::error!(%address, count, "no stored table wants this listener of the edge before this one");
        }
        for (environment, placed) in &mut placed {
            let fairway_route::Table { certificates, secrets, .. } = &*placed.table;
            let problems = shared.certificates.apply(environment, certificates, secrets.as_deref()).await;
            placed.problems.extend(problems);
        }
        // Until here nothing has happened that anybody could notice; from here on it is this edge that serves.
        if let Some(testament) = testament
            && let Some(predecessor) = testament.claim(&shared.settings).await?
        {
            let _ = shared.predecessor.set(predecessor);
        }
        for (environment, placed) in &placed {
            let table = &placed.table;
            tracing::info!(
                environment,
                generation = table.generation,
                revision = table.revision,
                problems = [placed.problems.as_slice(), &placed.doubts].concat().join("; "),
                "stored table serves"
            );
        }
        let mut control = shared.control.lock().await;
        control.removed = removed;
        self.swap(&mut control, placed, state, bound).await;
        drop(control);
        if missing {
            tokio::spawn(bind_later(Arc::downgrade(shared)));
        }
        tokio::spawn(reread::watch(Arc::downgrade(shared)));
        Ok(())
    }

    /// Serves the tables that a successor has stored, to those who are still here.
    pub(crate) async fn follow(&self) {
        let mut control = self.shared.control.lock().await;
        match self.stored() {
            Ok(Stored { placed, state, removed }) => {
                control.removed = removed;
                self.swap(&mut control, placed, state, Vec::new()).await;
                // Instances that were welcomed again let streams begin that do not end.
                self.close_streams();
            }
            Err(error) => tracing::error!(%error, "the successor's tables can't be followed"),
        }
        if let Some(predecessor) = self.shared.predecessor.get() {
            predecessor.follow().await;
        }
    }

    /// Only a directory that can't be read is an error.
    fn stored(&self) -> Result<Stored, EdgeError> {
        let found = self.shared.store.load().map_err(|error| EdgeError::Home {
            path: error.path,
            what: "could not be read",
            source: error.source,
        })?;
        for note in &found.notes {
            tracing::error!(note, "a stored table can't be used");
        }
        let mut placed = BTreeMap::new();
        for (environment, decoded) in found.tables {
            let compiled = Compiled::new(&decoded.table);
            let problems = decoded.problems.iter().chain(&compiled.problems);
            let problems = problems.map(ToString::to_string).collect();
            let found = trust::read(trust::wanted(&compiled.services));
            let doubts = self.shared.registry().trust.renew(&compiled.services, &found).into_lines();
            let (table, compiled) = (Arc::new(decoded.table), Arc::new(compiled));
            placed.insert(environment, Placed { table, compiled, problems, doubts });
        }
        let (state, clashes) = build(&placed, &mut self.shared.registry());
        for clash in clashes {
            if let Some(placed) = placed.get_mut(&clash.environment) {
                placed.problems.push(clash.words);
            }
        }
        Ok(Stored { placed, state, removed: found.removed })
    }
}

/// What is on disk, ready for use.
struct Stored {
    placed: BTreeMap<String, Placed>,
    state: State,
    removed: BTreeMap<String, u64>,
}

/// Binds listeners that were taken at the start, until none is missing: a predecessor may be on its way out.
async fn bind_later(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(TRY_AGAIN).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.closing.is_cancelled() {
            return;
        }
        let mut control = shared.control.lock().await;
        // Binding them is the successor's business then.
        if shared.departing.is_cancelled() {
            return;
        }
        let wanted: BTreeSet<DoorKey> =
            control.placed.values().flat_map(|placed| placed.doors().map(|(_, key)| key)).collect();
        let mut missing = false;
        for key in wanted {
            if control.listeners.contains_key(&key) {
                continue;
            }
            let address = key.address();
            match Bound::bind(key.clone(), shared.workers.len()) {
                Ok(bound) => {
                    tracing::info!(%address, "a listener that was taken is bound now");
                    control.listeners.insert(key, bound.accept(&shared));
                }
                Err(_) => missing = true,
            }
        }
        if !missing {
            return;
        }
    }
}
