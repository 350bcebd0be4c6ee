//! Filling the cart from a spreadsheet: what is clear goes in at once, the rest waits for a choice.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{
    Cart, CartImportAddedItem, CartImportCandidate, CartImportJob, CartImportPendingItem,
    CartImportPendingItemMatchType, CartImportResult, CartImportSelection, ConfirmCartImportRequest,
};
use shop_wire::common::{ImportJobType, JobStatus};
use sqlx::{FromRow, PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::items::{self, MOST_LINES, quantity};
use super::matching::{Decision, Lookup, TEMPLATE, Wish, good_quantity};
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ImportCart;
use crate::catalog::skus;
use crate::sheets;
use crate::upload::Form;

/// SKUs that are offered for one row.
const MOST_CANDIDATES: i64 = 20;
/// Choices in one request.
const MOST_SELECTIONS: usize = 5000;

/// `POST /cart/import-jobs`: the job with everything that was done, at once; or nothing is done.
///
/// # Errors
/// 401, 403, 400 for a sheet that can't be used (`details` says why), 413.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ImportCart>,
    form: Form,
) -> ApiResult<(StatusCode, Json<CartImportJob>)> {
    let failed = "failed to import cart";
    let upload = form.read(&app).await?;
    let file = upload.file("file")?;
    let rows = tokio::task::spawn_blocking(move || sheets::read(&file, &TEMPLATE))
        .await
        .map_err(|e| ApiError::internal(failed, e))?
        .map_err(|e| e.answer(&TEMPLATE))?;
    drop(upload);
    let wishes: Vec<Wish> = rows.iter().map(Wish::of).collect();
    let found = look_up(app.pool(), &wishes).await.or_internal(failed)?;
    let decisions: Vec<Decision> = wishes.iter().map(|wish| wish.decide(&found)).collect();

    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let id: Uuid =
        sqlx::query_scalar("INSERT INTO cart_import_jobs (owner_user_id) VALUES ($1) RETURNING id")
            .bind(caller.id)
            .fetch_one(&mut *transaction)
            .await
            .or_internal(failed)?;
    insert_rows(&mut transaction, id, &wishes, &decisions).await.or_internal(failed)?;
    let auto = decisions.iter().filter_map(|decision| match decision {
        Decision::Auto(sku, qty) => Some((*sku, *qty)),
        _ => None,
    });
    add_all(&mut transaction, caller.id, auto, failed).await?;
    transaction.commit().await.or_internal(failed)?;
    let job = load(app.pool(), id, caller.id).await.or_internal(failed)?;
    Ok((StatusCode::ACCEPTED, Json(job.ok_or_else(unknown)?)))
}

