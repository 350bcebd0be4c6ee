//! Users as they are stored and as they go over the wire.

use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_wire::common::{User, UserStatus, UserType};
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of `users` with the user's roles, sorted.
#[derive(Debug, Clone, FromRow)]
pub struct UserRow {
    /// The user.
    pub id: Uuid,
    /// The name to show, if there is one.
    pub display_name: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// Phone number with country code.
    pub phone: Option<String>,
    /// The sales user this customer belongs to.
    pub owner_sales_user_id: Option<Uuid>,
    /// Whether the user may log in.
    #[sqlx(try_from = "String")]
    pub status: UserStatus,
    /// Since when disabled.
    pub disabled_at: Option<OffsetDateTime>,
    /// Why disabled.
    pub disabled_reason: Option<String>,
    /// Known since.
    pub created_at: OffsetDateTime,
    /// Every role, sorted.
    pub roles: Vec<String>,
}

/// The user as clients see it, in one of its roles. The owner's name is filled in only where it was looked up.
pub fn in_role(row: UserRow, role: &str, owner_sales_display_name: Option<String>) -> User {
    let UserRow {
        id,
        display_name,
        avatar_url,
        phone,
        owner_sales_user_id,
        status,
        disabled_at,
        disabled_reason,
        created_at,
        roles,
    } = row;
    User {
        id,
        current_role: role.to_owned(),
        user_type: user_type(role),
        status: Some(status),
        display_name,
        avatar_url,
        phone,
        owner_sales_user_id,
        owner_sales_display_name,
        roles,
        disabled_at,
        disabled_reason,
        created_at,
    }
}

/// What a role makes of its user in tokens and answers.
pub fn user_type(role: &str) -> UserType {
    match role {
        "CUSTOMER" => UserType::Customer,
        "ADMIN" | "BOSS" => UserType::Admin,
        _ => UserType::Staff,
    }
}

/// Reads one user.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn find(connection: &mut PgConnection, id: Uuid) -> ApiResult<Option<UserRow>> {
    sqlx::query_as(
        "SELECT u.id, u.display_name, u.avatar_url, u.phone, u.owner_sales_user_id, u.status, u.disabled_at,
                u.disabled_reason, u.created_at,
                ARRAY(SELECT DISTINCT upper(r.role) FROM user_roles r WHERE r.user_id = u.id ORDER BY 1) AS roles
         FROM users u WHERE u.id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await
    .or_internal("failed to load user")
}

/// The name of the sales user somebody belongs to.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn display_name(connection: &mut PgConnection, id: Uuid) -> ApiResult<Option<String>> {
    let found: Option<Option<String>> = sqlx::query_scalar("SELECT display_name FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await
        .or_internal("failed to load user")?;
    Ok(found.flatten())
}
