//! Messages about something: read in the order they were written, added at the end.
//!
//! Tickets and inquiries have the same conversation in tables of their own; what differs is the name of the table,
//! which stands in the statements they pass.

use serde::Deserialize;
use shop_kit::ApiResult;
use shop_kit::extract::Paging;
use sqlx::{FromRow, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::authorize::Caller;
use crate::sql::OrFail;
use crate::text::{LONG, required};

/// How many messages are on a page when nobody says.
pub const PAGE: i64 = 50;

/// A message as the database has it.
#[derive(Debug, FromRow)]
pub struct MessageRow {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub about: Uuid,
    /// `customer`, `staff` or `ai`.
    pub sender_type: String,
    /// Who wrote it.
    pub sender_user_id: Option<Uuid>,
    /// What it says.
    pub content: String,
    /// When.
    pub created_at: OffsetDateTime,
}

/// A new message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Say {
    content: Option<String>,
}

/// The statements of a conversation. `$1` is what it is about.
#[derive(Debug)]
pub struct Conversation {
    /// Counts the messages.
    pub count: &'static str,
    /// A page of messages; `$2` is the limit, `$3` the offset.
    pub page: &'static str,
    /// Adds a message; `$2` is the kind of sender, `$3` the sender, `$4` the content.
    pub add: &'static str,
}

impl Conversation {
    /// A page, and how many messages there are.
    ///
    /// # Errors
    /// 500 when the database does not answer.
    pub async fn list(
        &self,
        pool: &PgPool,
        about: Uuid,
        paging: Paging,
    ) -> ApiResult<(Vec<MessageRow>, i64)> {
        let failed = "failed to list messages";
        let total = sqlx::query_scalar(self.count).bind(about).fetch_one(pool).await.or_fail(failed)?;
        let rows = sqlx::query_as(self.page)
            .bind(about)
            .bind(paging.size)
            .bind(paging.offset())
            .fetch_all(pool)
            .await
            .or_fail(failed)?;
        Ok((rows, total))
    }

    /// Adds what the caller says.
    ///
    /// # Errors
    /// 400 when it is nothing or too much.
    pub async fn add(&self, pool: &PgPool, about: Uuid, caller: &Caller, say: Say) -> ApiResult<MessageRow> {
        let content = required("content", say.content, LONG)?;
        sqlx::query_as(self.add)
            .bind(about)
            .bind(caller.sender_type())
            .bind(caller.id)
            .bind(content)
            .fetch_one(pool)
            .await
            .or_fail("failed to create message")
    }
}
