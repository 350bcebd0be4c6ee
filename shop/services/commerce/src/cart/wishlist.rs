//! SKUs a user remembers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{GetWishlistResponse, PostWishlistRequest};

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageWishlist;
use crate::sku_json;

/// SKUs a wishlist may have.
const MOST: i64 = 1000;

/// `GET /wishlist`, newest first.
///
/// # Errors
/// 401, 403, 503.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ManageWishlist>,
) -> ApiResult<Json<GetWishlistResponse>> {
    let items = sqlx::query_as(concat!(
        "SELECT w.created_at, ",
        sku_json!(),
        " AS sku FROM wishlist_items w JOIN catalog_skus s ON s.id = w.sku_id
          WHERE w.owner_user_id = $1 ORDER BY w.created_at DESC, w.id LIMIT 1000"
    ))
    .bind(caller.id)
    .fetch_all(app.pool())
    .await
    .or_internal("failed to list wishlist")?;
    Ok(Json(GetWishlistResponse { items }))
}

/// `POST /wishlist`; remembering again changes nothing.
///
/// # Errors
/// 401, 403, 400 without a SKU that can be ordered or when the list is full.
pub async fn add(
    State(app): State<App>,
    caller: Allowed<ManageWishlist>,
    Body(request): Body<PostWishlistRequest>,
) -> ApiResult<StatusCode> {
    let Some(sku) = request.sku_id else { return Err(ApiError::invalid("skuId is required")) };
    let failed = "failed to add to wishlist";
    let (active, full): (Option<bool>, bool) = sqlx::query_as(
        "SELECT (SELECT is_active FROM catalog_skus WHERE id = $1),
                (SELECT count(*) FROM wishlist_items WHERE owner_user_id = $2) >= $3",
    )
    .bind(sku)
    .bind(caller.id)
    .bind(MOST)
    .fetch_one(app.pool())
    .await
    .or_internal(failed)?;
    match active {
        None => return Err(ApiError::invalid("invalid skuId")),
        Some(false) => return Err(ApiError::invalid("sku is inactive")),
        Some(true) if full => return Err(ApiError::invalid("wishlist supports at most 1000 items")),
        Some(true) => {}
    }
    sqlx::query("INSERT INTO wishlist_items (owner_user_id, sku_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(caller.id)
        .bind(sku)
        .execute(app.pool())
        .await
        .or_internal(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /wishlist/{skuId}`; what is not there is forgotten already.
///
/// # Errors
/// 401, 403.
pub async fn remove(
    State(app): State<App>,
    caller: Allowed<ManageWishlist>,
    Path(sku): Path<String>,
) -> ApiResult<StatusCode> {
    sqlx::query("DELETE FROM wishlist_items WHERE owner_user_id = $1 AND sku_id = $2")
        .bind(caller.id)
        .bind(parameter_uuid("skuId", &sku)?)
        .execute(app.pool())
        .await
        .or_internal("failed to remove from wishlist")?;
    Ok(StatusCode::NO_CONTENT)
}
