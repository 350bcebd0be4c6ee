//! Roles, permissions and which role has which: tables that administrators change.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, Caller};
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::UserType;
use shop_wire::identity::{
    Permission, PermissionCatalog, PermissionCreateRequest, PermissionScope, Role, RoleList, RolePermission,
    RolePermissionInput, RolePermissionsUpdate,
};
use sqlx::FromRow;

use crate::access::require;
use crate::app::App;
use crate::audit;
use crate::limits::at_most;
use crate::session::SignedIn;

/// What is needed for all of this.
const MANAGE: &str = "rbac:manage";

/// `GET /rbac/permissions`: all permissions there are.
///
/// # Errors
/// 401, 403.
pub async fn permissions(State(app): State<App>, caller: SignedIn) -> ApiResult<Json<PermissionCatalog>> {
    require(app.pool(), caller.user_id, MANAGE, PermissionScope::All).await?;
    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT code, description FROM permissions ORDER BY code")
            .fetch_all(app.pool())
            .await
            .or_internal("failed to list permissions")?;
    let items = rows.into_iter().map(|(code, description)| Permission { code, description }).collect();
    Ok(Json(PermissionCatalog { items }))
}

/// `POST /rbac/permissions`: adds a permission, or describes one anew.
///
/// # Errors
/// 401, 403, 400 without a code.
pub async fn describe_permission(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Body(request): Body<PermissionCreateRequest>,
) -> ApiResult<(StatusCode, Json<Permission>)> {
    require(app.pool(), signed_in.user_id, MANAGE, PermissionScope::All).await?;
    let code = request.code.as_deref().unwrap_or_default().trim();
    if code.is_empty() {
        return Err(ApiError::invalid("code is required"));
    }
    at_most("code", code, 100)?;
    let description = request.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    at_most("description", description.unwrap_or_default(), 500)?;
    let (code, description): (String, Option<String>) = sqlx::query_as(
        "INSERT INTO permissions (code, description) VALUES ($1, $2)
         ON CONFLICT (code) DO UPDATE SET description = EXCLUDED.description
         RETURNING code, description",
    )
    .bind(code)
    .bind(description)
    .fetch_one(app.pool())
    .await
    .or_internal("failed to store permission")?;
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "rbac.permission.upsert",
        target_type: "permission",
        target: None,
        metadata: json!({ "code": code }),
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok((StatusCode::CREATED, Json(Permission { code, description })))
}

#[derive(FromRow)]
struct RoleRow {
    code: String,
    #[sqlx(try_from = "String")]
    user_type: UserType,
    description: Option<String>,
}

#[derive(FromRow)]
struct GrantRow {
    role_code: String,
    permission_code: String,
    #[sqlx(try_from = "String")]
    scope: PermissionScope,
}

/// `GET /rbac/roles`: all roles with their grants.
///
/// # Errors
/// 401, 403.
pub async fn roles(State(app): State<App>, caller: SignedIn) -> ApiResult<Json<RoleList>> {
    require(app.pool(), caller.user_id, MANAGE, PermissionScope::All).await?;
    let roles: Vec<RoleRow> = sqlx::query_as("SELECT code, user_type, description FROM roles ORDER BY code")
        .fetch_all(app.pool())
        .await
        .or_internal("failed to list roles")?;
    let grants: Vec<GrantRow> = sqlx::query_as(
        "SELECT role_code, permission_code, scope FROM role_permissions ORDER BY permission_code",
    )
    .fetch_all(app.pool())
    .await
    .or_internal("failed to list roles")?;
    let mut of_role: BTreeMap<String, Vec<RolePermission>> = BTreeMap::new();
    for GrantRow { role_code, permission_code, scope } in grants {
        of_role.entry(role_code).or_default().push(RolePermission { code: permission_code, scope });
    }
    let items = roles
        .into_iter()
        .map(|RoleRow { code, user_type, description }| {
            let permissions = of_role.remove(&code).unwrap_or_default();
            Role { code, user_type, description, permissions }
        })
        .collect();
    Ok(Json(RoleList { items }))
}

/// `PUT /rbac/roles/{role}/permissions`: replaces the grants of a role. All of them are good, or nothing changes.
///
/// # Errors
/// 401, 403, 404 for an unknown role, 400 for an unknown permission or scope, 409 when nobody could change roles
/// any more.
pub async fn replace_grants(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Path(role): Path<String>,
    Body(request): Body<RolePermissionsUpdate>,
) -> ApiResult<StatusCode> {
    require(app.pool(), signed_in.user_id, MANAGE, PermissionScope::All).await?;
    let mut transaction = app.pool().begin().await.or_internal("failed to update role")?;
    // No role has a code with U+0000 in it, and PostgreSQL can't be asked for one.
    let known = !role.contains('\0')
        && sqlx::query("SELECT FROM roles WHERE code = $1 FOR UPDATE")
            .bind(&role)
            .fetch_optional(&mut *transaction)
            .await
            .or_internal("failed to update role")?
            .is_some();
    if !known {
        return Err(ApiError::not_found("role not found"));
    }
    let catalog: Vec<String> = sqlx::query_scalar("SELECT code FROM permissions")
        .fetch_all(&mut *transaction)
        .await
        .or_internal("failed to update role")?;
    let (mut codes, mut scopes) = (Vec::new(), Vec::new());
    for (code, scope) in wanted(&request.permissions.unwrap_or_default(), &catalog)? {
        codes.push(code);
        scopes.push(scope.as_str().to_owned());
    }
    sqlx::query("DELETE FROM role_permissions WHERE role_code = $1")
        .bind(&role)
        .execute(&mut *transaction)
        .await
        .or_internal("failed to update role")?;
    sqlx::query(
        "INSERT INTO role_permissions (role_code, permission_code, scope)
         SELECT $1, * FROM unnest($2::text[], $3::text[])",
    )
    .bind(&role)
    .bind(codes)
    .bind(scopes)
    .execute(&mut *transaction)
    .await
    .or_internal("failed to update role")?;
    let manageable: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM role_permissions WHERE permission_code = $1 AND scope = 'ALL')",
    )
    .bind(MANAGE)
    .fetch_one(&mut *transaction)
    .await
    .or_internal("failed to update role")?;
    if !manageable {
        return Err(ApiError::conflict("some role has to keep rbac:manage ALL; nothing was changed"));
    }
    transaction.commit().await.or_internal("failed to update role")?;
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "rbac.role.update_permissions",
        target_type: "role",
        target: None,
        metadata: json!({ "role": role }),
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The grants that were asked for, each permission once; the last word on one counts.
fn wanted(
    grants: &[RolePermissionInput],
    catalog: &[String],
) -> ApiResult<BTreeMap<String, PermissionScope>> {
    let mut wanted = BTreeMap::new();
    for grant in grants {
        let code = grant.code.as_deref().unwrap_or_default().trim();
        if !catalog.iter().any(|known| known == code) {
            return Err(ApiError::invalid(format!("unknown permission: {code}")));
        }
        let scope = grant.scope.as_deref().unwrap_or_default().trim();
        let scope = scope.parse().map_err(|_| ApiError::invalid(format!("invalid scope: {scope}")))?;
        wanted.insert(code.to_owned(), scope);
    }
    Ok(wanted)
}
