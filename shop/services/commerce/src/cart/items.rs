//! The cart: one line for each SKU.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{AddCartItemRequest, Cart, CartItem, PatchCartItemsItemIdRequest};
use sqlx::{FromRow, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageCart;
use crate::sku_json;

/// Lines a cart may have.
pub const MOST_LINES: i64 = 1000;

/// A quantity from a request: at least one, at most what the database holds.
///
/// # Errors
/// 400 `qty must be >= 1`.
pub fn quantity(qty: i64) -> ApiResult<i32> {
    if qty < 1 {
        return Err(ApiError::invalid("qty must be >= 1"));
    }
    Ok(i32::try_from(qty).unwrap_or(i32::MAX))
}

/// The cart of a user, oldest line first.
///
/// # Errors
/// When the database does not answer.
pub async fn load(connection: impl PgExecutor<'_>, owner: Uuid) -> sqlx::Result<Cart> {
    #[derive(FromRow)]
    struct Line {
        updated_at: OffsetDateTime,
        #[sqlx(flatten)]
        item: CartItem,
    }
    let lines: Vec<Line> = sqlx::query_as(concat!(
        "SELECT c.id, c.qty, c.updated_at, ",
        sku_json!(),
        " AS sku FROM cart_items c JOIN catalog_skus s ON s.id = c.sku_id
          WHERE c.owner_user_id = $1 ORDER BY c.created_at, c.id LIMIT 1000"
    ))
    .bind(owner)
    .fetch_all(connection)
    .await?;
    let updated_at = lines.iter().map(|line| line.updated_at).max();
    Ok(Cart { items: lines.into_iter().map(|line| line.item).collect(), updated_at })
}

/// `GET /cart`.
///
/// # Errors
/// 401, 403, 503.
pub async fn show(State(app): State<App>, caller: Allowed<ManageCart>) -> ApiResult<Json<Cart>> {
    load(app.pool(), caller.id).await.map(Json).or_internal("failed to load cart")
}

/// `POST /cart/items`: adds to the line of the SKU, or makes one.
///
/// # Errors
/// 401, 403, 400 for a quantity below one or a full cart, 404 for an unknown SKU.
pub async fn add(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
    Body(request): Body<AddCartItemRequest>,
) -> ApiResult<Json<Cart>> {
    let qty = quantity(request.qty.unwrap_or_default())?;
    let Some(sku) = request.sku_id else { return Err(ApiError::invalid("skuId is required")) };
    let failed = "failed to add to cart";
    let (known, added): (bool, bool) = sqlx::query_as(
        "WITH sku AS (SELECT id FROM catalog_skus WHERE id = $2),
         room AS (
             SELECT (SELECT count(*) FROM cart_items WHERE owner_user_id = $1) < $4
                 OR EXISTS (SELECT 1 FROM cart_items WHERE owner_user_id = $1 AND sku_id = $2) AS there
         ),
         line AS (
             INSERT INTO cart_items AS c (owner_user_id, sku_id, qty)
             SELECT $1, sku.id, $3 FROM sku, room WHERE room.there
             ON CONFLICT (owner_user_id, sku_id) DO UPDATE
                 SET qty = least(c.qty::bigint + excluded.qty, 2147483647)::integer, updated_at = now()
             RETURNING id
         )
         SELECT EXISTS (SELECT 1 FROM sku), EXISTS (SELECT 1 FROM line)",
    )
    .bind(caller.id)
    .bind(sku)
    .bind(qty)
    .bind(MOST_LINES)
    .fetch_one(app.pool())
    .await
    .or_internal(failed)?;
    match (known, added) {
        (false, _) => Err(ApiError::not_found("sku not found")),
        (true, false) => Err(full()),
        (true, true) => load(app.pool(), caller.id).await.map(Json).or_internal(failed),
    }
}

/// The refusal of a line too many.
pub fn full() -> ApiError {
    ApiError::invalid("cart supports at most 1000 items")
}

/// `PATCH /cart/items/{itemId}`: sets the quantity.
///
/// # Errors
/// 401, 403, 400, 404 when the caller has no such line.
pub async fn update(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
    Path(id): Path<String>,
    Body(request): Body<PatchCartItemsItemIdRequest>,
) -> ApiResult<Json<Cart>> {
    let id = parameter_uuid("itemId", &id)?;
    let qty = quantity(request.qty.unwrap_or_default())?;
    let failed = "failed to update cart item";
    let done = sqlx::query(
        "UPDATE cart_items SET qty = $3, updated_at = now() WHERE id = $1 AND owner_user_id = $2",
    )
    .bind(id)
    .bind(caller.id)
    .bind(qty)
    .execute(app.pool())
    .await
    .or_internal(failed)?;
    if done.rows_affected() == 0 {
        return Err(ApiError::not_found("cart item not found"));
    }
    load(app.pool(), caller.id).await.map(Json).or_internal(failed)
}

/// `DELETE /cart/items/{itemId}`; a line that is not there is gone already.
///
/// # Errors
/// 401, 403.
pub async fn remove(
    State(app): State<App>,
    caller: Allowed<ManageCart>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    sqlx::query("DELETE FROM cart_items WHERE id = $1 AND owner_user_id = $2")
        .bind(parameter_uuid("itemId", &id)?)
        .bind(caller.id)
        .execute(app.pool())
        .await
        .or_internal("failed to remove cart item")?;
    Ok(StatusCode::NO_CONTENT)
}
