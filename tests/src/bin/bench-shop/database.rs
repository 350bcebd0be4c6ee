//! The shop's PostgreSQL: as an environment gets it, and what its log says.

use anyhow::Context;
use fairway_model::Redacted;
use fairway_postgres::{Cluster, Durability, Password, Settings};
use fairway_stories::measure::process::cpu_of_family;
use fairway_supervisor::LogPolicy;
use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_postgres::{Client, NoTls};

/// The environment in whose name the databases are made.
const ENVIRONMENT: &str = "bench";
/// The administrator's password; the server lives as long as the benchmark.
const PASSWORD: &str = "bench";

/// A running server.
pub(crate) struct Database {
    cluster: Cluster,
    log: PathBuf,
}

impl Database {
    /// A new server with data that survives a power cut, as an environment's has.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        // The server's user has to reach its data.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        let log = directory.join("postgres.log");
        let cluster = Cluster::open_or_create(Settings {
            data_dir: directory.join("postgres"),
            socket_dir: directory.join("socket"),
            log: LogPolicy { max_bytes: 1 << 40, ..LogPolicy::new(&log) },
            port: None,
            version: None,
            superuser_password: Some(Redacted::new(PASSWORD)),
            durability: Durability::Full,
            path: None,
        })
        .await?;
        Ok(Self { cluster, log })
    }

    /// Ends the server.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.cluster.stop().await?;
        Ok(())
    }

    /// The address of a service's own database, which is made when it is not there.
    pub(crate) async fn address_for(&self, service: &str) -> anyhow::Result<String> {
        let made = self.cluster.server().ensure_database(ENVIRONMENT, service, Password::Generate).await?;
        Ok(made.dsn().expose().to_owned())
    }

    /// A session of the administrator in a service's database.
    pub(crate) async fn session(&self, service: &str) -> anyhow::Result<Client> {
        let name = database_name(service);
        let port = self.cluster.port();
        let address = format!("host=127.0.0.1 port={port} user=postgres password={PASSWORD} dbname={name}");
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Changes settings of the server, or of a module that it loads for this; running sessions follow, except for what
    /// is fixed when a session begins.
    pub(crate) async fn set(&self, module: Option<&str>, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let session = self.session("commerce").await?;
        if let Some(module) = module {
            session.batch_execute(&format!("LOAD '{module}'")).await?;
        }
        for (name, value) in settings {
            session.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).await?;
        }
        session.batch_execute("SELECT pg_reload_conf()").await?;
        Ok(())
    }

    /// Where the log ends now.
    pub(crate) fn log_end(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(&self.log).with_context(|| self.log.display().to_string())?.len())
    }

    /// What the log says from there.
    pub(crate) fn log_since(&self, end: u64) -> anyhow::Result<String> {
        let mut file = fs::File::open(&self.log)?;
        file.seek(SeekFrom::Start(end))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// CPU time of the server and its sessions so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let process = self.cluster.status().process.identity.context("PostgreSQL has ended")?;
        cpu_of_family(process.pid)
    }

    /// Its version.
    pub(crate) fn version(&self) -> String {
        self.cluster.status().version
    }
}

/// What the database of a service is called.
pub(crate) fn database_name(service: &str) -> String {
    fairway_postgres::database_name(ENVIRONMENT, service)
}
