//! Serving what is stored, at once and as far as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fairway_route::Compiled;

use crate::edge::{Edge, Shared};
use crate::error::EdgeError;
use crate::listener::Bound;
use crate::state::{DoorKey, Placed, build};

/// How often listeners that could not be bound at the start are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Edge {
    /// Serves the stored tables. Only a directory that can't be read is an error.
    pub(crate) async fn restore(&self) -> Result<(), EdgeError> {
        let shared = &self.shared;
        let found = shared.store.load().map_err(|error| EdgeError::Home {
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
            let problems: Vec<String> = problems.map(ToString::to_string).collect();
            let table = Arc::new(decoded.table);
            placed.insert(environment, Placed { table, compiled: Arc::new(compiled), problems });
        }
        let (state, clashes) = build(&placed, &mut shared.registry());
        for clash in clashes {
            if let Some(placed) = placed.get_mut(&clash.environment) {
                placed.problems.push(clash.words);
            }
        }
        let wanted: BTreeSet<DoorKey> =
            placed.values().flat_map(|placed| placed.doors().map(|(_, key)| key)).collect();
        let mut bound = Vec::new();
        let mut missing = false;
        for key in wanted {
            let address = key.address();
            match Bound::bind(key, shared.workers.len()) {
                Ok(listener) => bound.push(listener),
                Err(error) => {
                    missing = true;
                    tracing::error!(%address, %error, "a stored listener can't be bound; it is tried again every second");
                }
            }
        }
        for (environment, placed) in &placed {
            let table = &placed.table;
            tracing::info!(
                environment,
                generation = table.generation,
                revision = table.revision,
                problems = placed.problems.join("; "),
                "stored table serves"
            );
        }
        for (environment, placed) in &mut placed {
            let certificates = &placed.table.certificates;
            placed.problems.extend(shared.certificates.apply(environment, certificates).await);
        }
        let mut control = shared.control.lock().await;
        control.removed = found.removed;
        self.swap(&mut control, placed, state, bound).await;
        drop(control);
        if missing {
            tokio::spawn(bind_later(Arc::downgrade(shared)));
        }
        Ok(())
    }
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
