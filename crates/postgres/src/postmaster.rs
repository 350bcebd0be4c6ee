//! Whether a server runs on a data directory, and who holds it.

use fairway_supervisor::Identity;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The lock file of a running server.
pub(crate) const PID_FILE: &str = "postmaster.pid";

/// What `postmaster.pid` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: u32,
    pub(crate) port: Option<u16>,
    pub(crate) socket_dir: Option<PathBuf>,
    /// Does it take connections?
    pub(crate) ready: bool,
}

impl PidFile {
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data_dir.join(PID_FILE)).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let port = lines.nth(2).and_then(|line| line.trim().parse().ok());
        let socket_dir = lines.next().filter(|line| !line.is_empty()).map(PathBuf::from);
        let ready = lines.nth(2).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, port, socket_dir, ready })
    }
}

/// The server that runs on `data_dir`. A process id in a lock file is only believed when that process works in the
/// directory: after a crash or a reboot the id may belong to anybody.
pub(crate) fn running(data_dir: &Path) -> Option<Identity> {
    let pid = PidFile::read(data_dir)?.pid;
    let identity = Identity::of(pid).ok()?;
    (works_in(pid, &fs::canonicalize(data_dir).ok()?) && identity.is_running()).then_some(identity)
}

/// Every process that works in `data_dir`: the server and its children.
pub(crate) fn workers(data_dir: &Path) -> Vec<u32> {
    let Ok(data_dir) = fs::canonicalize(data_dir) else { return Vec::new() };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| works_in(*pid, &data_dir) && is_postgres(*pid))
        .collect()
}

fn works_in(pid: u32, data_dir: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data_dir)
}

fn is_postgres(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| matches!(name.trim(), "postgres" | "postmaster"))
}

/// Removes lock files that would keep the server from starting although nobody works in `data_dir` any more, which the
/// caller has made sure of: their process id belongs to somebody else by now, or to a process that has ended and was
/// not reaped. A lock file whose process is simply gone is left to the server, which also looks at the shared memory
/// that it names.
pub(crate) fn remove_stale(data_dir: &Path, socket: &Path) -> std::io::Result<()> {
    let exists = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
    if PidFile::read(data_dir).is_some_and(|file| exists(file.pid)) {
        fs::remove_file(data_dir.join(PID_FILE))?;
    }
    let lock = PathBuf::from(format!("{}.lock", socket.display()));
    let text = fs::read_to_string(&lock).unwrap_or_default();
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.trim().parse().ok());
    // The lock of another cluster at the same socket stays, and the server will say so.
    let ours = lines.next().map(Path::new) == Some(data_dir);
    if ours && pid.is_some_and(exists) { fs::remove_file(lock) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_files() {
        let file = |port, socket_dir: Option<&str>, ready| {
            Some(PidFile { pid: 4711, port, socket_dir: socket_dir.map(PathBuf::from), ready })
        };
        for (text, expect) in [
            (
                "4711\n/data\n1700000000\n5432\n/run\n127.0.0.1\n  1234  5678\nready   \n",
                file(Some(5432), Some("/run"), true),
            ),
            ("4711\n/data\n1\n2\n/run\n\n1 2\nstarting\n", file(Some(2), Some("/run"), false)),
            ("4711\n", file(None, None, false)),
            ("", None),
        ] {
            assert_eq!(PidFile::parse(text), expect);
        }
    }

    #[test]
    fn another_process_with_the_id_is_not_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(PID_FILE);
        fs::write(&file, format!("{}\n{}\n", std::process::id(), dir.path().display())).unwrap();
        assert_eq!(running(dir.path()), None);
        remove_stale(dir.path(), &dir.path().join("socket")).unwrap();
        assert!(!file.exists());
        fs::write(&file, "4194305\n").unwrap();
        remove_stale(dir.path(), &dir.path().join("socket")).unwrap();
        assert!(file.exists(), "a dead process's lock is the server's own business");
    }
}
