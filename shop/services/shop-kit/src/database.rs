//! The service's own PostgreSQL database: a pool for serving, a single run for migrations.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use thiserror::Error;

use crate::settings::Secret;

/// A connection that was used so recently is taken to be there. Asking it costs as much as a small statement.
const BELIEVED_FOR: Duration = Duration::from_millis(100);

/// The database can't be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The address can't be read. It may hold a password, so it is not repeated.
    #[error(
        "{variable} is not a PostgreSQL address like postgres://user:password@host:5432/name; nothing was started"
    )]
    Address {
        /// The variable that held it.
        variable: &'static str,
        /// What the parser said.
        #[source]
        source: sqlx::Error,
    },
    /// No connection.
    #[error(
        "no connection to the database named by {variable}; nothing was changed. Is PostgreSQL running there?"
    )]
    Connect {
        /// The variable that names it.
        variable: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// A migration failed; those before it stay applied.
    #[error(
        "a migration failed and was rolled back; the ones before it stay. Repair it and run migrate again"
    )]
    Migrate(#[source] MigrateError),
    /// A statement failed.
    #[error("the database refused a statement; this run was rolled back")]
    Statement(#[from] sqlx::Error),
}

/// Where the database is, and the variable that said so.
#[derive(Debug, Clone)]
pub struct Database {
    variable: &'static str,
    options: PgConnectOptions,
}

impl Database {
    /// Reads a `postgres://` address. `?sslmode=disable` and `?host=/directory/of/the/socket` work.
    ///
    /// # Errors
    /// When the address can't be read.
    pub fn at(variable: &'static str, dsn: &Secret) -> Result<Self, DatabaseError> {
        let text = dsn.reveal();
        // The parser looks at everything but the scheme.
        let options = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            PgConnectOptions::from_str(&with_host(text))
        } else {
            Err(sqlx::Error::Configuration("it does not begin with postgres://".into()))
        };
        let options = options
            .map_err(|source| DatabaseError::Address { variable, source })?
            .disable_statement_logging();
        Ok(Self { variable, options })
    }

    /// A pool that connects when it is first used, so that a service starts (and says it is not ready)
    /// while its database is still coming up.
    pub fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(false)
            .before_acquire(|connection, since| {
                Box::pin(async move {
                    if since.idle_for > BELIEVED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// Runs the migrations that are missing, under PostgreSQL's advisory lock, and says which.
    ///
    /// # Errors
    /// When the database can't be reached or a migration fails.
    pub async fn migrate(&self, migrator: &Migrator) -> Result<(), DatabaseError> {
        let mut connection = self
            .options
            .connect()
            .await
            .map_err(|source| DatabaseError::Connect { variable: self.variable, source })?;
        migrator.run(&mut connection).await.map_err(DatabaseError::Migrate)?;
        let (applied, newest): (i64, Option<i64>) =
            sqlx::query_as("SELECT count(*), max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut connection)
                .await?;
        connection.close().await?;
        tracing::info!(applied, newest, "migrations applied");
        Ok(())
    }
}

/// `postgres://user:password@/name?host=/directory` names no host, which PostgreSQL's own programs understand
/// and URL parsers do not.
fn with_host(dsn: &str) -> Cow<'_, str> {
    let start = dsn.find("://").map_or(0, |scheme| scheme + 3);
    let end = dsn[start..].find(['/', '?']).map_or(dsn.len(), |length| start + length);
    if dsn[..end].ends_with('@') {
        Cow::Owned(format!("{}localhost{}", &dsn[..end], &dsn[end..]))
    } else {
        Cow::Borrowed(dsn)
    }
}

/// One round trip; for `/ready`.
///
/// # Errors
/// A text for the log when the database does not answer.
pub async fn ping(pool: PgPool) -> Result<(), String> {
    sqlx::query("SELECT 1").execute(&pool).await.map(drop).map_err(|e| format!("database: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |dsn: &str, expect: Result<&str, &str>| {
            let got = Database::at("DSN", &Secret::new(dsn)).map(|database| {
                let options = database.options;
                let place = options
                    .get_socket()
                    .map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
                format!("{} {place} {}", options.get_username(), options.get_database().unwrap_or("-"))
            });
            let got = got.map_err(|e| e.to_string());
            assert_eq!(got.as_deref().map_err(|e| &e[..e.len().min(36)]), expect, "{dsn}");
        };
        check("postgres://u:p@h:5433/d?sslmode=disable", Ok("u h d"));
        check("postgresql://u@127.0.0.1/d", Ok("u 127.0.0.1 d"));
        check("postgres://u:p@localhost/d?host=/run/pg", Ok("u /run/pg d"));
        check("postgres://u:p%40%2F@/d?host=%2Frun%2Fpg&port=7", Ok("u /run/pg d"));
        check("mysql://u:p@h/d", Err("DSN is not a PostgreSQL address like"));
        check("postgres://u:p@h:x/d", Err("DSN is not a PostgreSQL address like"));
    }
}
