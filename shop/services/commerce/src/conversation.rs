//! Messages about something: read in the order they were written, added at the end.
//!
//! Tickets and inquiries have the same conversation in tables of their own.

use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_kit::extract::Paging;
use shop_kit::list::List;
use shop_kit::wire::Page;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, QueryBuilder};
use uuid::Uuid;

use crate::authorize::Caller;
use crate::text::{LONG, required};

/// How many messages are on a page when nobody says.
pub const PAGE: i64 = 50;

/// Where messages about something are.
#[derive(Debug)]
pub struct Conversation {
    /// The table.
    pub table: &'static str,
    /// The column that says what a message is about.
    pub about: &'static str,
    /// What is shown of a message.
    pub columns: &'static str,
}

impl Conversation {
    /// A page, the oldest first.
    ///
    /// # Errors
    /// 500 when the database does not answer.
    pub async fn list<T>(&self, pool: &PgPool, about: Uuid, paging: Paging) -> ApiResult<Page<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let list = List { table: self.table, columns: self.columns, order: "created_at, id", ids: None };
        let page = list.page(pool, paging, |sql| {
            sql.push(" AND ").push(self.about).push(" = ").push_bind(about);
        });
        page.await.or_internal("failed to list messages")
    }

    /// Adds what the caller says.
    ///
    /// # Errors
    /// 400 when it is nothing or too much.
    pub async fn add<T>(
        &self,
        pool: &PgPool,
        about: Uuid,
        caller: &Caller,
        content: Option<String>,
    ) -> ApiResult<T>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let content = required("content", content, LONG)?;
        let mut query = QueryBuilder::new("INSERT INTO ");
        query
            .push(self.table)
            .push(" (")
            .push(self.about)
            .push(", sender_type, sender_user_id, content) VALUES (");
        query.push_bind(about).push(", ").push_bind(caller.sender_type()).push(", ").push_bind(caller.id);
        query.push(", ").push_bind(content).push(") RETURNING ").push(self.columns);
        query.build_query_as().fetch_one(pool).await.or_internal("failed to create message")
    }
}
