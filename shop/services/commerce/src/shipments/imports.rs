//! Shipments of many orders from a spreadsheet, recorded at once: all good rows, in one transaction.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::ImportJob;
use uuid::Uuid;

use super::rows::{self, RowError, TEMPLATE};
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ImportShipments;
use crate::sheets;
use crate::upload::Form;

/// Row errors that are told.
const MOST_ERRORS: usize = 200;

/// `POST /shipments/import-jobs` and `POST /admin/shipments/import-jobs`. Rows with a mistake and rows of orders that
/// do not exist are passed over as long as one row is good.
///
/// # Errors
/// 401, 403, 400 for a sheet that can't be used or has no good row (`details` says why), 413.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ImportShipments>,
    form: Form,
) -> ApiResult<(StatusCode, Json<ImportJob>)> {
    let failed = "failed to import shipments";
    let upload = form.read(&app).await?;
    let file = upload.file("excelFile")?;
    let rows = tokio::task::spawn_blocking(move || sheets::read(&file, &TEMPLATE))
        .await
        .map_err(|e| ApiError::internal(failed, e))?
        .map_err(|e| e.answer(&TEMPLATE))?;
    drop(upload);
    let mut good = Vec::new();
    let mut wrong = Vec::new();
    for row in &rows {
        match rows::read(row) {
            Ok((order, shipment)) => good.push((row.number, order, shipment)),
            Err(errors) => wrong.extend(errors),
        }
    }
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let known: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM orders WHERE id = ANY($1) FOR KEY SHARE")
        .bind(good.iter().map(|(_, order, _)| *order).collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await
        .or_internal(failed)?;
    let known: HashSet<Uuid> = known.into_iter().collect();
    let mut shipments = Vec::new();
    for (row_no, order, shipment) in good {
        if known.contains(&order) {
            shipments.push((order, shipment));
        } else {
            wrong.push(RowError { row_no, field: "orderId", message: "order not found".into() });
        }
    }
    if shipments.is_empty() {
        wrong.sort_by_key(|error| error.row_no);
        wrong.truncate(MOST_ERRORS);
        let details = json!({ "template": TEMPLATE.name, "reason": "no_valid_rows", "rowErrors": wrong });
        return Err(ApiError::invalid("no valid rows").with_details(details));
    }
    super::upsert(&mut transaction, &shipments).await.or_internal(failed)?;
    let job = sqlx::query_as(
        "INSERT INTO import_jobs (type, status, progress, created_by_user_id)
         VALUES ('SHIPMENT_IMPORT', 'SUCCEEDED', 100, $1)
         RETURNING id, type, status, progress, result_file_url, error_report_url, created_at",
    )
    .bind(caller.id)
    .fetch_one(&mut *transaction)
    .await
    .or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}
