//! What can go wrong with a cluster, a server and a database.

use crate::LocateError;
use fairway_supervisor::{OneShotError, StartError, StopError};
use std::{io, path::PathBuf, time::Duration};

/// Why there is no private cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The programs are missing.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// The data belongs to another version.
    #[error("{} holds data of PostgreSQL {found}, and version {wanted} is asked for; the data was not touched. Ask for version {found}, or dump the data, move the directory away and restore into a new cluster", data_dir.display())]
    VersionMismatch {
        /// The data directory.
        data_dir: PathBuf,
        /// Major version of the data.
        found: u32,
        /// Major version in the settings.
        wanted: u32,
    },
    /// The directory holds something else.
    #[error("{} is not empty and not a PostgreSQL cluster; it was not touched. Name another data directory, or move its content away", data_dir.display())]
    NotACluster {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The directory holds a cluster that somebody else configures.
    #[error("{} holds a PostgreSQL cluster that Fairway has not created; it was not touched. Start it yourself and name it by its URL, or name another data directory", data_dir.display())]
    ForeignCluster {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Another program looks after the cluster.
    #[error("another program looks after the PostgreSQL cluster in {} (it holds a lock on {}); nothing was changed. Stop that program first, or name another data directory", data_dir.display(), lock.display())]
    Owned {
        /// The data directory.
        data_dir: PathBuf,
        /// The file on which it holds the lock.
        lock: PathBuf,
    },
    /// PostgreSQL refuses to run as root, and the user it would run as cannot reach its data.
    #[error("PostgreSQL runs as user {user}, who may not enter {}; nothing was changed. Run `chmod o+x {}` or name a data directory elsewhere", closed.display(), closed.display())]
    Closed {
        /// The user.
        user: String,
        /// The first directory on the way that is closed.
        closed: PathBuf,
    },
    /// There is nobody to run as.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`; nothing was changed. Create one: `useradd --system postgres`"
    )]
    NoUser,
    /// The path of the socket is too long for the system.
    #[error("the socket {} has {} bytes, and a Unix socket's path may have 107; nothing was changed. Name a shorter socket directory", path.display(), path.as_os_str().len())]
    SocketPath {
        /// The socket's path.
        path: PathBuf,
    },
    /// Somebody else listens on the port.
    #[error(
        "port {port} on 127.0.0.1 is taken by another program, so PostgreSQL was not started; its data was not touched. Stop that program ({}), or set another port",
        holder
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// What is known about the other.
        holder: String,
    },
    /// A file cannot be read or written.
    #[error("{what} {} failed; {unchanged}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What was not changed.
        unchanged: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb {outcome}; no cluster was created.\n{}", log.join("\n"))]
    Initdb {
        /// How it ended.
        outcome: String,
        /// Its last lines.
        log: Vec<String>,
    },
    /// `initdb` or the server was not started or could not be stopped.
    #[error("a program of PostgreSQL did not run to its end")]
    Run(#[from] OneShotError),
    /// The server was not started.
    #[error("the PostgreSQL server was not started")]
    Start(#[from] StartError),
    /// The server ended before it was ready.
    #[error("the PostgreSQL server {outcome} before it was ready; its data was not touched.\n{}", log.join("\n"))]
    Ended {
        /// How it ended.
        outcome: String,
        /// Its last lines.
        log: Vec<String>,
    },
    /// The server runs and does not take connections.
    #[error("the PostgreSQL server takes no connections after {} s; it still runs, perhaps it recovers from a crash. Try again later.\n{}", after.as_secs(), log.join("\n"))]
    NotReady {
        /// How long it was waited for.
        after: Duration,
        /// Its last lines.
        log: Vec<String>,
    },
    /// The server could not be stopped.
    #[error("the PostgreSQL server was not stopped")]
    Stop(#[from] StopError),
    /// Processes of an earlier server hold the data.
    #[error("processes {} of an earlier server still work on {}; it was not started. Wait for them or end them", list(pids), data_dir.display())]
    Orphans {
        /// Their ids.
        pids: Vec<u32>,
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The server runs and the administrator cannot log in or set it up.
    #[error("the private cluster runs and could not be set up")]
    Server(#[from] ServerError),
}

fn list(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The URL cannot be read.
    #[error(
        "the URL of the PostgreSQL server cannot be used: {why}. It has the form postgres://user:password@host:5432/postgres"
    )]
    Url {
        /// What is wrong with it; never the URL, which may hold a password.
        why: String,
    },
    /// The URL asks for TLS.
    #[error(
        "the URL of the PostgreSQL server asks for TLS, which Fairway does not speak to a database yet; nothing was changed. Reach the server through a tunnel or a local pooler and use sslmode=disable"
    )]
    Tls,
    /// Nobody answers.
    #[error(
        "the PostgreSQL server at {place} cannot be reached; nothing was changed. Check that it runs and that the address is right"
    )]
    Unreachable {
        /// Where.
        place: String,
        /// What was said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The login is refused.
    #[error(
        "the PostgreSQL server at {place} refuses user {user}: {reason}; nothing was changed. Check user, password and pg_hba.conf"
    )]
    Refused {
        /// Where.
        place: String,
        /// Who.
        user: String,
        /// What the server said.
        reason: String,
    },
    /// The user may not do what is needed.
    #[error(
        "user {user} at {place} may not {missing}; nothing was changed. Run as an administrator: ALTER ROLE {user} CREATEDB CREATEROLE"
    )]
    Insufficient {
        /// Where.
        place: String,
        /// Who.
        user: String,
        /// What is missing.
        missing: &'static str,
    },
    /// The server is too old.
    #[error(
        "the PostgreSQL server at {place} is version {version}; 13 or newer is needed. Nothing was changed"
    )]
    TooOld {
        /// Where.
        place: String,
        /// Its version.
        version: String,
    },
    /// A statement failed.
    #[error("the PostgreSQL server could not {what}: {reason}")]
    Statement {
        /// What was tried.
        what: String,
        /// What the server said.
        reason: String,
    },
}

/// Why a service has no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The server cannot be used.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Something of that name exists, made by somebody else.
    #[error(
        "{kind} {name} exists and was not made by Fairway for {environment} {service}; it was not touched. Rename it, or use another server"
    )]
    Foreign {
        /// `database` or `role`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The environment that asked.
        environment: String,
        /// The service that asked.
        service: String,
    },
}

/// Why work was not done under a lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The server cannot be used.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Somebody else holds it.
    #[error("the lock `{key}` on database {database} was not free within {} s{}; nothing was started. Wait for the other one to end, then try again", waited.as_secs(), holder.as_ref().map(|holder| format!(", it is held by {holder}")).unwrap_or_default())]
    Busy {
        /// What it is about.
        key: String,
        /// Where.
        database: String,
        /// How long it was waited for.
        waited: Duration,
        /// Who holds it.
        holder: Option<String>,
    },
    /// The connection that held it broke, so the work was given up.
    #[error(
        "the connection that held the lock `{key}` on database {database} broke, so the work was broken off: another one may hold the lock now. Look at the server's log, then try again"
    )]
    Lost {
        /// What it is about.
        key: String,
        /// Where.
        database: String,
    },
}
