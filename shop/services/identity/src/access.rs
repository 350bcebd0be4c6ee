//! Effective permissions: the widest scope over all roles of a user, whatever role was chosen at login. Somebody
//! who is disabled has none, from the next question on.

use axum::Json;
use axum::extract::State;
use shop_kit::error::OrInternal;
use shop_kit::extract::Body;
use shop_kit::{ApiError, ApiResult};
use shop_wire::identity::{AuthorizeRequest, AuthorizeResponse, EffectivePermission, PermissionScope};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::App;
use crate::session::SignedIn;

/// The roles that run the platform.
const ADMINISTRATORS: [&str; 2] = ["ADMIN", "BOSS"];

/// Everything a user may do, sorted by code.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn effective(pool: &PgPool, user: Uuid) -> ApiResult<Vec<EffectivePermission>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT ON (p.permission_code) p.permission_code, p.scope
         FROM users u JOIN user_roles r ON r.user_id = u.id JOIN role_permissions p ON p.role_code = r.role
         WHERE u.id = $1 AND u.status = 'active'
         ORDER BY p.permission_code, array_position(ARRAY['ALL', 'OWNED', 'SELF'], p.scope)",
    )
    .bind(user)
    .fetch_all(pool)
    .await
    .or_internal("failed to load permissions")?;
    rows.into_iter()
        .map(|(code, scope)| match scope.parse() {
            Ok(scope) => Ok(EffectivePermission { code, scope }),
            Err(unknown) => Err(ApiError::internal("failed to load permissions", unknown)),
        })
        .collect()
}

/// How far one permission of a user reaches; nothing when the user does not have it.
async fn scope_of(pool: &PgPool, user: Uuid, permission: &str) -> ApiResult<Option<PermissionScope>> {
    let all = effective(pool, user).await?;
    Ok(all.into_iter().find(|p| p.code == permission).map(|p| p.scope))
}

/// How far one permission of the caller reaches.
///
/// # Errors
/// 403 without it.
pub async fn reach(pool: &PgPool, user: Uuid, permission: &str) -> ApiResult<PermissionScope> {
    let scope = scope_of(pool, user, permission).await?;
    scope.ok_or_else(|| ApiError::forbidden("permission denied").because(format!("needs {permission}")))
}

/// Lets the caller pass only in an administrator's role that it still has.
///
/// # Errors
/// 403 for everybody else.
pub async fn require_administrator(pool: &PgPool, caller: &SignedIn) -> ApiResult<()> {
    let role = caller.claims.role.as_str();
    let still_has_it = ADMINISTRATORS.contains(&role)
        && sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM users u JOIN user_roles r ON r.user_id = u.id
                            WHERE u.id = $1 AND u.status = 'active' AND r.role = $2)",
        )
        .bind(caller.user_id)
        .bind(role)
        .fetch_one(pool)
        .await
        .or_internal("failed to load roles")?;
    if still_has_it {
        Ok(())
    } else {
        Err(ApiError::forbidden("permission denied").because("needs the role ADMIN or BOSS"))
    }
}

/// Lets the caller pass only with a permission that reaches far enough.
///
/// # Errors
/// 403 without it.
pub async fn require(pool: &PgPool, user: Uuid, permission: &str, needed: PermissionScope) -> ApiResult<()> {
    match scope_of(pool, user, permission).await? {
        Some(scope) if scope >= needed => Ok(()),
        _ => Err(ApiError::forbidden("permission denied").because(format!("needs {permission} {needed:?}"))),
    }
}

/// `POST /rbac/authorize`: may the caller do this, and how far does it reach?
///
/// # Errors
/// 400 without a permission or with an unknown scope; 401.
pub async fn authorize(
    State(app): State<App>,
    caller: SignedIn,
    Body(request): Body<AuthorizeRequest>,
) -> ApiResult<Json<AuthorizeResponse>> {
    let permission = request.permission.unwrap_or_default();
    if permission.trim().is_empty() {
        return Err(ApiError::invalid("permission is required"));
    }
    let needed = match request.required_scope.as_deref().map(str::trim) {
        None | Some("") => PermissionScope::Own,
        Some(text) => text.parse().map_err(|_| ApiError::invalid(format!("invalid scope: {text}")))?,
    };
    let effective_scope = scope_of(app.pool(), caller.user_id, permission.trim()).await?;
    Ok(Json(AuthorizeResponse { allowed: effective_scope >= Some(needed), effective_scope }))
}
