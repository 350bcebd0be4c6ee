//! An administrator takes an order on: says whether it is paid, and which sales user looks after it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, IdempotencyKey, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{Order, OrderAdminEventList, UpdateOrderFulfillmentRequest};
use sqlx::PgConnection;
use uuid::Uuid;

use super::change::refused;
use super::read::{load, lock, standing, unknown};
use super::state::{Event, OrderStatus, State as OrderState};
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageOrders;
use crate::text::required;

/// Characters of a note.
const LONGEST_NOTE: usize = 1000;

/// What the event is called.
fn action(offline: bool, before: OrderState) -> &'static str {
    if offline {
        "OFFLINE_PAYMENT_AND_ASSIGN"
    } else if before.order == OrderStatus::Confirmed {
        "REASSIGN"
    } else {
        "ASSIGN"
    }
}

/// `PATCH /admin/orders/{orderId}/fulfillment`. A repeated key answers the order as it is now.
///
/// # Errors
/// 401, 403, 404, 400 when something is missing, 409 when the sales user or the state does not allow it, 502 when
/// identity can't be asked about the sales user.
pub async fn update(
    State(app): State<App>,
    caller: Allowed<ManageOrders>,
    IdempotencyKey(key): IdempotencyKey,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(request): Body<UpdateOrderFulfillmentRequest>,
) -> ApiResult<Json<Order>> {
    let id = parameter_uuid("orderId", &id)?;
    let key = key.ok_or_else(|| ApiError::invalid("Idempotency-Key is required"))?;
    let Some(owner) = request.owner_sales_user_id else {
        return Err(ApiError::invalid("ownerSalesUserId is required"));
    };
    let note = required("note", request.note, LONGEST_NOTE)?;
    let Some(offline) = request.confirm_offline_payment else {
        return Err(ApiError::invalid("confirmOfflinePayment is required"));
    };
    let failed = "failed to update order fulfillment";
    {
        // Before identity is asked, which takes longer than a look into the table.
        let mut connection = app.pool().acquire().await.or_internal(failed)?;
        standing(&mut connection, id).await.or_internal(failed)?.ok_or_else(unknown)?;
        if is_done(&mut connection, id, &key).await.or_internal(failed)? {
            return load(&mut connection, id).await.map(Json).or_internal(failed);
        }
    }
    if !app.authorizer().is_active_sales_user(&headers, owner).await? {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "invalid_sales_assignee",
            "ownerSalesUserId is not an active sales user",
        ));
    }
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let before = lock(&mut transaction, id).await.or_internal(failed)?.ok_or_else(unknown)?;
    if is_done(&mut transaction, id, &key).await.or_internal(failed)? {
        return load(&mut transaction, id).await.map(Json).or_internal(failed);
    }
    let after = before.state.after(Event::Taken { paid_offline: offline }).map_err(refused)?;
    sqlx::query(
        "UPDATE orders SET status = $2, payment_status = $3, owner_sales_user_id = $4,
             payment_channel = CASE WHEN $5 THEN 'OFFLINE' ELSE payment_channel END,
             paid_at = CASE WHEN $5 THEN now() ELSE paid_at END,
             latest_payment_id = CASE WHEN $5 THEN NULL ELSE latest_payment_id END, updated_at = now()
         WHERE id = $1",
    )
    .bind(id)
    .bind(after.order)
    .bind(after.payment)
    .bind(owner)
    .bind(offline)
    .execute(&mut *transaction)
    .await
    .or_internal(failed)?;
    sqlx::query(
        "INSERT INTO order_admin_events (order_id, idempotency_key, actor_user_id, action, note, previous_status,
             new_status, previous_payment_status, new_payment_status, previous_owner_sales_user_id,
             new_owner_sales_user_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(id)
    .bind(key)
    .bind(caller.id)
    .bind(action(offline, before.state))
    .bind(note)
    .bind(before.state.order)
    .bind(after.order)
    .bind(before.state.payment)
    .bind(after.payment)
    .bind(before.owner_sales_user_id)
    .bind(owner)
    .execute(&mut *transaction)
    .await
    .or_internal(failed)?;
    let order = load(&mut transaction, id).await.or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok(Json(order))
}

async fn is_done(connection: &mut PgConnection, order: Uuid, key: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM order_admin_events WHERE order_id = $1 AND idempotency_key = $2)",
    )
    .bind(order)
    .bind(key)
    .fetch_one(connection)
    .await
}

/// `GET /admin/orders/{orderId}/events`: the newest 200.
///
/// # Errors
/// 401, 403, 404.
pub async fn events(
    State(app): State<App>,
    _: Allowed<ManageOrders>,
    Path(id): Path<String>,
) -> ApiResult<Json<OrderAdminEventList>> {
    let id = parameter_uuid("orderId", &id)?;
    let failed = "failed to list order events";
    let mut connection = app.pool().acquire().await.or_internal(failed)?;
    standing(&mut connection, id).await.or_internal(failed)?.ok_or_else(unknown)?;
    let items = sqlx::query_as(
        "SELECT id, order_id, actor_user_id, action, note, previous_status, new_status, previous_payment_status,
             new_payment_status, previous_owner_sales_user_id, new_owner_sales_user_id, created_at
         FROM order_admin_events WHERE order_id = $1 ORDER BY created_at DESC, id LIMIT 200",
    )
    .bind(id)
    .fetch_all(&mut *connection)
    .await
    .or_internal(failed)?;
    Ok(Json(OrderAdminEventList { items }))
}
