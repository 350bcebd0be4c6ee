//! The work of a product import: one transaction for each product, its rows' fate written with it.

use std::collections::BTreeSet;

use bytes::Bytes;
use shop_kit::Shutdown;
use sqlx::PgConnection;
use uuid::Uuid;

use super::images::Images;
use super::plan::{Group, ProductContent, TEMPLATE, plan};
use super::report;
use crate::app::App;
use crate::catalog::skus::{self, SkuContent};
use crate::jobs::{Claim, Done, Stopped, go_on};
use crate::sheets::{self, SheetError};

/// Why a product of the sheet was not taken.
enum Trouble {
    /// The sheet is wrong about it; its rows say so in the report.
    Group(String),
    /// The job can't go on.
    Job(Stopped),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        // What the tables refuse is the sheet's fault; what does not answer is not.
        match error.as_database_error() {
            Some(refusal)
                if refusal.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) =>
            {
                Self::Group("the database refused it; check the codes and texts of these rows".into())
            }
            _ => Self::Job(error.into()),
        }
    }
}

/// Goes on where an earlier attempt ended: rows that have a fate are passed over.
pub(in crate::jobs) async fn run(app: &App, job: &Claim, shutdown: &Shutdown) -> Result<Done, Stopped> {
    let mut connection = app.pool().acquire().await?;
    let uploads: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT field, content FROM import_job_uploads WHERE job_id = $1")
            .bind(job.id)
            .fetch_all(&mut *connection)
            .await?;
    let (mut sheet, mut pictures) = (None, None);
    for (field, content) in uploads {
        match field.as_str() {
            "excelFile" => sheet = Some(content),
            _ => pictures = Some(Bytes::from(content)),
        }
    }
    let sheet = sheet.ok_or(SheetError::Unreadable)?;
    let rows = tokio::task::spawn_blocking(move || sheets::read(&sheet, &TEMPLATE))
        .await
        .map_err(std::io::Error::other)??;
    let groups = plan(&rows);
    let images = Images::new(job.id, job.params.image_base_url.as_deref(), pictures);
    let done: Vec<i32> = sqlx::query_scalar("SELECT row_no FROM product_import_rows WHERE job_id = $1")
        .bind(job.id)
        .fetch_all(&mut *connection)
        .await?;
    let done: BTreeSet<i32> = done.into_iter().collect();
    let count = groups.len().max(1);
    for (place, group) in groups.into_iter().enumerate() {
        if shutdown.is_requested() {
            return Err(Stopped::Asked);
        }
        if group.rows.iter().all(|row| done.contains(&row.number)) {
            continue;
        }
        match take(app, &mut connection, job, &group, &images).await {
            Ok(()) => {}
            Err(Trouble::Group(error)) => {
                let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
                mark(&mut transaction, job, &group, Some(&error)).await?;
                transaction.commit().await?;
            }
            Err(Trouble::Job(stopped)) => return Err(stopped),
        }
        let progress = i32::try_from((place + 1) * 100 / count).unwrap_or(99);
        go_on(&mut connection, app, job, progress).await?;
    }
    report::write(app, &mut connection, job).await
}

async fn take(
    app: &App,
    connection: &mut PgConnection,
    job: &Claim,
    group: &Group,
    images: &Result<Images, String>,
) -> Result<(), Trouble> {
    let content = group.content.as_ref().map_err(|error| Trouble::Group(error.clone()))?;
    let mut content = content.clone();
    if content.cover_image.is_some() || !content.images.is_empty() {
        let images = images.as_ref().map_err(|error| Trouble::Group(error.clone()))?;
        for reference in content.cover_image.iter_mut().chain(&mut content.images) {
            *reference = images.resolve(app.media(), reference).await.map_err(Trouble::Group)?;
        }
    }
    let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
    // The fence: a worker that has lost the job does not get past this, and while this transaction is open nobody
    // else can take the job.
    go_on(&mut transaction, app, job, 0).await.map_err(Trouble::Job)?;
    write(&mut transaction, &content).await?;
    mark(&mut transaction, job, group, None).await?;
    transaction.commit().await?;
    Ok(())
}

