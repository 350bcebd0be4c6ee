//! Noticing that files of roots have changed.
//!
//! They are looked at as often as those of certificates, one `stat` for each file (see `files` in `fairway-tls` for why).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use fairway_tls::Stamp;

use crate::edge::{Edge, Shared};
use crate::state::{Placed, build};
use crate::trust;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How files looked when they were read.
type Seen = BTreeMap<PathBuf, Stamp>;

/// Looks until the edge ends or a successor serves.
pub(crate) async fn watch(shared: Weak<Shared>) {
    let mut seen = Seen::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.closing.is_cancelled() || shared.departing.is_cancelled() {
            return;
        }
        let files = files(&shared.control.lock().await.placed);
        if files.is_empty() {
            continue;
        }
        let Ok((now, changed)) = tokio::task::spawn_blocking(move || look(files, &seen)).await else {
            return;
        };
        seen = now;
        if changed {
            Edge { shared }.reread().await;
        }
    }
}

/// The files of roots that tables name.
fn files(placed: &BTreeMap<String, Placed>) -> BTreeSet<PathBuf> {
    placed.values().flat_map(|placed| trust::wanted(&placed.compiled.services)).flatten().collect()
}

/// How they look, and whether one of them is to be read again. What can't be looked at, or may change without looking so,
/// is read again the next time.
fn look(files: BTreeSet<PathBuf>, seen: &Seen) -> (Seen, bool) {
    let mut changed = false;
    let mut now = Seen::new();
    for file in files {
        let stamp = Stamp::of(&[&file]).ok();
        changed |= stamp.is_none() || stamp.as_ref() != seen.get(&file);
        now.extend(stamp.filter(Stamp::settled).map(|stamp| (file, stamp)));
    }
    (now, changed)
}

impl Edge {
    /// Trusts what files of roots say now. The tables stay as they are.
    async fn reread(&self) {
        let shared = &self.shared;
        let mut control = shared.control.lock().await;
        let mut placed = control.placed.clone();
        let mut changed = false;
        for (environment, placed) in &mut placed {
            let before = shared.registry().trust.clone();
            let doubts = self.recognise(&placed.compiled).await.into_lines();
            let renewed = shared.registry().trust != before;
            if renewed {
                tracing::info!(environment, "other roots are trusted");
            }
            if placed.doubts != doubts {
                tracing::warn!(environment, doubts = doubts.join("; "), "roots of instances");
            }
            changed |= renewed || placed.doubts != doubts;
            placed.doubts = doubts;
        }
        if changed && self.stays().is_ok() {
            let (state, _) = build(&placed, &mut shared.registry());
            self.swap(&mut control, placed, state, Vec::new()).await;
        }
    }
}
