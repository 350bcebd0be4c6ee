//! The database servers that this host uses: one private one, and existing ones by URL.

use crate::{fail, home::Home};
use fairway_model::{Failure, FailureKind, Redacted};
use fairway_postgres::{Cluster, Durability, Server, Settings};
use fairway_supervisor::LogPolicy;
use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;

/// The database servers that this host uses.
#[derive(Debug)]
pub(crate) struct Databases {
    root: PathBuf,
    path: Option<String>,
    private: Mutex<Option<Arc<Cluster>>>,
}

impl Databases {
    pub(crate) fn new(home: &Home, path: Option<String>) -> Self {
        Self { root: place(home), path, private: Mutex::new(None) }
    }

    /// The private server, created and started if need be; also its version.
    pub(crate) async fn private(&self, version: Option<&str>) -> Result<Arc<Cluster>, Failure> {
        let mut private = self.private.lock().await;
        if let Some(cluster) = &*private {
            if cluster.ready().await.is_ok() {
                return Ok(Arc::clone(cluster));
            }
            // It has given up. A new attempt begins from what is on the disk.
            *private = None;
        }
        let version = match version {
            Some(version) => Some(version.parse::<u32>().map_err(|_| {
                fail::invalid(
                    format!("`{version}` is not a major version of PostgreSQL"),
                    "Write the major version alone, such as \"15\"",
                )
            })?),
            None => None,
        };
        let opened = Cluster::open_or_create(Settings {
            data_dir: self.root.join("data"),
            socket_dir: self.root.join("run"),
            log: LogPolicy::new(self.root.join("postgres.log")),
            port: None,
            version,
            superuser_password: None,
            durability: Durability::Full,
            path: self.path.clone(),
        })
        .await;
        let cluster = opened.map_err(|error| {
            let mut failure = Failure::new(
                FailureKind::Database,
                fail::chain(&error),
                fail::NOTHING_MOVED,
                format!(
                    "Correct that and apply again; the server's log is {}",
                    self.root.join("postgres.log").display()
                ),
            );
            failure.log =
                fairway_supervisor::log::tail(&self.root.join("postgres.log"), 10).unwrap_or_default();
            failure
        })?;
        let cluster = Arc::new(cluster);
        *private = Some(Arc::clone(&cluster));
        Ok(cluster)
    }

    /// Has a private server been made here?
    pub(crate) fn has_private(&self) -> bool {
        self.root.join("data").join("PG_VERSION").is_file()
    }

    /// An existing server.
    pub(crate) async fn existing(&self, url: &Redacted) -> Result<Server, Failure> {
        Server::connect_existing(url.expose()).await.map_err(|error| {
            Failure::new(
                FailureKind::Database,
                fail::chain(&error),
                fail::NOTHING_MOVED,
                "Check the server and the secret with its URL, then apply again",
            )
        })
    }

    /// Process id of the private server, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        Cluster::running(&self.root.join("data")).map(|identity| identity.pid)
    }

    /// Stops the private server, if it runs.
    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        let running = self.private.lock().await.take();
        let running = match running {
            Some(running) => running,
            // A server that an earlier agent left running.
            None if Cluster::running(&self.root.join("data")).is_some() => self.private(None).await?,
            None => return Ok(()),
        };
        self.private.lock().await.take();
        running.stop().await.map(drop).map_err(|error| {
            Failure::new(
                FailureKind::Database,
                fail::chain(&error),
                "Its data is as it was",
                "Look into its log and stop it by hand",
            )
        })
    }
}

/// Where every host has room for what programs keep, whoever they run as (Filesystem Hierarchy Standard 3.0, section 5.8).
const SHARED: &str = "/var/lib/fairway";

/// Where the private server lives: in the agent's home, if the user that the server runs as can walk there. A server
/// refuses to run as root, so root's server runs as somebody who may not enter `/root` and the like.
fn place(home: &Home) -> PathBuf {
    let usual = home.postgres();
    let settled = usual.join("data").exists();
    if settled || !nix::unistd::geteuid().is_root() || usual.ancestors().skip(1).all(anybody_may_enter) {
        usual
    } else {
        Path::new(SHARED).join(home.tag())
    }
}

fn anybody_may_enter(directory: &Path) -> bool {
    std::fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
}
