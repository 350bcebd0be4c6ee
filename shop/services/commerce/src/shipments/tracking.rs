//! Where one order is.

use axum::Json;
use axum::extract::{Path, State};
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{
    TrackingInfo, TrackingInfoShipment as Shipment, UpdateTrackingRequest, UpdateTrackingRequestShipment,
};

use crate::app::App;
use crate::authorize::needs::{ManageShipments, ReadTracking};
use crate::authorize::{Allowed, Scope};
use crate::orders::read::{standing, unknown};
use crate::text::{SHORT, moment, optional, required};

/// Shipments in one request or answer.
const MOST: usize = 1000;

/// `GET /orders/{orderId}/tracking`, the first shipment first. Who may see every order gets an empty list for one
/// that does not exist.
///
/// # Errors
/// 401, 403, 404 when the order is not for this caller.
pub async fn show(
    State(app): State<App>,
    caller: Allowed<ReadTracking>,
    Path(id): Path<String>,
) -> ApiResult<Json<TrackingInfo>> {
    let order_id = parameter_uuid("orderId", &id)?;
    let failed = "failed to load tracking";
    let mut connection = app.pool().acquire().await.or_internal(failed)?;
    if caller.scope != Scope::All {
        let found = standing(&mut connection, order_id).await.or_internal(failed)?;
        if !found.is_some_and(|order| order.is_for(&caller)) {
            return Err(unknown());
        }
    }
    let shipments = sqlx::query_as(
        "SELECT carrier, shipped_at, waybill_no FROM order_tracking_shipments
         WHERE order_id = $1 ORDER BY created_at, id LIMIT 1000",
    )
    .bind(order_id)
    .fetch_all(&mut *connection)
    .await
    .or_internal(failed)?;
    Ok(Json(TrackingInfo { order_id, shipments }))
}

/// `POST /orders/{orderId}/tracking`: records all of them or none, and answers with those that were sent.
///
/// # Errors
/// 401, 403, 404, 400 without a waybill number.
pub async fn record(
    State(app): State<App>,
    _: Allowed<ManageShipments>,
    Path(id): Path<String>,
    Body(request): Body<UpdateTrackingRequest>,
) -> ApiResult<Json<TrackingInfo>> {
    let order_id = parameter_uuid("orderId", &id)?;
    let given = request.shipments.unwrap_or_default();
    if given.len() > MOST {
        return Err(ApiError::invalid("shipments supports at most 1000 items"));
    }
    let checked = |UpdateTrackingRequestShipment { carrier, shipped_at, waybill_no }| {
        let waybill_no = required("waybillNo", waybill_no, SHORT)?;
        let carrier = optional("carrier", carrier, SHORT)?;
        Ok((order_id, Shipment { waybill_no, carrier, shipped_at: moment("shippedAt", shipped_at)? }))
    };
    let shipments = given.into_iter().map(checked).collect::<ApiResult<Vec<_>>>()?;
    let failed = "failed to update tracking";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    standing(&mut transaction, order_id).await.or_internal(failed)?.ok_or_else(unknown)?;
    super::upsert(&mut transaction, &shipments).await.or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    let shipments = shipments.into_iter().map(|(_, shipment)| shipment).collect();
    Ok(Json(TrackingInfo { order_id, shipments }))
}
