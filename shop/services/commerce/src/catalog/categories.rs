//! Categories.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use shop_kit::error::OrInternal;
use shop_kit::extract::Body;
use shop_kit::wire::Items;
use shop_kit::{ApiError, ApiResult};
use sqlx::FromRow;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::PRODUCT_MANAGE;

/// A category.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    id: Uuid,
    name: String,
    parent_id: Option<Uuid>,
    sort: i32,
}

/// A new category.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateCategory {
    name: Option<String>,
    parent_id: Option<Uuid>,
    sort: Option<i32>,
}

/// `GET /catalog/categories`.
///
/// # Errors
/// 500 when the database does not answer.
pub async fn list(State(app): State<App>) -> ApiResult<Json<Items<Category>>> {
    let items =
        sqlx::query_as("SELECT id, name, parent_id, sort FROM catalog_categories ORDER BY sort, name, id")
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
    headers: HeaderMap,
    Body(request): Body<CreateCategory>,
) -> ApiResult<(StatusCode, Json<Category>)> {
    app.authorizer().require(&headers, PRODUCT_MANAGE).await?;
    let name = request.name.as_deref().map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::invalid("name is required"));
    }
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