/// What there is for each lookup, the oldest SKU first; four statements for any number of rows.
async fn look_up(pool: &PgPool, wishes: &[Wish]) -> sqlx::Result<HashMap<Lookup, Vec<Uuid>>> {
    let (mut ids, mut codes, mut names, mut pairs) =
        (Vec::new(), Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for wish in wishes {
        match &wish.lookup {
            Lookup::Id(id) => ids.push(*id),
            Lookup::Code(code) => codes.push(code.as_str()),
            Lookup::Name(name) => names.push(name.as_str()),
            Lookup::NameAndSpec(name, spec) => {
                pairs.0.push(name.as_str());
                pairs.1.push(spec.as_str());
            }
            Lookup::Nothing => {}
        }
    }
    let mut found: HashMap<Lookup, Vec<Uuid>> = HashMap::new();
    let by_id: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM catalog_skus WHERE id = ANY($1)")
        .bind(ids)
        .fetch_all(pool)
        .await?;
    for id in by_id {
        found.insert(Lookup::Id(id), vec![id]);
    }
    let by_code: Vec<(String, Uuid)> =
        sqlx::query_as("SELECT sku_code, id FROM catalog_skus WHERE sku_code = ANY($1)")
            .bind(codes)
            .fetch_all(pool)
            .await?;
    for (code, id) in by_code {
        found.insert(Lookup::Code(code), vec![id]);
    }
    let by_name: Vec<(String, Uuid)> = sqlx::query_as(
        "SELECT wanted.name, sku.id FROM (SELECT DISTINCT unnest($1::text[]) AS name) AS wanted
         CROSS JOIN LATERAL (
             SELECT id, created_at FROM catalog_skus s WHERE s.name = wanted.name ORDER BY created_at, id LIMIT $2
         ) AS sku ORDER BY sku.created_at, sku.id",
    )
    .bind(names)
    .bind(MOST_CANDIDATES)
    .fetch_all(pool)
    .await?;
    for (name, id) in by_name {
        found.entry(Lookup::Name(name)).or_default().push(id);
    }
    let by_both: Vec<(String, String, Uuid)> = sqlx::query_as(
        "SELECT wanted.name, wanted.spec, sku.id
         FROM (SELECT DISTINCT name, spec FROM unnest($1::text[], $2::text[]) AS w (name, spec)) AS wanted
         CROSS JOIN LATERAL (
             SELECT id, created_at FROM catalog_skus s WHERE s.name = wanted.name AND s.spec = wanted.spec
             ORDER BY created_at, id LIMIT $3
         ) AS sku ORDER BY sku.created_at, sku.id",
    )
    .bind(pairs.0)
    .bind(pairs.1)
    .bind(MOST_CANDIDATES)
    .fetch_all(pool)
    .await?;
    for (name, spec, id) in by_both {
        found.entry(Lookup::NameAndSpec(name, spec)).or_default().push(id);
    }
    Ok(found)
}

async fn insert_rows(
    connection: &mut PgConnection,
    job: Uuid,
    wishes: &[Wish],
    decisions: &[Decision],
) -> sqlx::Result<()> {
    let candidates: Vec<String> = decisions
        .iter()
        .map(|decision| match decision {
            // An array of arrays must be rectangular, so each list travels as the text of an array.
            Decision::Ambiguous(ids) => {
                format!("{{{}}}", ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(","))
            }
            _ => "{}".to_owned(),
        })
        .collect();
    let kind = |decision: &Decision| match decision {
        Decision::Auto(..) => "AUTO",
        Decision::Ambiguous(_) => "AMBIGUOUS",
        Decision::NotFound => "NOT_FOUND",
    };
    let chosen = |decision: &Decision| match decision {
        Decision::Auto(sku, qty) => (Some(*sku), Some(*qty)),
        _ => (None, None),
    };
    let (skus, quantities): (Vec<_>, Vec<_>) = decisions.iter().map(chosen).unzip();
    sqlx::query(
        "INSERT INTO cart_import_rows (job_id, row_no, raw_name, raw_spec, raw_qty, match_type,
             candidate_sku_ids, chosen_sku_id, chosen_qty)
         SELECT $1, row_no, raw_name, raw_spec, raw_qty, match_type, candidates::uuid[], sku, qty
         FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
             $9::integer[]) AS r (row_no, raw_name, raw_spec, raw_qty, match_type, candidates, sku, qty)",
    )
    .bind(job)
    .bind(wishes.iter().map(|w| w.row_no).collect::<Vec<_>>())
    .bind(wishes.iter().map(|w| w.raw_name.as_str()).collect::<Vec<_>>())
    .bind(wishes.iter().map(|w| w.raw_spec.as_deref()).collect::<Vec<_>>())
    .bind(wishes.iter().map(|w| w.raw_qty.as_deref()).collect::<Vec<_>>())
    .bind(decisions.iter().map(kind).collect::<Vec<_>>())
    .bind(candidates)
    .bind(skus)
    .bind(quantities)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds to the lines of the SKUs, or makes them.
