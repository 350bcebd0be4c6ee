//! One running process.

use crate::{
    Exit, How, Identity, Spec, StartError, StopError, StopPolicy, Stopped,
    cgroup::{self, Cgroups, Group},
    group, spawn,
};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    sync::OnceLock,
};
use tokio::{io::unix::AsyncFd, time::Instant};

/// One process that runs or has just ended, own or adopted. Dropping it leaves the process alone.
pub struct Process {
    identity: Identity,
    descriptor: AsyncFd<OwnedFd>,
    group: Group,
    adopted: bool,
    notes: Vec<String>,
    exit: OnceLock<Exit>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("identity", &self.identity)
            .field("adopted", &self.adopted)
            .finish_non_exhaustive()
    }
}

impl Process {
    /// Starts what `spec` names. When this returns, the program's own code runs: an exec that fails is an error here.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(spec: &Spec) -> Result<Self, StartError> {
        let (group, mut notes) = Cgroups::detect().create(&cgroup::key(spec), &spec.limits);
        let pid = match spawn::spawn(spec, &group).await {
            Ok(pid) => pid,
            Err(error) => {
                group.remove().await;
                return Err(error);
            }
        };
        // The process cannot vanish in between: it is our child and nobody else reaps it.
        let opened = Identity::of(pid).and_then(|identity| Ok((identity, open(pid)?)));
        let (identity, descriptor) = match opened {
            Ok(opened) => opened,
            Err(source) => {
                if let Some(pid) = raw(pid) {
                    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
                    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                }
                group.remove().await;
                return Err(StartError::Watch { source });
            }
        };
        notes.extend(group.unjoined(&identity, &spec.limits));
        Ok(Self { identity, descriptor, group, adopted: false, notes, exit: OnceLock::new() })
    }

    /// Takes over a process that was started earlier, by this or another supervisor. `None` when it is gone:
    /// ended, or its id belongs to another process now. Whatever it has left behind is not touched.
    #[must_use]
    pub fn adopt(identity: &Identity) -> Option<Self> {
        // First the descriptor, then the check: the descriptor keeps meaning the process it was opened for.
        let descriptor = open(identity.pid).ok()?;
        if !identity.is_running() {
            return None;
        }
        let group = Cgroups::find(identity.pid);
        Some(Self {
            identity: identity.clone(),
            descriptor,
            group,
            adopted: true,
            notes: Vec::new(),
            exit: OnceLock::new(),
        })
    }

    /// What to write down in order to find it again.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Was it started by somebody else?
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Limits that are not enforced and why.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Waits until it has ended. May be asked again. What it has started may still run: see [`Process::sweep`].
    pub async fn wait(&self) -> Exit {
        match self.descriptor.readable().await {
            // A process descriptor becomes readable once, when the last thread has ended, and stays so.
            Ok(mut guard) => guard.retain_ready(),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        }
        self.exit.get_or_init(|| self.exit()).clone()
    }

    /// How it ended. It is not reaped: as long as it is there, its id names its group and nothing else.
    fn exit(&self) -> Exit {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.descriptor.as_fd()), options).ok().flatten();
        let exit = match status {
            Some(status) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            },
            None => Exit::Unknown,
        };
        // A shell in front of the program turns the signal into code 128 + 9.
        match exit {
            Exit::Signal(9) | Exit::Code(137) | Exit::Unknown if self.group.out_of_memory() => {
                Exit::OutOfMemory { limit: self.group.memory_limit() }
            }
            exit => exit,
        }
    }

    /// Stops it and everything it has started: the signal of `policy` to the group, then, at the end of the grace,
    /// SIGKILL to whatever is left of group, session and control group. Returns when nothing is left. Stopping what
    /// has ended is fine.
    ///
    /// # Errors
    /// [`StopError`] when something is left or may not be signalled.
    pub async fn stop(&self, policy: StopPolicy) -> Result<Stopped, StopError> {
        let began = Instant::now();
        let deadline = began + policy.grace;
        group::ask(&self.identity, policy.signal.signal())?;
        let ended = tokio::time::timeout_at(deadline, self.wait()).await;
        let clean = match &ended {
            Ok(_) => group::gone(&self.identity, &self.group, deadline).await,
            Err(_) => false,
        };
        let how = match ended {
            Ok(exit) if clean => How::Exited(exit),
            _ => {
                group::kill(&self.identity, &self.group).await?;
                self.wait().await;
                How::Killed
            }
        };
        self.bury().await;
        Ok(Stopped { how, after: began.elapsed() })
    }

    /// After it has ended: kills what it has left behind, reaps it and removes its control group. Says whether
    /// there was anything to kill.
    ///
    /// # Errors
    /// [`StopError`] when something is left or may not be signalled.
    pub async fn sweep(&self) -> Result<bool, StopError> {
        self.wait().await;
        let any = group::kill(&self.identity, &self.group).await?;
        self.bury().await;
        Ok(any)
    }

    /// Kills what a process has left behind that ended while no supervisor looked, so that its successor finds ports
    /// and files free; a process that still runs is killed too. To be called before the successor is started: both
    /// have the same `spec`. Says whether there was anything to kill.
    ///
    /// # Errors
    /// [`StopError`] when something is left or may not be signalled.
    pub async fn sweep_leftovers(identity: &Identity, spec: &Spec) -> Result<bool, StopError> {
        let group = Cgroups::detect().find_by_key(&cgroup::key(spec));
        let any = group::kill(identity, &group).await?;
        group.remove().await;
        Ok(any)
    }

    /// SIGKILL to everything, at once and without waiting. For the moment when the caller itself is going away.
    pub(crate) fn kill_now(&self) {
        self.group.kill();
        let _ = group::ask(&self.identity, rustix::process::Signal::KILL);
    }

    /// Reaps it, if it is a child of ours, and removes its control group.
    async fn bury(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = waitid(WaitId::PidFd(self.descriptor.as_fd()), options);
        self.group.remove().await;
    }
}

fn raw(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[expect(
    unsafe_code,
    reason = "registering a descriptor with the runtime asks the caller to vouch for its ownership"
)]
fn open(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = raw(pid).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    // SAFETY: an `OwnedFd` gives out one descriptor, which stays open until the `AsyncFd` that owns it is dropped.
    unsafe { AsyncFd::register_with_interest(descriptor, tokio::io::Interest::READABLE) }
        .map_err(io::Error::from)
}
