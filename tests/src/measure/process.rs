//! A process that is measured: started on its core, watched through `/proc`, ended with everything it has started.

use super::machine;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// How long a process has to accept connections.
const START: Duration = Duration::from_secs(20);

/// A process and those it has started. They end when this is dropped, and when this program is killed.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Where a process runs: a core, and the core to return to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The core of the process.
    pub core: usize,
    /// Our own.
    pub ours: usize,
}

/// What to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// For people.
    pub name: &'a str,
    /// The file.
    pub path: &'a Path,
    /// Its arguments.
    pub arguments: Vec<&'a OsStr>,
    /// Variables beyond ours.
    pub environment: Vec<(&'a str, &'a OsStr)>,
    /// Where its output goes, and where it works.
    pub directory: &'a Path,
}

impl Running {
    /// Starts a program in a process group of its own; without a place wherever the system likes.
    pub fn start(program: &Program<'_>, place: Option<Place>) -> anyhow::Result<Self> {
        let log = program.directory.join(format!("{}.log", program.name));
        let output = fs::File::create(&log).with_context(|| log.display().to_string())?;
        // Dropping ends the process; the signal at a parent's death ends it also when there was no time to drop.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program.path)
            .args(&program.arguments)
            .envs(program.environment.iter().copied())
            .current_dir(program.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        if let Some(place) = place {
            machine::pin(place.core)?;
        }
        let started = command.spawn();
        if let Some(place) = place {
            machine::pin(place.ours)?;
        }
        let child =
            started.with_context(|| format!("{} could not be started (through setpriv)", program.name))?;
        Ok(Self { name: program.name.to_owned(), child, log })
    }

    /// Waits until the process accepts connections there.
    pub async fn accepts(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            self.alive()?;
            if begin.elapsed() > START {
                bail!("{} does not accept connections on {address}:\n{}", self.name, self.tail());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.alive()
    }

    /// Fails with the last lines of its log when the process has ended.
    pub fn alive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended ({status}):\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// The process that was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// User and system time of all its processes so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(machine::ticks_to_time(self.members()?.iter().map(|member| member.ticks).sum()))
    }

    /// Resident memory of all its processes, in KiB.
    pub fn resident(&self) -> anyhow::Result<u64> {
        let mut total = 0;
        for member in self.members()? {
            let status = fs::read_to_string(format!("/proc/{}/status", member.id)).unwrap_or_default();
            total += resident(&status).unwrap_or(0);
        }
        anyhow::ensure!(total > 0, "{} has ended:\n{}", self.name, self.tail());
        Ok(total)
    }

    /// Resident memory once it has stopped changing, in KiB.
    pub async fn settled(&self) -> anyhow::Result<u64> {
        let begin = Instant::now();
        let mut last = self.resident()?;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.resident()?;
            if now.abs_diff(last) <= last / 200 || begin.elapsed() > Duration::from_secs(10) {
                return Ok(now);
            }
            last = now;
        }
    }

    /// All processes of its group.
    fn members(&self) -> anyhow::Result<Vec<Member>> {
        let group = self.child.id();
        Ok(processes()?.into_iter().filter(|member| member.group == group).collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// User and system time of a process and its children so far, whatever their groups: a PostgreSQL server and its
/// sessions.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn cpu_of_family(root: u32) -> anyhow::Result<Duration> {
    let family = processes()?.into_iter().filter(|member| member.id == root || member.parent == root);
    Ok(machine::ticks_to_time(family.map(|member| member.ticks).sum()))
}

fn processes() -> anyhow::Result<Vec<Member>> {
    let entries = fs::read_dir("/proc").context("/proc cannot be read")?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read =
        |id: u32| Member::read(id, &fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default());
    Ok(ids.filter_map(read).collect())
}

#[derive(Debug, PartialEq, Eq)]
struct Member {
    id: u32,
    parent: u32,
    group: u32,
    ticks: u64,
}

impl Member {
    /// Reads `/proc/<id>/stat`; the name in parentheses may contain anything.
    fn read(id: u32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let process = |index: usize| u32::try_from(number(index)?).ok();
        Some(Self { id, parent: process(1)?, group: process(2)?, ticks: number(11)? + number(12)? })
    }
}

/// `VmRSS` of `/proc/<id>/status`, in KiB.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_whatever_name() {
        let stat = "42 (a) b (c) S 1 77 42 0 -1 4194560 100 0 0 0 31 11 5 6 20 0 1 0 100 1000 10 1844";
        assert_eq!(Member::read(42, stat), Some(Member { id: 42, parent: 1, group: 77, ticks: 42 }));
        assert_eq!(Member::read(42, ""), None);
    }

    #[test]
    fn resident_memory_is_read_from_a_status_page() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[tokio::test]
    async fn what_was_started_ends_with_its_handle() {
        let directory = tempfile::tempdir().expect("a directory");
        // A shell with a child, both of one group.
        let program = Program {
            name: "shell",
            path: Path::new("/bin/sh"),
            arguments: vec![OsStr::new("-c"), OsStr::new("sleep 600 & wait")],
            environment: Vec::new(),
            directory: directory.path(),
        };
        let running = Running::start(&program, None).expect("a shell");
        let begin = Instant::now();
        while running.members().expect("/proc").len() < 2 {
            assert!(begin.elapsed() < Duration::from_secs(20), "the shell starts no child");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(running.resident().expect("resident") > 0);
        let group = running.child.id();
        drop(running);
        let gone = || {
            let alive = |id: u32| {
                let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
                Member::read(id, &stat).is_some_and(|member| member.group == group) && !stat.contains(") Z ")
            };
            let entries = fs::read_dir("/proc").expect("/proc").flatten();
            !entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).any(alive)
        };
        while !gone() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the child outlives its shell");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
