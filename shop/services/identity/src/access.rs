//! Effective permissions: the widest scope over all roles of a user, whatever role was chosen at login.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shop_kit::error::OrInternal;
use shop_kit::extract::Body;
use shop_kit::{ApiError, ApiResult};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::App;
use crate::session::SignedIn;

/// How far a permission reaches, from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scope {
    /// One's own.
    #[serde(rename = "SELF")]
    Own,
    /// Those of the customers one looks after.
    Owned,
    /// Everybody's.
    All,
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "SELF" => Ok(Self::Own),
            "OWNED" => Ok(Self::Owned),
            "ALL" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// One permission a user has.
#[derive(Debug, Serialize)]
pub struct EffectivePermission {
    /// E.g. `order:read`.
    pub code: String,
    /// The widest scope over all roles.
    pub scope: Scope,
}

/// Everything a user may do, sorted by code.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn effective(pool: &PgPool, user: Uuid) -> ApiResult<Vec<EffectivePermission>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT ON (p.permission_code) p.permission_code, p.scope
         FROM user_roles r JOIN role_permissions p ON p.role_code = r.role
         WHERE r.user_id = $1
         ORDER BY p.permission_code, array_position(ARRAY['ALL', 'OWNED', 'SELF'], p.scope)",
    )
    .bind(user)
    .fetch_all(pool)
    .await
    .or_internal("failed to load permissions")?;
    rows.into_iter()
        .map(|(code, scope)| match scope.parse() {
            Ok(scope) => Ok(EffectivePermission { code, scope }),
            Err(()) => Err(ApiError::internal("failed to load permissions", format!("scope `{scope}`"))),
        })
        .collect()
}

/// How far one permission of a user reaches; nothing when the user does not have it.
async fn scope_of(pool: &PgPool, user: Uuid, permission: &str) -> ApiResult<Option<Scope>> {
    let all = effective(pool, user).await?;
    Ok(all.into_iter().find(|p| p.code == permission).map(|p| p.scope))
}

/// Lets the caller pass only with a permission that reaches far enough.
///
/// # Errors
/// 403 without it.
pub async fn require(pool: &PgPool, user: Uuid, permission: &str, needed: Scope) -> ApiResult<()> {
    match scope_of(pool, user, permission).await? {
        Some(scope) if scope >= needed => Ok(()),
        _ => Err(ApiError::forbidden("permission denied").because(format!("needs {permission} {needed:?}"))),
    }
}

/// Body of `POST /rbac/authorize`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizeRequest {
    permission: Option<String>,
    required_scope: Option<String>,
}

/// Answer of `POST /rbac/authorize`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizeResponse {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_scope: Option<Scope>,
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
        None | Some("") => Scope::Own,
        Some(text) => text.parse().map_err(|()| ApiError::invalid(format!("invalid scope: {text}")))?,
    };
    let effective_scope = scope_of(app.pool(), caller.user_id, permission.trim()).await?;
    Ok(Json(AuthorizeResponse { allowed: effective_scope >= Some(needed), effective_scope }))
}
