//! Where orders are: shipments, one by one and from spreadsheets.

pub mod imports;
pub mod rows;
pub mod tracking;

use shop_wire::commerce::TrackingInfoShipment as Shipment;
use sqlx::PgConnection;
use uuid::Uuid;

/// Records shipments of existing orders; what is known of a waybill is overwritten, also by nothing. Of two with the
/// same number the later counts.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(connection: &mut PgConnection, shipments: &[(Uuid, Shipment)]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO order_tracking_shipments (order_id, waybill_no, carrier, shipped_at, created_at)
         SELECT DISTINCT ON (order_id, waybill_no) order_id, waybill_no, carrier, shipped_at,
             now() + place * interval '1 microsecond'
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
             WITH ORDINALITY AS s (order_id, waybill_no, carrier, shipped_at, place)
         ORDER BY order_id, waybill_no, place DESC
         ON CONFLICT (order_id, waybill_no) DO UPDATE
             SET carrier = excluded.carrier, shipped_at = excluded.shipped_at, updated_at = now()",
    )
    .bind(shipments.iter().map(|(order, _)| *order).collect::<Vec<_>>())
    .bind(shipments.iter().map(|(_, s)| s.waybill_no.as_str()).collect::<Vec<_>>())
    .bind(shipments.iter().map(|(_, s)| s.carrier.as_deref()).collect::<Vec<_>>())
    .bind(shipments.iter().map(|(_, s)| s.shipped_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
