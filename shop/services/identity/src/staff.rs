//! Members of staff: added, listed, changed, disabled.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, Caller, QueryParams, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::Change;
use shop_wire::common::UserStatus;
use shop_wire::identity::{
    CreateStaffRequest, PagedStaffList, PermissionScope, StaffUser, UpdateStaffRequest,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::access::{require, require_administrator};
use crate::app::App;
use crate::audit;
use crate::limits::at_most;
use crate::session::SignedIn;
use crate::users::{self, Person, person_columns};

/// The roles that staff can be given here. Administrators are made elsewhere.
const ROLES: [&str; 4] = ["CS", "MANAGER", "PROCUREMENT", "SALES"];

fn staff_user(person: Person) -> StaffUser {
    StaffUser {
        id: person.id,
        display_name: person.display_name,
        phone: person.phone,
        roles: person.roles,
        status: person.status,
        disabled_at: person.disabled_at,
        disabled_reason: person.disabled_reason,
        created_at: person.created_at,
        updated_at: person.updated_at,
    }
}

/// The roles asked for, in capitals, sorted, each once.
fn roles(asked: &[String]) -> ApiResult<Vec<String>> {
    let mut roles: Vec<String> = asked.iter().map(|role| role.trim().to_ascii_uppercase()).collect();
    roles.sort();
    roles.dedup();
    if roles.is_empty() {
        return Err(ApiError::invalid("roles is required"));
    }
    if roles.iter().any(|role| !ROLES.contains(&role.as_str())) {
        return Err(ApiError::invalid("invalid staff role"));
    }
    Ok(roles)
}

fn display_name(asked: Option<&String>) -> ApiResult<Option<&str>> {
    let name = asked.map(|name| name.trim());
    at_most("displayName", name.unwrap_or_default(), 100)?;
    Ok(name)
}

async fn find(connection: &mut PgConnection, id: Uuid) -> ApiResult<Person> {
    let found: Option<Person> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u WHERE u.id = $1 AND u.user_type = 'staff'"
    ))
    .bind(id)
    .fetch_optional(connection)
    .await
    .or_internal("failed to load staff")?;
    found.ok_or_else(|| ApiError::not_found("staff not found"))
}

async fn give(connection: &mut PgConnection, id: Uuid, roles: &[String]) -> ApiResult<()> {
    sqlx::query("INSERT INTO user_roles (user_id, role) SELECT $1, unnest($2::text[])")
        .bind(id)
        .bind(roles)
        .execute(connection)
        .await
        .or_internal("failed to store roles")?;
    Ok(())
}

/// `POST /staff`.
///
/// # Errors
/// 401, 403; 400 without roles or with one that is not for staff.
pub async fn create(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Body(request): Body<CreateStaffRequest>,
) -> ApiResult<(StatusCode, Json<StaffUser>)> {
    require_administrator(app.pool(), &signed_in).await?;
    let roles = roles(&request.roles.unwrap_or_default())?;
    let name = display_name(request.display_name.as_ref())?.filter(|name| !name.is_empty());
    let mut transaction = app.pool().begin().await.or_internal("failed to create staff")?;
    let id: Uuid =
        sqlx::query_scalar("INSERT INTO users (user_type, display_name) VALUES ('staff', $1) RETURNING id")
            .bind(name)
            .fetch_one(&mut *transaction)
            .await
            .or_internal("failed to create staff")?;
    give(&mut transaction, id, &roles).await?;
    let person = find(&mut transaction, id).await?;
    transaction.commit().await.or_internal("failed to create staff")?;
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "staff.create",
        target_type: "staff",
        target: Some(id),
        metadata: json!({ "roles": roles }),
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok((StatusCode::CREATED, Json(staff_user(person))))
}

