//! What happens to an order after it was placed. [`super::state`] says whether it may.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::layers::INTERNAL_TOKEN;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{Order, ShipOrderRequest, TrackingInfoShipment as Shipment};
use shop_wire::internal::OrderPaymentReport;
use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;

use super::read::{Standing, load, lock, unknown};
use super::state::{self, Event, PaymentStatus};
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::{ConfirmReceipt, ShipOrders};
use crate::shipments;
use crate::text::{SHORT, moment, optional, required};

/// The refusal of an event that can't happen now.
pub fn refused(reason: state::Refused) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "invalid_order_state", reason.reason)
}

/// Writes where an order is now, and reads it.
async fn write(connection: &mut PgConnection, id: Uuid, to: state::State) -> sqlx::Result<Order> {
    sqlx::query("UPDATE orders SET status = $2, payment_status = $3, updated_at = now() WHERE id = $1")
        .bind(id)
        .bind(to.order)
        .bind(to.payment)
        .execute(&mut *connection)
        .await?;
    load(connection, id).await
}

/// `POST /orders/{orderId}/confirm-receipt`: the customer has the goods.
///
/// # Errors
/// 401, 403, 404 unless the order is the caller's, 409 unless it is shipped.
pub async fn confirm_receipt(
    State(app): State<App>,
    caller: Allowed<ConfirmReceipt>,
    Path(id): Path<String>,
) -> ApiResult<Json<Order>> {
    let id = parameter_uuid("orderId", &id)?;
    received(&app, id, |order| order.customer_id == caller.id).await
}

/// `POST /admin/orders/{orderId}/confirm-delivery`: somebody else knows that the customer has the goods.
///
/// # Errors
/// 401, 403, 404, 409 unless the order is shipped.
pub async fn confirm_delivery(
    State(app): State<App>,
    _: Allowed<ShipOrders>,
    Path(id): Path<String>,
) -> ApiResult<Json<Order>> {
    received(&app, parameter_uuid("orderId", &id)?, |_| true).await
}

async fn received(app: &App, id: Uuid, may: impl FnOnce(&Standing) -> bool) -> ApiResult<Json<Order>> {
    let failed = "failed to confirm delivery";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let order = lock(&mut transaction, id).await.or_internal(failed)?.filter(may).ok_or_else(unknown)?;
    let after = order.state.after(Event::Received).map_err(refused)?;
    let order = write(&mut transaction, id, after).await.or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok(Json(order))
}

/// `POST /admin/orders/{orderId}/ship`: records the shipment and moves the order.
///
/// # Errors
/// 401, 403, 404, 400 without a waybill number, 409 unless the order is confirmed and paid.
pub async fn ship(
    State(app): State<App>,
    _: Allowed<ShipOrders>,
    Path(id): Path<String>,
    Body(request): Body<ShipOrderRequest>,
) -> ApiResult<Json<Order>> {
    let id = parameter_uuid("orderId", &id)?;
    let shipment = Shipment {
        waybill_no: required("waybillNo", request.waybill_no, SHORT)?,
        carrier: optional("carrier", request.carrier, SHORT)?,
        shipped_at: moment("shippedAt", request.shipped_at)?.or_else(|| Some(OffsetDateTime::now_utc())),
    };
    let failed = "failed to ship order";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let order = lock(&mut transaction, id).await.or_internal(failed)?.ok_or_else(unknown)?;
    let after = order.state.after(Event::HandedOver).map_err(refused)?;
    shipments::upsert(&mut transaction, &[(id, shipment)]).await.or_internal(failed)?;
    let order = write(&mut transaction, id, after).await.or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok(Json(order))
}

/// `POST /internal/orders/{orderId}/payment-status`: payment tells what has become of a payment. Reports may come
/// twice and late; an order that is paid does not change any more.
///
/// # Errors
/// 401 without the token that both services know, 404, 400 for an unknown status.
pub async fn payment_status(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(request): Body<OrderPaymentReport>,
) -> ApiResult<Json<Order>> {
    let shown = headers.get(INTERNAL_TOKEN).map_or(&b""[..], |value| value.as_bytes());
    let known = app.sync_token().map_or("", |token| token.reveal());
    if known.is_empty() || !bool::from(known.as_bytes().ct_eq(shown)) {
        return Err(ApiError::unauthorized("invalid internal sync token"));
    }
    let id = parameter_uuid("orderId", &id)?;
    let Some(payment) = request.payment_id else { return Err(ApiError::invalid("paymentId is required")) };
    let status = required("status", request.status, SHORT)?;
    let channel = optional("channel", request.channel, SHORT)?;
    let paid_at = moment("paidAt", request.paid_at)?;
    let reported = status
        .parse()
        .ok()
        .filter(|status| *status != PaymentStatus::Unpaid)
        .ok_or_else(|| ApiError::invalid("invalid status"))?;
    let failed = "failed to update payment status";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let before = lock(&mut transaction, id).await.or_internal(failed)?.ok_or_else(unknown)?.state;
    let after = before.after(Event::Reported(reported)).map_err(refused)?;
    if !before.is_paid() {
        let now_paid = after.payment == PaymentStatus::Paid;
        let paid_at = now_paid.then(|| paid_at.unwrap_or_else(OffsetDateTime::now_utc));
        sqlx::query(
            "UPDATE orders SET status = $2, payment_status = $3, latest_payment_id = $4,
                 payment_channel = coalesce($5, payment_channel), paid_at = $6, updated_at = now()
             WHERE id = $1",
        )
        .bind(id)
        .bind(after.order)
        .bind(after.payment)
        .bind(payment)
        .bind(channel)
        .bind(paid_at)
        .execute(&mut *transaction)
        .await
        .or_internal(failed)?;
    }
    let order = load(&mut transaction, id).await.or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok(Json(order))
}

/// Orders that a carrier has had for so long that they must have arrived. Answers how many.
///
/// # Errors
/// When the database does not answer.
pub async fn deliver_overdue(connection: &mut PgConnection, after: std::time::Duration) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "UPDATE orders SET status = 'DELIVERED', updated_at = now() WHERE id IN (
             SELECT o.id FROM orders o WHERE o.status = 'SHIPPED' AND EXISTS (
                 SELECT 1 FROM order_tracking_shipments t WHERE t.order_id = o.id
                 HAVING max(t.shipped_at) < now() - make_interval(secs => $1)
             ) ORDER BY o.id LIMIT 1000 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(after.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
