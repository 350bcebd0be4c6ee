//! There are no example payments: a payment belongs to an order, and orders are made by customers. What `seed` does
//! is to forget payments when orders are forgotten too.

use shop_kit::database::DatabaseError;
use sqlx::PgPool;
use thiserror::Error;

/// Nothing was changed.
#[derive(Debug, Error)]
#[error("seeding failed and nothing was changed; has `payment migrate` been run?")]
pub struct SeedError(#[source] DatabaseError);

/// With `reset` empties the tables; says in the log how many payments there are.
///
/// # Errors
/// When the database refuses.
pub async fn run(pool: &PgPool, reset: bool) -> Result<(), SeedError> {
    let failed = |error: sqlx::Error| SeedError(error.into());
    if reset {
        sqlx::query("TRUNCATE payments, payment_ledger, payment_notifications, order_sync")
            .execute(pool)
            .await
            .map_err(failed)?;
    }
    let payments: i64 =
        sqlx::query_scalar("SELECT count(*) FROM payments").fetch_one(pool).await.map_err(failed)?;
    tracing::info!(payments, reset, "payments have no examples; there was nothing to add");
    Ok(())
}
