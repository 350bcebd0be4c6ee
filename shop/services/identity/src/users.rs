//! Users as they are stored and as they go over the wire.

use shop_kit::ApiResult;
use shop_kit::error::OrInternal;
use shop_kit::extract::Paging;
use shop_wire::common::{User, UserStatus, UserType};
use sqlx::{FromRow, PgConnection, PgPool, Postgres, QueryBuilder};
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

/// The columns of a [`Person`], from `users u`.
macro_rules! person_columns {
    () => {
        "u.id, u.display_name, u.phone, u.user_type, u.owner_sales_user_id, u.status, u.disabled_at,
         u.disabled_reason, u.created_at, u.updated_at,
         ARRAY(SELECT DISTINCT upper(r.role) FROM user_roles r WHERE r.user_id = u.id ORDER BY 1) AS roles"
    };
}
pub(crate) use person_columns;

/// Somebody as staff see them in lists.
#[derive(Debug, Clone, FromRow)]
pub struct Person {
    /// The user.
    pub id: Uuid,
    /// The name to show, if there is one.
    pub display_name: Option<String>,
    /// Phone number with country code.
    pub phone: Option<String>,
    /// What the user counts as, whatever role it uses.
    #[sqlx(try_from = "String")]
    pub user_type: UserType,
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
    /// Changed last.
    pub updated_at: OffsetDateTime,
    /// Every role, sorted.
    pub roles: Vec<String>,
}

/// One page of the people who meet a condition, newest first, and how many there are. The query begins after
/// `FROM users u WHERE`.
///
/// # Errors
/// What the database says.
pub async fn page(
    pool: &PgPool,
    paging: Paging,
    condition: impl Fn(&mut QueryBuilder<Postgres>),
) -> sqlx::Result<(Vec<Person>, i64)> {
    let mut count = QueryBuilder::new("SELECT count(*) FROM users u WHERE ");
    condition(&mut count);
    let total = count.build_query_scalar().fetch_one(pool).await?;
    let mut rows = QueryBuilder::new(concat!("SELECT ", person_columns!(), " FROM users u WHERE "));
    condition(&mut rows);
    rows.push(" ORDER BY u.created_at DESC, u.id LIMIT ").push_bind(paging.size);
    rows.push(" OFFSET ").push_bind(paging.offset());
    Ok((rows.build_query_as().fetch_all(pool).await?, total))
}

/// Adds a search by name and phone number to a condition.
pub fn search(query: &mut QueryBuilder<Postgres>, pattern: Option<&String>) {
    if let Some(pattern) = pattern {
        query.push(" AND (u.display_name ILIKE ").push_bind(pattern.clone());
        query.push(" OR u.phone ILIKE ").push_bind(pattern.clone()).push(")");
    }
}
