//! Removing what no release needs any more.

use super::{Environment, journal::all_wanted};
use crate::disk;
use fairway_model::{ArtifactDigest, Generation};
use std::{collections::BTreeSet, io};

impl Environment {
    /// Artifacts that this environment needs.
    pub(crate) async fn needed_artifacts(&self) -> BTreeSet<ArtifactDigest> {
        self.journal.lock().await.needed(self.machine.settings.timing.kept_releases).0
    }

    /// Removes the secrets and logs of releases that are no longer kept, and asks for the same with artifacts, which
    /// the environments of a host share.
    pub(super) async fn collect_garbage(&self) {
        let kept = self.machine.settings.timing.kept_releases;
        let (secrets, logs, generations) = {
            let journal = self.journal.lock().await;
            // The newest ones as well, whatever became of them: somebody may still be reading why they failed.
            let newest = journal.lifecycle.releases().rev().take(kept);
            let releases: Vec<_> = newest.chain(journal.kept(kept)).collect();
            let mut logs: BTreeSet<String> = journal.instances.keys().cloned().collect();
            logs.extend(releases.iter().flat_map(|entry| all_wanted(&entry.assignment.release)));
            let generations: BTreeSet<Generation> = releases.iter().map(|entry| entry.generation()).collect();
            (journal.needed(kept).1, logs, generations)
        };
        // While a release is on its way to the host, its secrets are here and nothing names them yet.
        if self.journal.lock().await.lifecycle.pending().is_none()
            && let Err(error) = self.secrets().collect(&secrets, self.machine.settings.timing.arrivals)
        {
            tracing::warn!(environment = %self.name, %error, "old secrets are left");
        }
        if let Err(error) = self.collect_logs(&logs, &generations) {
            tracing::warn!(environment = %self.name, %error, "old logs are left");
        }
        self.machine.garbage.notify_one();
    }

    /// Logs are `<instance>.log` and `<command>-<generation>.log`, each with rotated segments beside it.
    fn collect_logs(&self, keep: &BTreeSet<String>, generations: &BTreeSet<Generation>) -> io::Result<()> {
        let root = self.machine.home.logs(&self.name);
        for service in disk::names(&root)? {
            let directory = root.join(&service);
            for name in disk::names(&directory)? {
                let Some((stem, _)) = name.split_once(".log") else { continue };
                let of_command =
                    ["migrate-", "seed-"].iter().find_map(|command| stem.strip_prefix(command)?.parse().ok());
                let kept = match of_command {
                    Some(generation) => generations.contains(&Generation(generation)),
                    None => keep.contains(stem),
                };
                if !kept {
                    disk::remove(&directory.join(name))?;
                }
            }
        }
        Ok(())
    }
}
