//! Lists that are read in pages. What a page costs depends on its place and its size, hardly on how long the list is:
//!
//! * The rows of a page far down are looked for by their ids, which an index has in the list's order: rows before it
//!   are passed over without being read. So are those of any page of [`List::ids`].
//! * Rows are counted up to [`COUNTED`] past the beginning of the page. So the total of a shorter list is exact, and
//!   whoever pages on in a longer one always sees that there is more.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, QueryBuilder};

use crate::extract::Paging;
use crate::wire::Page;

/// How far past the beginning of a page rows are counted.
pub const COUNTED: i64 = 10_000;

/// From which row on it pays to look for ids first: it takes a join more.
const FAR: i64 = 1_000;

/// A table as a list. The conditions that narrow it down are added to a statement that ends in `WHERE true`.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// The table, with the name that the columns call it by if they do: `orders o`. It has a column `id`.
    pub table: &'static str,
    /// What is shown of a row.
    pub columns: &'static str,
    /// The order of the rows; no two have the same place.
    pub order: &'static str,
    /// Where ids are looked for first, whatever the page: the table again, or a view that has what the list is narrowed
    /// and ordered by. For a list that PostgreSQL would otherwise pick out of a longer one, as it does when it expects
    /// the wanted rows to be spread evenly over it.
    pub ids: Option<&'static str>,
}

impl List {
    /// A page of what is wanted, and how many there are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page<T>(
        &self,
        pool: &PgPool,
        paging: Paging,
        narrow: impl Fn(&mut QueryBuilder<Postgres>),
    ) -> sqlx::Result<Page<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut connection = pool.acquire().await?;
        let total = self.count(&mut connection, paging, &narrow).await?;
        let items = self.rows(&mut connection, paging, total, narrow).await?;
        Ok(Page::of(items, paging, total))
    }

    /// How many there are, up to [`COUNTED`] past the beginning of the page.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count(
        &self,
        connection: &mut PgConnection,
        paging: Paging,
        narrow: impl Fn(&mut QueryBuilder<Postgres>),
    ) -> sqlx::Result<i64> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM ");
        query.push(self.ids.unwrap_or(self.table)).push(" WHERE true");
        narrow(&mut query);
        query.push(" LIMIT ").push_bind(paging.offset().saturating_add(COUNTED)).push(") AS counted");
        query.build_query_scalar().fetch_one(connection).await
    }

    /// The rows of a page; none are looked for past the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rows<T>(
        &self,
        connection: &mut PgConnection,
        paging: Paging,
        total: i64,
        narrow: impl Fn(&mut QueryBuilder<Postgres>),
    ) -> sqlx::Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if paging.offset() >= total {
            return Ok(Vec::new());
        }
        let Self { table, columns, order, ids } = self;
        let ids = ids.or((paging.offset() >= FAR).then_some(*table));
        let mut query = QueryBuilder::new(format!("SELECT {columns} FROM {table} WHERE "));
        if let Some(ids) = ids {
            query.push("id IN (SELECT id FROM ").push(ids).push(" WHERE ");
        }
        query.push("true");
        narrow(&mut query);
        query.push(" ORDER BY ").push(order).push(" LIMIT ").push_bind(paging.size);
        query.push(" OFFSET ").push_bind(paging.offset());
        if ids.is_some() {
            query.push(") ORDER BY ").push(order);
        }
        query.build_query_as().fetch_all(connection).await
    }
}
