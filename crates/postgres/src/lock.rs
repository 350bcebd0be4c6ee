//! Work that only one may do at a time.

use crate::{LockError, Server, ServerError, admin::failed, quote::literal};
use sha2::{Digest, Sha256};
use std::{future::Future, time::Duration};
use tokio_postgres::error::SqlState;

impl Server {
    /// Does `work` while holding the lock `key` on `database`, for which it waits as long as `wait`. The lock belongs to a
    /// session of its own: when that breaks, or this future is dropped, the lock is free again and `work` is dropped.
    ///
    /// # Errors
    /// [`LockError`]; `work` was not begun, or was broken off ([`LockError::Lost`]).
    pub async fn with_advisory_lock<T>(
        &self,
        database: &str,
        key: &str,
        wait: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, LockError> {
        let mut session = self.session_in(database).await?;
        let number = number(key);
        // The name of the session says to others what it is about.
        let name: String = format!("fairway: {key}").chars().take(60).collect();
        // Zero would wait for ever.
        let millis = wait.as_millis().clamp(1, i32::MAX as u128);
        session
            .run(
                "set up the session of a lock",
                &format!("SET application_name = {}; SET lock_timeout = {millis}", literal(&name)),
            )
            .await?;
        if let Err(error) = session.client.execute("SELECT pg_advisory_lock($1)", &[&number]).await {
            if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
                let holder = self.holder(database, number).await.unwrap_or_default();
                return Err(LockError::Busy {
                    key: key.to_owned(),
                    database: database.to_owned(),
                    waited: wait,
                    holder,
                });
            }
            return Err(failed("take a lock")(error).into());
        }
        let lost = || LockError::Lost { key: key.to_owned(), database: database.to_owned() };
        let result = tokio::select! {
            biased;
            result = work => result,
            _ = &mut session.connection => return Err(lost()),
        };
        // The session ends the lock as well; asking for it makes sure that it is free when this returns.
        match session.client.execute("SELECT pg_advisory_unlock($1)", &[&number]).await {
            Ok(_) => Ok(result),
            Err(_) => Err(lost()),
        }
    }

    /// Who holds the lock, for people.
    async fn holder(&self, database: &str, number: i64) -> Result<Option<String>, ServerError> {
        let session = self.session_in(database).await?;
        let sql = "SELECT format('process %s of the server (%s, since %s)', a.pid, a.application_name, date_trunc('second', a.backend_start)) \
                   FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                   WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                     AND (l.classid::bigint << 32) | l.objid::bigint = $1::text::bigint";
        session.value("tell who holds the lock", sql, &number.to_string()).await
    }
}

/// The number that stands for a name.
pub(crate) fn number(key: &str) -> i64 {
    let hash = Sha256::digest(format!("fairway {key}"));
    i64::from_be_bytes(hash[..8].try_into().expect("a SHA-256 has 32 bytes"))
}
