//! The agent's home directory: who owns it and where everything is.
//!
//! | path | content |
//! |---|---|
//! | `agent.pid` | the lock; one agent at a time holds it, and the kernel lets go of it when that agent dies |
//! | `agent.json` | [`fairway_protocol::agent::AgentAddress`]: where the socket is |
//! | `agent.sock`, `edge.sock` | the control sockets, for the owner only |
//! | `agent.log`, `edge.log` | what they print |
//! | `artifacts/<hex>/` | artifacts by digest |
//! | `secrets/<environment>/` | secret values by version, database passwords |
//! | `journal/<environment>.json` | what the agent knows about an environment |
//! | `work/<environment>/<instance>/` | working directories |
//! | `logs/<environment>/<service>/<instance>.log` | logs |
//! | `postgres/` | the private database server |

use crate::{AgentError, disk};
use fairway_model::{EnvironmentName, ServiceName};
use fairway_protocol::agent::LONGEST_SOCKET_PATH;
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// Paths below the home directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
    /// The same directory under a name that is short enough for sockets in it.
    short: PathBuf,
}

impl Home {
    /// Makes the directory. Others may pass through it, which a database server that runs as a user of its own needs;
    /// what is private is private itself.
    pub(crate) fn open(root: &Path) -> Result<Self, AgentError> {
        let unusable = |source| AgentError::Home { home: root.to_owned(), source };
        disk::passable_directory(root).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        for part in ["artifacts", "secrets", "journal", "work", "logs"] {
            disk::directory(&root.join(part)).map_err(unusable)?;
        }
        let short = short_name(&root)?;
        Ok(Self { root, short })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Tells this home from others on the same machine.
    pub(crate) fn tag(&self) -> String {
        tag(&self.root)
    }

    /// The directory under a name that is short enough for sockets in it; the edge is started with this one.
    pub(crate) fn short(&self) -> &Path {
        &self.short
    }

    pub(crate) fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    pub(crate) fn journals(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn journal(&self, environment: &EnvironmentName) -> PathBuf {
        self.journals().join(format!("{}.json", environment.as_segment()))
    }

    pub(crate) fn secrets(&self, environment: &EnvironmentName) -> PathBuf {
        self.root.join("secrets").join(environment.as_segment())
    }

    pub(crate) fn work(&self, environment: &EnvironmentName) -> PathBuf {
        self.root.join("work").join(environment.as_segment())
    }

    pub(crate) fn logs(&self, environment: &EnvironmentName) -> PathBuf {
        self.root.join("logs").join(environment.as_segment())
    }

    pub(crate) fn log(
        &self,
        environment: &EnvironmentName,
        service: &ServiceName,
        instance: &str,
    ) -> PathBuf {
        self.logs(environment).join(service.as_str()).join(format!("{instance}.log"))
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(crate) fn edge_socket(&self) -> PathBuf {
        self.short.join("edge.sock")
    }

    pub(crate) fn agent_socket(&self) -> PathBuf {
        self.short.join("agent.sock")
    }

    pub(crate) fn edge_log(&self) -> PathBuf {
        self.root.join("edge.log")
    }

    pub(crate) fn edge_journal(&self) -> PathBuf {
        self.root.join("edge-process.json")
    }
}

fn tag(root: &Path) -> String {
    hex::encode(&Sha256::digest(root.as_os_str().as_encoded_bytes())[..8])
}

/// The kernel takes little more than a hundred bytes for the path of a socket. A home with a longer one gets a link with
/// a short name, in a directory of this user alone.
fn short_name(root: &Path) -> Result<PathBuf, AgentError> {
    if root.join("agent.sock").as_os_str().len() <= LONGEST_SOCKET_PATH {
        return Ok(root.to_owned());
    }
    let user = nix::unistd::Uid::effective();
    let directory = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if runtime.len() < LONGEST_SOCKET_PATH / 2 => PathBuf::from(runtime).join("fairway"),
        _ => PathBuf::from(format!("/tmp/fairway-{user}")),
    };
    let refused = |source| AgentError::Socket { path: directory.clone(), source };
    disk::directory(&directory).map_err(refused)?;
    let found = fs::symlink_metadata(&directory).map_err(refused)?;
    if !found.is_dir() || found.uid() != user.as_raw() || found.mode() & 0o077 != 0 {
        let why = "the directory is not this user's alone; remove it or set XDG_RUNTIME_DIR";
        return Err(refused(io::Error::new(io::ErrorKind::PermissionDenied, why)));
    }
    let link = directory.join(tag(root));
    if fs::read_link(&link).is_ok_and(|target| target == root) {
        return Ok(link);
    }
    disk::remove(&link).and_then(|()| symlink(root, &link)).map_err(refused)?;
    Ok(link)
}

/// Proof that this process owns the home directory; it does as long as this lives.
#[derive(Debug)]
pub(crate) struct Owned {
    _lock: Flock<File>,
}

impl Owned {
    /// Takes the lock and writes this process's id into it.
    pub(crate) fn take(home: &Home) -> Result<Self, AgentError> {
        let path = home.root().join("agent.pid");
        let unusable = |source| AgentError::Home { home: home.root().to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                lock.set_len(0).map_err(unusable)?;
                lock.rewind().map_err(unusable)?;
                writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
                Ok(Self { _lock: lock })
            }
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                Err(AgentError::Owned { home: home.root().to_owned(), pid: pid.trim().to_owned() })
            }
            Err((_, errno)) => Err(unusable(errno.into())),
        }
    }
}
