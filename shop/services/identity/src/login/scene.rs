//! A scanned sales code: ties a customer to the sales user who showed it, once.

use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::users::UserRow;

/// Checks the scene and, when the customer belongs to nobody yet, ties it to the code's sales user.
///
/// A second scan, of whatever code, changes nothing: only an administrator moves customers.
///
/// # Errors
/// 400 when the role is not CUSTOMER or the scene is unknown or expired.
pub async fn apply(
    connection: &mut PgConnection,
    user: &mut UserRow,
    role: &str,
    scene: &str,
) -> ApiResult<()> {
    if role != "CUSTOMER" {
        return Err(ApiError::invalid("scene only allowed for customer login"));
    }
    let found: Option<(Uuid, bool)> = sqlx::query_as(
        "SELECT sales_user_id, coalesce(expires_at <= now(), false) FROM sales_qr_codes WHERE scene = $1",
    )
    .bind(scene)
    .fetch_optional(&mut *connection)
    .await
    .or_internal("failed to load scene")?;
    let sales = match found {
        None => return Err(ApiError::invalid("invalid scene")),
        Some((_, true)) => return Err(ApiError::invalid("scene expired")),
        Some((sales, false)) => sales,
    };
    let tied = sqlx::query(
        "UPDATE users SET owner_sales_user_id = $2, updated_at = now() WHERE id = $1 AND owner_sales_user_id IS NULL",
    )
    .bind(user.id)
    .bind(sales)
    .execute(connection)
    .await
    .or_internal("failed to bind sales user")?;
    if tied.rows_affected() == 1 {
        user.owner_sales_user_id = Some(sales);
    }
    Ok(())
}
