//! An administrator takes an order on: says whether it is paid, and which sales user looks after it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::wire::Items;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::UpdateOrderFulfillmentRequest;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::change::{lock, refused, state_of};
use super::create::idempotency_key;
use super::read::{Order, OrderRow, by_id, unknown, with_its_items};
use super::state::{Event, OrderStatus};
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageOrders;
use crate::order_columns;
use crate::sql::OrFail;
use crate::text::required;

/// Characters of a note.
const LONGEST_NOTE: usize = 1000;

/// What an administrator did.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct OrderAdminEvent {
    id: Uuid,
    order_id: Uuid,
    actor_user_id: Uuid,
    action: String,
    note: String,
    previous_status: String,
    new_status: String,
    previous_payment_status: String,
    new_payment_status: String,
    previous_owner_sales_user_id: Option<Uuid>,
    new_owner_sales_user_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// What the event is called.
fn action(offline: bool, before: &OrderRow) -> &'static str {
    if offline {
        "OFFLINE_PAYMENT_AND_ASSIGN"
    } else if before.status == OrderStatus::Confirmed.as_str() {
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
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(request): Body<UpdateOrderFulfillmentRequest>,
) -> ApiResult<Json<Order>> {
    let id = parameter_uuid("orderId", &id)?;
    let key = idempotency_key(&headers)?.ok_or_else(|| ApiError::invalid("Idempotency-Key is required"))?;
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
        let mut connection = app.pool().acquire().await.or_fail(failed)?;
        let row = by_id(&mut connection, id).await.or_fail(failed)?.ok_or_else(unknown)?;
        if is_done(&mut connection, id, key).await.or_fail(failed)? {
            return with_its_items(&mut connection, row).await.map(Json).or_fail(failed);
        }
    }
    if !app.authorizer().is_active_sales_user(&headers, owner).await? {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "invalid_sales_assignee",
            "ownerSalesUserId is not an active sales user",
        ));
    }
    let mut transaction = app.pool().begin().await.or_fail(failed)?;
    let before = lock(&mut transaction, id).await.or_fail(failed)?.ok_or_else(unknown)?;
    if is_done(&mut transaction, id, key).await.or_fail(failed)? {
        return with_its_items(&mut transaction, before).await.map(Json).or_fail(failed);
    }
    let state = state_of(&before)?;
    let after = state.after(Event::Taken { paid_offline: offline }).map_err(refused)?;
    let row: OrderRow = sqlx::query_as(concat!(
        "UPDATE orders SET status = $2, payment_status = $3, owner_sales_user_id = $4,
             payment_channel = CASE WHEN $5 THEN 'OFFLINE' ELSE payment_channel END,
             paid_at = CASE WHEN $5 THEN now() ELSE paid_at END,
             latest_payment_id = CASE WHEN $5 THEN NULL ELSE latest_payment_id END, updated_at = now()
         WHERE id = $1 RETURNING ",
        order_columns!()
    ))
    .bind(id)
    .bind(after.order.as_str())
    .bind(after.payment.as_str())
    .bind(owner)
    .bind(offline)
    .fetch_one(&mut *transaction)
    .await
    .or_fail(failed)?;
    sqlx::query(
        "INSERT INTO order_admin_events (order_id, idempotency_key, actor_user_id, action, note, previous_status,
             new_status, previous_payment_status, new_payment_status, previous_owner_sales_user_id,
             new_owner_sales_user_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(id)
    .bind(key)
    .bind(caller.id)
    .bind(action(offline, &before))
    .bind(note)
    .bind(&before.status)
    .bind(after.order.as_str())
    .bind(&before.payment_status)
    .bind(after.payment.as_str())
    .bind(before.owner_sales_user_id)
    .bind(owner)
    .execute(&mut *transaction)
    .await
    .or_fail(failed)?;
    let order = with_its_items(&mut transaction, row).await.or_fail(failed)?;
    transaction.commit().await.or_fail(failed)?;
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
) -> ApiResult<Json<Items<OrderAdminEvent>>> {
    let id = parameter_uuid("orderId", &id)?;
    let failed = "failed to list order events";
    let mut connection = app.pool().acquire().await.or_fail(failed)?;
    if by_id(&mut connection, id).await.or_fail(failed)?.is_none() {
        return Err(unknown());
    }
    let items = sqlx::query_as(
        "SELECT id, order_id, actor_user_id, action, note, previous_status, new_status, previous_payment_status,
             new_payment_status, previous_owner_sales_user_id, new_owner_sales_user_id, created_at
         FROM order_admin_events WHERE order_id = $1 ORDER BY created_at DESC, id LIMIT 200",
    )
    .bind(id)
    .fetch_all(&mut *connection)
    .await
    .or_fail(failed)?;
    Ok(Json(Items { items }))
}
