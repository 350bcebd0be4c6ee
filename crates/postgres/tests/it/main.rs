//! Real clusters, each with its own directory and port.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod cluster;
mod databases;
mod existing;
mod locks;

use fairway_postgres::{Cluster, Credentials, Durability, Settings, locate};
use fairway_supervisor::LogPolicy;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

const SOON: Duration = Duration::from_secs(60);

/// A directory that PostgreSQL's own user can enter, too.
fn dir() -> Home {
    let dir = tempfile::Builder::new().prefix("fw-pg-").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Home(dir)
}

fn installed() -> bool {
    let found = locate(std::env::var("PATH").ok().as_deref(), None).is_ok();
    if !found {
        eprintln!("skipped: needs postgres");
    }
    found
}

fn settings(dir: &TempDir) -> Settings {
    Settings {
        data_dir: dir.path().join("data"),
        socket_dir: dir.path().join("run"),
        log: LogPolicy::new(dir.path().join("log/postgres.log")),
        port: None,
        version: None,
        superuser_password: None,
        durability: Durability::TestsOnly,
        path: std::env::var("PATH").ok(),
    }
}

/// A cluster that is stopped when the test ends, whichever way it ends.
struct Running {
    cluster: Cluster,
    dir: Home,
}

/// A directory whose server, if there is one, is gone before it is removed.
struct Home(TempDir);

impl std::ops::Deref for Home {
    type Target = TempDir;
    fn deref(&self) -> &TempDir {
        &self.0
    }
}

impl Running {
    async fn new() -> Self {
        let dir = dir();
        let cluster = Cluster::open_or_create(settings(&dir)).await.unwrap();
        Self { cluster, dir }
    }

    fn settings(&self) -> Settings {
        settings(&self.dir)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        stop_now(&self.0);
    }
}

/// Kills the server of the cluster in `dir`; its children end by themselves.
fn stop_now(dir: &TempDir) {
    if let Some(identity) = Cluster::running(&dir.path().join("data")) {
        kill(identity.pid);
    }
    // Its children notice by themselves, and their files must not outlive the directory.
    let began = Instant::now();
    while workers(dir) > 0 && began.elapsed() < SOON {
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}

fn workers(dir: &TempDir) -> usize {
    let data = dir.path().join("data");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data)).count()
}

/// Logs in with a connection URL.
async fn login(dsn: &str) -> Result<Client, String> {
    let config: Config = dsn.parse().unwrap();
    match config.connect(NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Ok(client)
        }
        Err(error) => {
            Err(error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned()))
        }
    }
}

async fn enter(credentials: &Credentials) -> Client {
    login(credentials.dsn().expose()).await.unwrap()
}

async fn text(client: &Client, sql: &str) -> Result<String, String> {
    match client.query_one(sql, &[]).await {
        Ok(row) => Ok(row.get(0)),
        Err(error) => {
            Err(error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned()))
        }
    }
}
