//! One administrator's connection.

use crate::ServerError;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, error::SqlState};

/// A session. Dropping it ends the connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) connection: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    pub(crate) async fn open(config: &Config, place: &str) -> Result<Self, ServerError> {
        match config.connect(NoTls).await {
            Ok((client, connection)) => {
                let connection = tokio::spawn(async move {
                    // Whoever waits for an answer is told; there is nobody else to tell.
                    let _ = connection.await;
                });
                Ok(Self { client, connection })
            }
            Err(source) => Err(match source.code() {
                Some(
                    &(SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                    | SqlState::INVALID_PASSWORD
                    | SqlState::INSUFFICIENT_PRIVILEGE),
                ) => {
                    let user = config.get_user().unwrap_or_default().to_owned();
                    ServerError::Refused { place: place.to_owned(), user, reason: reason(&source) }
                }
                _ => ServerError::Unreachable { place: place.to_owned(), source },
            }),
        }
    }

    /// Runs statements without parameters. `what` completes "the server could not …".
    pub(crate) async fn run(&self, what: &str, sql: &str) -> Result<(), ServerError> {
        self.client.batch_execute(sql).await.map_err(failed(what))
    }

    /// Runs a query with one text as its parameter that gives one value or none.
    pub(crate) async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(
        &self,
        what: &str,
        sql: &str,
        parameter: &str,
    ) -> Result<Option<T>, ServerError> {
        let row = self.client.query_opt(sql, &[&parameter]).await.map_err(failed(what))?;
        row.map(|row| row.try_get(0)).transpose().map_err(failed(what))
    }
}

/// Makes a [`ServerError::Statement`] of an error.
pub(crate) fn failed(what: &str) -> impl FnOnce(tokio_postgres::Error) -> ServerError {
    move |error| ServerError::Statement { what: what.to_owned(), reason: reason(&error) }
}

/// What the server said. Its detail and hint belong to it; the statement does not.
fn reason(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let mut text = db.message().to_owned();
            for more in [db.detail(), db.hint()].into_iter().flatten() {
                text.push_str(&format!(" ({more})"));
            }
            text
        }
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