async fn add_all(
    connection: &mut PgConnection,
    owner: Uuid,
    items: impl Iterator<Item = (Uuid, i32)>,
    failed: &'static str,
) -> ApiResult<()> {
    let mut sums: BTreeMap<Uuid, i64> = BTreeMap::new();
    for (sku, qty) in items {
        *sums.entry(sku).or_default() += i64::from(qty);
    }
    if sums.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO cart_items AS c (owner_user_id, sku_id, qty)
         SELECT $1, sku, least(qty, 2147483647) FROM unnest($2::uuid[], $3::bigint[]) AS i (sku, qty)
         ON CONFLICT (owner_user_id, sku_id) DO UPDATE
             SET qty = least(c.qty::bigint + excluded.qty, 2147483647)::integer, updated_at = now()",
    )
    .bind(owner)
    .bind(sums.keys().copied().collect::<Vec<_>>())
    .bind(sums.values().copied().collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .or_internal(failed)?;
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM cart_items WHERE owner_user_id = $1")
        .bind(owner)
        .fetch_one(connection)
        .await
        .or_internal(failed)?;
    // Not committed then: nothing of the sheet is in the cart.
    if lines > MOST_LINES { Err(items::full()) } else { Ok(()) }
}

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

async fn load(pool: &PgPool, id: Uuid, owner: Uuid) -> sqlx::Result<Option<CartImportJob>> {
    #[derive(FromRow)]
    struct Line {
        row_no: i32,
        raw_name: String,
        raw_spec: Option<String>,
        raw_qty: Option<String>,
        match_type: String,
        candidate_sku_ids: Vec<Uuid>,
        chosen_sku_id: Option<Uuid>,
        chosen_qty: Option<i32>,
    }
    let created_at: Option<OffsetDateTime> =
        sqlx::query_scalar("SELECT created_at FROM cart_import_jobs WHERE id = $1 AND owner_user_id = $2")
            .bind(id)
            .bind(owner)
            .fetch_optional(pool)
            .await?;
    let Some(created_at) = created_at else { return Ok(None) };
    let lines: Vec<Line> = sqlx::query_as(
        "SELECT row_no, raw_name, raw_spec, raw_qty, match_type, candidate_sku_ids, chosen_sku_id, chosen_qty
         FROM cart_import_rows WHERE job_id = $1 ORDER BY row_no",
    )
    .bind(id)
    .fetch_all(pool)
    .await?;
    let mut wanted: Vec<Uuid> = lines
        .iter()
        .filter(|l| l.chosen_sku_id.is_none())
        .flat_map(|l| l.candidate_sku_ids.clone())
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let known = skus::by_ids(pool, &wanted).await?;

    let (mut added, mut pending) = (Vec::new(), Vec::new());
    for line in lines {
        let Line { row_no, raw_name, raw_spec, raw_qty, match_type, candidate_sku_ids, .. } = line;
        if let (Some(sku_id), Some(qty)) = (line.chosen_sku_id, line.chosen_qty) {
            added.push(CartImportAddedItem { row_no, sku_id, qty });
            continue;
        }
        let candidates = candidate_sku_ids
            .iter()
            .filter_map(|id| known.get(id).cloned())
            .map(|sku| CartImportCandidate { sku });
        let candidates = candidates.collect();
        // Only a row with a SKU and a quantity is AUTO, and such a row is in the cart.
        let match_type = match_type.parse().unwrap_or(CartImportPendingItemMatchType::Ambiguous);
        pending.push(CartImportPendingItem { row_no, raw_name, raw_spec, raw_qty, match_type, candidates });
    }
    let result = CartImportResult {
        auto_added_count: count(&added),
        pending_count: count(&pending),
        auto_added_items: added,
        pending_items: pending,
    };
    Ok(Some(CartImportJob {
        id,
        r#type: ImportJobType::CartImport,
        status: JobStatus::Succeeded,
        progress: 100,
        result_file_url: None,
        error_report_url: None,
        created_at,
        result: Some(result),
    }))
}

/// `GET /cart/import-jobs/{jobId}`.
///
/// # Errors
/// 401, 403, 404 unless it is the caller's.
pub async fn show(
    State(app): State<App>,
    caller: Allowed<ImportCart>,
    Path(id): Path<String>,
) -> ApiResult<Json<CartImportJob>> {
    let id = parameter_uuid("jobId", &id)?;
    let job = load(app.pool(), id, caller.id).await.or_internal("failed to load import job")?;
    job.map(Json).ok_or_else(unknown)
}

