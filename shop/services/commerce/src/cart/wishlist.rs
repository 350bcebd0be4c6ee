//! SKUs a user remembers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::wire::Items;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::PostWishlistRequest;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageWishlist;
use crate::catalog::skus::{Sku, SkuRow};
use crate::sku_columns;
use crate::sql::OrFail;

/// SKUs a wishlist may have.
const MOST: i64 = 1000;

/// A remembered SKU.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WishlistItem {
    sku: Sku,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// `GET /wishlist`, newest first.
///
/// # Errors
/// 401, 403, 503.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ManageWishlist>,
) -> ApiResult<Json<Items<WishlistItem>>> {
    #[derive(FromRow)]
    struct Row {
        created_at: OffsetDateTime,
        #[sqlx(flatten)]
        sku: SkuRow,
    }
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "SELECT w.created_at, ",
        sku_columns!(),
        " FROM wishlist_items w JOIN catalog_skus s ON s.id = w.sku_id
          WHERE w.owner_user_id = $1 ORDER BY w.created_at DESC, w.id LIMIT 1000"
    ))
    .bind(caller.id)
    .fetch_all(app.pool())
    .await
    .or_fail("failed to list wishlist")?;
    let items = rows
        .into_iter()
        .map(|Row { created_at, sku }| WishlistItem { sku: sku.into(), created_at })
        .collect();
    Ok(Json(Items { items }))
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
    .or_fail(failed)?;
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
        .or_fail(failed)?;
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
        .or_fail("failed to remove from wishlist")?;
    Ok(StatusCode::NO_CONTENT)
}
