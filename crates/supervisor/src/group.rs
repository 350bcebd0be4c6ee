//! Everything that a process has started: its process group, its session and its control group.

use crate::{Identity, StopError, cgroup::Group, procfs};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{collections::BTreeSet, io, time::Duration};
use tokio::time::Instant;

/// How often members are looked for while they end.
const LOOK: Duration = Duration::from_millis(15);
/// How long SIGKILL may take.
const KILL_WITHIN: Duration = Duration::from_secs(5);

/// The living members of the session of `leader` and of its control group.
///
/// The session's number is the leader's process id, and the kernel does not hand that id out while the session has
/// a member. When the leader is gone and its id belongs to another process, the session is over too; whatever
/// carries the number now is a stranger's.
pub(crate) fn members(leader: &Identity, group: &Group) -> BTreeSet<u32> {
    let mut found: BTreeSet<u32> = group.members().into_iter().filter(|pid| alive(*pid)).collect();
    let another_boot = procfs::boot_id().is_ok_and(|boot| boot != leader.boot_id);
    if another_boot || procfs::Stat::of(leader.pid).is_some_and(|stat| stat.start_time != leader.start_time) {
        return found;
    }
    found.extend(
        procfs::processes()
            .filter(|stat| stat.session == leader.pid || stat.group == leader.pid)
            .filter(|stat| !stat.is_dead() && stat.start_time >= leader.start_time)
            .map(|stat| stat.pid),
    );
    found
}

fn alive(pid: u32) -> bool {
    procfs::Stat::of(pid).is_some_and(|stat| !stat.is_dead())
}

/// Sends `signal` to the process group and wakes it up if it is stopped. `leader` must not have been reaped by us.
pub(crate) fn ask(leader: &Identity, signal: Signal) -> Result<(), StopError> {
    let Some(pid) = leader_pid(leader) else { return Ok(()) };
    match kill_process_group(pid, signal) {
        Ok(()) => {
            let _ = kill_process_group(pid, Signal::CONT);
            Ok(())
        }
        Err(error) => refused(leader.pid, error),
    }
}

fn leader_pid(leader: &Identity) -> Option<Pid> {
    leader.stat()?;
    Pid::from_raw(i32::try_from(leader.pid).ok()?)
}

fn refused(pid: u32, error: rustix::io::Errno) -> Result<(), StopError> {
    match error {
        rustix::io::Errno::SRCH => Ok(()),
        error => Err(StopError::Forbidden { pid, source: io::Error::from(error) }),
    }
}

/// Waits until nothing of the group is left; `false` when something still is at the deadline.
pub(crate) async fn gone(leader: &Identity, group: &Group, deadline: Instant) -> bool {
    loop {
        if members(leader, group).is_empty() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)).await;
    }
}

/// Kills everything of the group, repeatedly, because a member may fork while the others are killed; returns when
/// nothing is left. Says whether there was anything to kill.
pub(crate) async fn kill(leader: &Identity, group: &Group) -> Result<bool, StopError> {
    let deadline = Instant::now() + KILL_WITHIN;
    let mut any = false;
    loop {
        let left = members(leader, group);
        if left.is_empty() {
            return Ok(any);
        }
        if Instant::now() >= deadline {
            return Err(StopError::Survivors { pids: left.into_iter().collect() });
        }
        any = true;
        group.kill();
        if let Some(pid) = leader_pid(leader) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        for pid in left {
            let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
            if let Err(error) = kill_process(number, Signal::KILL) {
                refused(pid, error)?;
            }
        }
        tokio::time::sleep(LOOK / 5).await;
    }
}