/// `POST /cart/import-jobs/{jobId}/confirm`: all choices, or none. Choices for rows that the sheet does not have are
/// passed over; a choice that is made again is added again.
///
/// # Errors
/// 401, 403, 404 unless the job is the caller's and for SKUs that do not exist, 400 for a quantity below one.
pub async fn confirm(
    State(app): State<App>,
    caller: Allowed<ImportCart>,
    Path(id): Path<String>,
    Body(request): Body<ConfirmCartImportRequest>,
) -> ApiResult<Json<Cart>> {
    let id = parameter_uuid("jobId", &id)?;
    let selections = request.selections.unwrap_or_default();
    if selections.len() > MOST_SELECTIONS {
        return Err(ApiError::invalid("selections supports at most 5000 items"));
    }
    let failed = "failed to confirm cart import";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let known: Option<Uuid> =
        sqlx::query_scalar("SELECT id FROM cart_import_jobs WHERE id = $1 AND owner_user_id = $2 FOR UPDATE")
            .bind(id)
            .bind(caller.id)
            .fetch_optional(&mut *transaction)
            .await
            .or_internal(failed)?;
    if known.is_none() {
        return Err(unknown());
    }
    let rows: Vec<(i32, Option<String>)> =
        sqlx::query_as("SELECT row_no, raw_qty FROM cart_import_rows WHERE job_id = $1 AND row_no = ANY($2)")
            .bind(id)
            .bind(selections.iter().filter_map(|s| s.row_no).collect::<Vec<_>>())
            .fetch_all(&mut *transaction)
            .await
            .or_internal(failed)?;
    let rows: HashMap<i32, Option<String>> = rows.into_iter().collect();
    let mut chosen: Vec<(i32, Uuid, i32)> = Vec::new();
    for CartImportSelection { row_no, sku_id, qty } in selections {
        let qty = qty.map(quantity).transpose()?;
        let row_no = row_no.unwrap_or_default();
        let Some(raw_qty) = rows.get(&row_no) else { continue };
        let Some(sku) = sku_id else { return Err(ApiError::invalid("skuId is required")) };
        let written = raw_qty.as_deref().and_then(good_quantity);
        chosen.push((row_no, sku, qty.or(written).unwrap_or(1)));
    }
    let mut skus: Vec<Uuid> = chosen.iter().map(|(_, sku, _)| *sku).collect();
    skus.sort_unstable();
    skus.dedup();
    let existing: i64 = sqlx::query_scalar("SELECT count(*) FROM catalog_skus WHERE id = ANY($1)")
        .bind(&skus)
        .fetch_one(&mut *transaction)
        .await
        .or_internal(failed)?;
    if usize::try_from(existing) != Ok(skus.len()) {
        return Err(ApiError::not_found("sku not found"));
    }
    add_all(&mut transaction, caller.id, chosen.iter().map(|(_, sku, qty)| (*sku, *qty)), failed).await?;
    // A row that was chosen twice keeps the last choice.
    let last: BTreeMap<i32, (Uuid, i32)> =
        chosen.into_iter().map(|(row, sku, qty)| (row, (sku, qty))).collect();
    sqlx::query(
        "UPDATE cart_import_rows r SET chosen_sku_id = c.sku, chosen_qty = c.qty
         FROM unnest($2::integer[], $3::uuid[], $4::integer[]) AS c (row_no, sku, qty)
         WHERE r.job_id = $1 AND r.row_no = c.row_no",
    )
    .bind(id)
    .bind(last.keys().copied().collect::<Vec<_>>())
    .bind(last.values().map(|(sku, _)| *sku).collect::<Vec<_>>())
    .bind(last.values().map(|(_, qty)| *qty).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await
    .or_internal(failed)?;
    transaction.commit().await.or_internal(failed)?;
    items::load(app.pool(), caller.id).await.map(Json).or_internal(failed)
}

fn unknown() -> ApiError {
    ApiError::not_found("import job not found")
}
