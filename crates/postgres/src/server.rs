//! A server that somebody may administer.

use crate::{ServerError, admin::Session, config::SUPERUSER, credentials::Place};
use std::{path::Path, time::Duration};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// The oldest version that has everything that is used here.
const OLDEST: u32 = 13;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A PostgreSQL server and the right to make databases and logins on it. Holds no connection; each call makes its own.
#[derive(Clone)]
pub struct Server {
    /// How the administrator logs in.
    admin: Config,
    /// Where services connect.
    pub(crate) place: Place,
    pub(crate) ssl_mode: &'static str,
    /// Is it ours alone?
    pub(crate) private: bool,
    pub(crate) major: u32,
    pub(crate) superuser: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("place", &self.address())
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server that exists, by its URL, `postgres://user:password@host:5432/postgres`. The user must be a superuser or have
    /// `CREATEDB` and `CREATEROLE`. Services will reach it at the same address.
    ///
    /// # Errors
    /// [`ServerError`]; nothing was changed.
    pub async fn connect_existing(url: &str) -> Result<Self, ServerError> {
        let mut admin: Config = url.parse().map_err(|error: tokio_postgres::Error| ServerError::Url {
            why: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        })?;
        let ssl_mode = match admin.get_ssl_mode() {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            _ => return Err(ServerError::Tls),
        };
        let (host, port) = match (admin.get_hosts(), admin.get_ports()) {
            ([host], [port]) => (host.clone(), *port),
            ([host], []) => (host.clone(), 5432),
            ([], _) => return Err(ServerError::Url { why: "it names no host".into() }),
            _ => return Err(ServerError::Url { why: "it names several hosts; one is needed".into() }),
        };
        if admin.get_user().is_none() {
            return Err(ServerError::Url { why: "it names no user".into() });
        }
        let place = match host {
            Host::Tcp(host) => Place::Tcp { host, port },
            Host::Unix(dir) => Place::Unix { dir, port },
        };
        if admin.get_dbname().is_none() {
            admin.dbname("postgres");
        }
        Self { admin: with_defaults(admin), place, ssl_mode, private: false, major: 0, superuser: false }
            .inspected()
            .await
    }

    /// The server of a private cluster.
    pub(crate) async fn private(socket_dir: &Path, port: u16) -> Result<Self, ServerError> {
        let mut admin = Config::new();
        admin.host_path(socket_dir).port(port).user(SUPERUSER).dbname("postgres");
        let place = Place::Tcp { host: "127.0.0.1".into(), port };
        Self {
            admin: with_defaults(admin),
            place,
            ssl_mode: "disable",
            private: true,
            major: 0,
            superuser: false,
        }
        .inspected()
        .await
    }

    /// Logs in once and looks what the server is and what the user may do.
    async fn inspected(mut self) -> Result<Self, ServerError> {
        let session = self.session().await?;
        let what = "tell its version";
        let version: Option<String> =
            session.value(what, "SELECT current_setting($1)", "server_version_num").await?;
        let version = version.unwrap_or_default();
        self.major = version.parse::<u32>().unwrap_or(0) / 10_000;
        if self.major < OLDEST {
            return Err(ServerError::TooOld { place: self.address(), version });
        }
        let what = "tell the rights of its user";
        let row = session
            .client
            .query_one(
                "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user",
                &[],
            )
            .await
            .map_err(crate::admin::failed(what))?;
        let right = |index: usize| row.try_get::<_, bool>(index).map_err(crate::admin::failed(what));
        self.superuser = right(0)?;
        let missing = match (self.superuser, right(1)?, right(2)?) {
            (true, _, _) | (false, true, true) => return Ok(self),
            (_, false, _) => "create databases",
            (_, _, false) => "create logins",
        };
        let user = self.admin.get_user().unwrap_or_default().to_owned();
        Err(ServerError::Insufficient { place: self.address(), user, missing })
    }

    /// Where it is, for people.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Unix { dir, port } => format!("{}:{port}", dir.display()),
        }
    }

    /// Its major version.
    #[must_use]
    pub fn major_version(&self) -> u32 {
        self.major
    }

    /// A session in the administrator's own database.
    pub(crate) async fn session(&self) -> Result<Session, ServerError> {
        Session::open(&self.admin, &self.address()).await
    }

    /// A session of the administrator in another database.
    pub(crate) async fn session_in(&self, database: &str) -> Result<Session, ServerError> {
        let mut config = self.admin.clone();
        config.dbname(database);
        Session::open(&config, &self.address()).await
    }
}

fn with_defaults(mut config: Config) -> Config {
    config.application_name("fairway");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_WITHIN);
    }
    config
}
