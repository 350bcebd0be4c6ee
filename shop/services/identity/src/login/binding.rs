//! A binding token: ties a platform account to a member of staff, once.

use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::Platform;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::admit;
use crate::platform::Account;
use crate::users::{self, UserRow};

#[derive(FromRow)]
struct Token {
    staff_user_id: Uuid,
    platform: String,
    expired: bool,
    used: bool,
}

/// Uses up a token: the platform account becomes a way in for the token's member of staff.
///
/// # Errors
/// 401 when the token is unknown, used or expired or the member of staff has no role; 400 when it is for
/// another platform or not for staff; 403 when the account is disabled; 409 when it is bound already.
pub async fn redeem(
    connection: &mut PgConnection,
    token: &str,
    platform: Platform,
    account: &Account,
) -> ApiResult<UserRow> {
    let found: Option<Token> = sqlx::query_as(
        "SELECT staff_user_id, platform, coalesce(expires_at <= now(), false) AS expired, used_at IS NOT NULL AS used
         FROM staff_binding_tokens WHERE token = $1 FOR UPDATE",
    )
    .bind(token)
    .fetch_optional(&mut *connection)
    .await
    .or_internal("failed to load binding token")?;
    let Some(found) = found else { return Err(ApiError::unauthorized("invalid binding token")) };
    if found.used {
        return Err(ApiError::unauthorized("binding token already used"));
    }
    if found.expired {
        return Err(ApiError::unauthorized("binding token expired"));
    }
    if found.platform != platform.as_str() {
        return Err(ApiError::invalid("binding token platform mismatch"));
    }
    let Some(user) = users::find(connection, found.staff_user_id).await? else {
        return Err(ApiError::invalid("staff not found"));
    };
    let stored_type: String = sqlx::query_scalar("SELECT user_type FROM users WHERE id = $1")
        .bind(user.id)
        .fetch_one(&mut *connection)
        .await
        .or_internal("failed to load user")?;
    if stored_type != "staff" {
        return Err(ApiError::invalid("binding token not for staff"));
    }
    admit(&user)?;
    let bound = sqlx::query(
        "INSERT INTO user_identities (provider, provider_user_id, provider_union_id, user_id)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(platform.as_str())
    .bind(&account.id)
    .bind(&account.union_id)
    .bind(user.id)
    .execute(&mut *connection)
    .await
    .or_internal("failed to bind identity")?;
    if bound.rows_affected() == 0 {
        return Err(ApiError::conflict("identity already bound"));
    }
    sqlx::query("UPDATE staff_binding_tokens SET used_at = now() WHERE token = $1")
        .bind(token)
        .execute(connection)
        .await
        .or_internal("failed to use binding token")?;
    Ok(user)
}