async fn mark(
    connection: &mut PgConnection,
    job: &Claim,
    group: &Group,
    error: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO product_import_rows (job_id, row_no, group_key, sku_code, product_name, error)
         SELECT $1, row_no, $3, sku_code, product_name, $6
         FROM unnest($2::integer[], $4::text[], $5::text[]) AS r (row_no, sku_code, product_name)
         ON CONFLICT DO NOTHING",
    )
    .bind(job.id)
    .bind(group.rows.iter().map(|row| row.number).collect::<Vec<_>>())
    .bind(&group.key)
    .bind(group.rows.iter().map(|row| row.sku_code.as_str()).collect::<Vec<_>>())
    .bind(group.rows.iter().map(|row| row.product_name.as_str()).collect::<Vec<_>>())
    .bind(error)
    .execute(connection)
    .await
    .map(drop)
}

async fn write(connection: &mut PgConnection, content: &ProductContent) -> Result<(), Trouble> {
    let codes: Vec<&str> = content.skus.iter().filter_map(|sku| sku.sku_code.as_deref()).collect();
    let known: Vec<(String, Uuid, Uuid)> = sqlx::query_as(
        "SELECT sku_code, id, product_id FROM catalog_skus WHERE sku_code = ANY($1) ORDER BY id FOR UPDATE",
    )
    .bind(&codes)
    .fetch_all(&mut *connection)
    .await?;
    let products: BTreeSet<Uuid> = known.iter().map(|(.., product)| *product).collect();
    let product = match products.len() {
        0 => add_product(connection, content).await?,
        1 => change_product(connection, known[0].2, content).await?,
        _ => return Err(Trouble::Group("the SKU Codes belong to different products".into())),
    };
    for sku in &content.skus {
        let existing = known.iter().find(|(code, ..)| Some(code) == sku.sku_code.as_ref());
        match existing {
            Some((_, id, _)) => change_sku(connection, *id, sku).await?,
            None => {
                if skus::insert(connection, product, sku).await?.is_none() {
                    let code = sku.sku_code.as_deref().unwrap_or_default();
                    return Err(Trouble::Group(format!(
                        "SKU Code {code} was taken meanwhile; import it again"
                    )));
                }
            }
        }
    }
    Ok(())
}

async fn add_product(connection: &mut PgConnection, content: &ProductContent) -> sqlx::Result<Uuid> {
    sqlx::query_scalar(
        "INSERT INTO catalog_products
             (name, category_id, description, cover_image_url, images, tags, filter_dimensions, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'DRAFT') RETURNING id",
    )
    .bind(&content.name)
    .bind(content.category_id)
    .bind(&content.description)
    .bind(&content.cover_image)
    .bind(&content.images)
    .bind(&content.tags)
    .bind(&content.filter_dimensions)
    .fetch_one(connection)
    .await
}

/// The product's state stays; what the sheet leaves empty stays as well.
async fn change_product(
    connection: &mut PgConnection,
    id: Uuid,
    content: &ProductContent,
) -> sqlx::Result<Uuid> {
    sqlx::query_scalar(
        "UPDATE catalog_products SET name = $2, category_id = $3, description = coalesce($4, description),
             cover_image_url = coalesce($5, cover_image_url),
             images = CASE WHEN $6 = '{}'::text[] THEN images ELSE $6 END,
             tags = CASE WHEN $7 = '{}'::text[] THEN tags ELSE $7 END,
             filter_dimensions = CASE WHEN $8 = '{}'::text[] THEN filter_dimensions ELSE $8 END, updated_at = now()
         WHERE id = $1 RETURNING id",
    )
    .bind(id)
    .bind(&content.name)
    .bind(content.category_id)
    .bind(&content.description)
    .bind(&content.cover_image)
    .bind(&content.images)
    .bind(&content.tags)
    .bind(&content.filter_dimensions)
    .fetch_one(connection)
    .await
}

async fn change_sku(connection: &mut PgConnection, id: Uuid, sku: &SkuContent) -> sqlx::Result<()> {
    let SkuContent { sku_code: _, name, spec, attributes, price_tiers, unit, is_active } = sku;
    sqlx::query(
        "UPDATE catalog_skus SET name = $2, spec = coalesce($3, spec),
             attributes = CASE WHEN $4 = '{}'::jsonb THEN attributes ELSE $4 END, unit = coalesce($5, unit),
             is_active = $6, updated_at = now()
         WHERE id = $1",
    )
    .bind(id)
    .bind(name)
    .bind(spec)
    .bind(sqlx::types::Json(attributes))
    .bind(unit)
    .bind(is_active)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM catalog_price_tiers WHERE sku_id = $1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    skus::insert_tiers(connection, id, price_tiers).await
}
