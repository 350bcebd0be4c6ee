//! Categories.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::wire::Items;
use shop_kit::{ApiError, ApiResult};
use shop_wire::Change;
use shop_wire::commerce::{Category, CreateCategoryRequest, UpdateCategoryRequest};

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageProducts;
use crate::text::{SHORT, required};

/// `GET /catalog/categories`.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn list(State(app): State<App>) -> ApiResult<Json<Items<Category>>> {
    let items = sqlx::query_as(
        "SELECT id, name, parent_id, sort FROM catalog_categories ORDER BY sort, name, id LIMIT 2000",
    )
    .fetch_all(app.pool())
    .await
    .or_internal("failed to list categories")?;
    Ok(Json(Items { items }))
}

/// `POST /catalog/categories`.
///
/// # Errors
/// 401, 403, or 400 without a name.
pub async fn create(
    State(app): State<App>,
    _: Allowed<ManageProducts>,
    Body(request): Body<CreateCategoryRequest>,
) -> ApiResult<(StatusCode, Json<Category>)> {
    let name = required("name", request.name, SHORT)?;
    let category = sqlx::query_as(
        "INSERT INTO catalog_categories (name, parent_id, sort) VALUES ($1, $2, $3)
         RETURNING id, name, parent_id, sort",
    )
    .bind(name)
    .bind(request.parent_id)
    .bind(request.sort.unwrap_or(0))
    .fetch_one(app.pool())
    .await
    .or_internal("failed to create category")?;
    Ok((StatusCode::CREATED, Json(category)))
}

/// `GET /catalog/categories/{categoryId}`.
///
/// # Errors
/// 404.
pub async fn show(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Category>> {
    let found = sqlx::query_as("SELECT id, name, parent_id, sort FROM catalog_categories WHERE id = $1")
        .bind(parameter_uuid("categoryId", &id)?)
        .fetch_optional(app.pool())
        .await
        .or_internal("failed to load category")?;
    found.map(Json).ok_or_else(unknown)
}

/// `PATCH /catalog/categories/{categoryId}`.
///
/// # Errors
/// 401, 403, 404, or 400 when nothing changes or a category would be its own parent.
pub async fn update(
    State(app): State<App>,
    _: Allowed<ManageProducts>,
    Path(id): Path<String>,
    Body(request): Body<UpdateCategoryRequest>,
) -> ApiResult<Json<Category>> {
    let id = parameter_uuid("categoryId", &id)?;
    let UpdateCategoryRequest { name, parent_id, sort } = request;
    if name.is_none() && parent_id.is_keep() && sort.is_none() {
        return Err(ApiError::invalid("at least one field must be provided"));
    }
    if parent_id == Change::Set(id) {
        return Err(ApiError::invalid("parentId must be another category"));
    }
    let name = name.map(|name| required("name", Some(name), SHORT)).transpose()?;
    let parent = parent_id.wanted();
    let changed = sqlx::query_as(
        "UPDATE catalog_categories SET name = coalesce($2, name), sort = coalesce($3, sort),
             parent_id = CASE WHEN $4 THEN $5 ELSE parent_id END, updated_at = now()
         WHERE id = $1 RETURNING id, name, parent_id, sort",
    )
    .bind(id)
    .bind(name)
    .bind(sort)
    .bind(parent.is_some())
    .bind(parent.flatten())
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to update category")?;
    changed.map(Json).ok_or_else(unknown)
}

/// `DELETE /catalog/categories/{categoryId}`. Products keep the id of their category.
///
/// # Errors
/// 401, 403, 404.
pub async fn remove(
    State(app): State<App>,
    _: Allowed<ManageProducts>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let done = sqlx::query("DELETE FROM catalog_categories WHERE id = $1")
        .bind(parameter_uuid("categoryId", &id)?)
        .execute(app.pool())
        .await
        .or_internal("failed to delete category")?;
    if done.rows_affected() == 0 { Err(unknown()) } else { Ok(StatusCode::NO_CONTENT) }
}

fn unknown() -> ApiError {
    ApiError::not_found("category not found")
}