/// `GET /staff`; `q` looks at names, phone numbers, ids and roles.
///
/// # Errors
/// 401, 403, or 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<PagedStaffList>> {
    require(app.pool(), caller.user_id, "staff:read", PermissionScope::All).await?;
    let paging = query.paging(20)?;
    let pattern = query.pattern("q");
    let (people, total) = users::page(app.pool(), paging, |sql| {
        sql.push("u.user_type = 'staff'");
        if let Some(pattern) = &pattern {
            sql.push(" AND (u.display_name ILIKE ").push_bind(pattern.clone());
            sql.push(" OR u.phone ILIKE ").push_bind(pattern.clone());
            sql.push(" OR u.id::text ILIKE ").push_bind(pattern.clone());
            sql.push(" OR EXISTS (SELECT FROM user_roles h WHERE h.user_id = u.id AND h.role ILIKE ");
            sql.push_bind(pattern.clone()).push("))");
        }
    })
    .await
    .or_internal("failed to list staff")?;
    let items = people.into_iter().map(staff_user).collect();
    Ok(Json(PagedStaffList { items, page: paging.page, page_size: paging.size, total }))
}

/// `GET /staff/{staffId}`.
///
/// # Errors
/// 401, 403, 404.
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Json<StaffUser>> {
    let id = parameter_uuid("staffId", &id)?;
    require(app.pool(), caller.user_id, "staff:read", PermissionScope::All).await?;
    let mut connection = app.pool().acquire().await.or_internal("failed to load staff")?;
    Ok(Json(staff_user(find(&mut connection, id).await?)))
}

/// `PATCH /staff/{staffId}`. Name and roles are for those who manage roles; the status also for those who manage
/// the status of staff.
///
/// # Errors
/// 401, 403, 404; 400 when nothing is asked for, or something that staff can't be.
pub async fn update(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<UpdateStaffRequest>,
) -> ApiResult<Json<StaffUser>> {
    let id = parameter_uuid("staffId", &id)?;
    let needed = match request.display_name.is_some() || request.roles.is_some() {
        true => "rbac:manage",
        false => "staff:status_manage",
    };
    require(app.pool(), signed_in.user_id, needed, PermissionScope::All).await?;
    let UpdateStaffRequest { display_name: name, roles: asked, status, disabled_reason } = request;
    if name.is_none() && asked.is_none() && status.is_none() && disabled_reason.is_keep() {
        return Err(ApiError::invalid("at least one field is required"));
    }
    let name = display_name(name.as_ref())?;
    let roles = asked.as_deref().map(roles).transpose()?;
    let status: Option<UserStatus> = status
        .map(|status| status.trim().to_ascii_lowercase().parse())
        .transpose()
        .map_err(|_| ApiError::invalid("invalid status"))?;
    if let Change::Set(reason) = &disabled_reason {
        at_most("disabledReason", reason, 500)?;
    }

    let mut transaction = app.pool().begin().await.or_internal("failed to update staff")?;
    let touched = sqlx::query(
        "UPDATE users SET
             display_name = CASE WHEN $2::text IS NULL THEN display_name ELSE nullif($2, '') END,
             status = coalesce($3, status),
             disabled_at = CASE $3 WHEN 'disabled' THEN now() WHEN 'active' THEN NULL ELSE disabled_at END,
             disabled_reason = CASE WHEN $3 = 'active' THEN NULL WHEN $4 THEN $5 ELSE disabled_reason END,
             updated_at = now()
         WHERE id = $1 AND user_type = 'staff'",
    )
    .bind(id)
    .bind(name)
    .bind(status.map(UserStatus::as_str))
    .bind(!disabled_reason.is_keep())
    .bind(disabled_reason.wanted().flatten())
    .execute(&mut *transaction)
    .await
    .or_internal("failed to update staff")?;
    if touched.rows_affected() == 0 {
        return Err(ApiError::not_found("staff not found"));
    }
    if let Some(roles) = &roles {
        sqlx::query("DELETE FROM user_roles WHERE user_id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await
            .or_internal("failed to update staff")?;
        give(&mut transaction, id, roles).await?;
    }
    let person = find(&mut transaction, id).await?;
    transaction.commit().await.or_internal("failed to update staff")?;

    let mut metadata = serde_json::Map::new();
    if let Some(name) = name {
        metadata.insert("displayName".to_owned(), json!(name));
    }
    if let Some(roles) = roles {
        metadata.insert("roles".to_owned(), json!(roles));
    }
    if let Some(status) = status {
        metadata.insert("status".to_owned(), json!(status));
    }
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "staff.update",
        target_type: "staff",
        target: Some(id),
        metadata: metadata.into(),
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok(Json(staff_user(person)))
}
