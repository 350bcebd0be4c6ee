//! Where one order is.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Shipment;
use crate::app::App;
use crate::authorize::needs::{ManageShipments, ReadTracking};
use crate::authorize::{Allowed, Scope};
use crate::orders::read::{by_id, unknown};
use crate::sql::OrFail;
use crate::text::{SHORT, moment, optional, required};

/// Shipments in one request or answer.
const MOST: usize = 1000;

/// The shipments of an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackingInfo {
    order_id: Uuid,
    shipments: Vec<Tracked>,
}

/// A shipment as it goes over the wire.
#[derive(Debug, Default, Serialize, Deserialize, FromRow)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracked {
    carrier: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    shipped_at: Option<OffsetDateTime>,
    waybill_no: Option<String>,
}

/// Shipments to record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateTracking {
    shipments: Vec<Tracked>,
}

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
    let mut connection = app.pool().acquire().await.or_fail(failed)?;
    if caller.scope != Scope::All {
        let row = by_id(&mut connection, order_id).await.or_fail(failed)?;
        if !row.is_some_and(|row| caller.sees(row.customer_id, row.owner_sales_user_id)) {
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
    .or_fail(failed)?;
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
    Body(request): Body<UpdateTracking>,
) -> ApiResult<Json<TrackingInfo>> {
    let order_id = parameter_uuid("orderId", &id)?;
    if request.shipments.len() > MOST {
        return Err(ApiError::invalid("shipments supports at most 1000 items"));
    }
    let mut shipments = Vec::new();
    for Tracked { carrier, shipped_at, waybill_no } in request.shipments {
        let waybill_no = required("waybillNo", waybill_no, SHORT)?;
        let carrier = optional("carrier", carrier, SHORT)?;
        let shipped_at = moment("shippedAt", shipped_at)?;
        shipments.push((order_id, Shipment { waybill_no, carrier, shipped_at }));
    }
    let failed = "failed to update tracking";
    let mut transaction = app.pool().begin().await.or_fail(failed)?;
    by_id(&mut transaction, order_id).await.or_fail(failed)?.ok_or_else(unknown)?;
    super::upsert(&mut transaction, &shipments).await.or_fail(failed)?;
    transaction.commit().await.or_fail(failed)?;
    let shipments = shipments
        .into_iter()
        .map(|(_, Shipment { waybill_no, carrier, shipped_at })| Tracked {
            carrier,
            shipped_at,
            waybill_no: Some(waybill_no),
        })
        .collect();
    Ok(Json(TrackingInfo { order_id, shipments }))
}
