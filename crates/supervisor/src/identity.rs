//! Who a process is, across restarts of the supervisor.

use crate::procfs::{self, Stat};
use serde::{Deserialize, Serialize};
use std::io;

/// A process that can be found again. The process id alone is handed out anew by the kernel; together with the
/// start time and the boot id it names one process for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Process id; also the id of its group and its session.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start_time: u64,
    /// The boot in which it started (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
}

impl Identity {
    /// The identity of a process that exists now.
    ///
    /// # Errors
    /// `NotFound` when there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = Stat::of(pid)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no process {pid}")))?;
        Ok(Self { pid, start_time: stat.start_time, boot_id: procfs::boot_id()? })
    }

    /// Does this very process still run? A process that has ended and was not reaped does not run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.stat().is_some_and(|stat| !stat.is_dead())
    }

    /// Its state, when the process with this id is still this process.
    pub(crate) fn stat(&self) -> Option<Stat> {
        let stat = Stat::of(self.pid)?;
        let same = stat.start_time == self.start_time && procfs::boot_id().ok()? == self.boot_id;
        same.then_some(stat)
    }
}

/// Session leaders that were started with this variable in their environment, oldest first.
///
/// A supervisor that dies between starting a process and writing down its identity leaves a process that no journal
/// knows. When every process is started with a variable of its own, this finds such ones again.
#[must_use]
pub fn find_by_env(name: &str, value: &str) -> Vec<Identity> {
    let Ok(boot_id) = procfs::boot_id() else { return Vec::new() };
    let wanted = format!("{name}={value}");
    let mut found: Vec<Identity> = procfs::processes()
        .filter(|stat| stat.pid == stat.session && !stat.is_dead())
        .filter(|stat| {
            procfs::environ(stat.pid).is_some_and(|environ| {
                environ.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
            })
        })
        .map(|stat| Identity { pid: stat.pid, start_time: stat.start_time, boot_id: boot_id.clone() })
        .collect();
    found.sort_by_key(|identity| (identity.start_time, identity.pid));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_start_time_or_boot_is_another_process() {
        let own = Identity::of(std::process::id()).unwrap();
        assert!(own.is_running());
        assert!(!Identity { start_time: own.start_time + 1, ..own.clone() }.is_running());
        assert!(!Identity { boot_id: "another".into(), ..own.clone() }.is_running());
        let json = serde_json::to_string(&own).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&json).unwrap(), own);
    }

    #[test]
    fn no_process_no_identity() {
        assert_eq!(Identity::of(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
