//! The control group of one process.

use super::{notes, settings::settings_v2};
use crate::{Identity, Limits};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long an empty group may refuse to go while the kernel still cleans up.
const REMOVE_WITHIN: Duration = Duration::from_millis(500);

/// A directory in each hierarchy, or nothing at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(super) unified: Option<PathBuf>,
    pub(super) legacy: BTreeMap<String, PathBuf>,
    pub(super) memory_limit: Option<u64>,
}

impl Group {
    pub(super) fn dirs(&self) -> impl Iterator<Item = &PathBuf> {
        self.unified.iter().chain(self.legacy.values())
    }

    /// Open files; a process that writes `0` to one is a member.
    pub(crate) fn entries(&self) -> Vec<OwnedFd> {
        let open = |dir: &PathBuf| fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs")).ok();
        self.dirs().filter_map(open).map(OwnedFd::from).collect()
    }

    /// Notes for the limits that do not hold because the process did not become a member.
    pub(crate) fn unjoined(&self, identity: &Identity, limits: &Limits) -> Vec<String> {
        let absent = |dir: &Path| !pids(dir).contains(&identity.pid) && identity.is_running();
        let mut failed = BTreeMap::new();
        for (limit, _, _) in settings_v2(limits) {
            if let Some(dir) = self.legacy.get(limit).or(self.unified.as_ref())
                && absent(dir)
            {
                failed.insert(limit, format!("the process could not be moved into {}", dir.display()));
            }
        }
        notes(&failed)
    }

    /// Everything inside.
    pub(crate) fn members(&self) -> BTreeSet<u32> {
        self.dirs().flat_map(|dir| pids(dir)).collect()
    }

    /// Kills everything inside, where the kernel can do that in one step (version 2, Linux 5.14).
    pub(crate) fn kill(&self) {
        if let Some(dir) = &self.unified {
            let _ = fs::write(dir.join("cgroup.kill"), "1");
        }
    }

    /// Has the kernel killed anything inside for want of memory?
    pub(crate) fn out_of_memory(&self) -> bool {
        let killed = |path: PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            count.is_some_and(|count| count.trim() != "0")
        };
        match self.legacy.get("memory") {
            Some(dir) => killed(dir.join("memory.oom_control")),
            None => self.unified.as_ref().is_some_and(|dir| killed(dir.join("memory.events"))),
        }
    }

    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    pub(super) fn read_memory_limit(&self) -> Option<u64> {
        let file = match self.legacy.get("memory") {
            Some(dir) => dir.join("memory.limit_in_bytes"),
            None => self.unified.as_ref()?.join("memory.max"),
        };
        // "No limit" is `max` in version 2 and a number near the top in version 1.
        fs::read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
    }

    /// Removes the directories; waits a moment while the kernel still counts members that have ended.
    pub(crate) async fn remove(&self) {
        let deadline = tokio::time::Instant::now() + REMOVE_WITHIN;
        for dir in self.dirs() {
            while let Err(error) = fs::remove_dir(dir) {
                if error.kind() == io::ErrorKind::NotFound {
                    break;
                }
                if tokio::time::Instant::now() >= deadline {
                    tracing::debug!(dir = %dir.display(), %error, "a control group is left; it is removed later");
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

pub(super) fn pids(dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
