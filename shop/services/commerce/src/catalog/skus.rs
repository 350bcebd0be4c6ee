//! SKUs and their price tiers.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{CreateSkuRequest, PriceTier, PriceTierInput, Sku};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::tiers;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageProducts;
use crate::text::{SHORT, filled, optional, required};

/// Price tiers that a SKU may have.
const MOST_TIERS: usize = 50;
/// Attributes that a SKU may have.
const MOST_ATTRIBUTES: usize = 100;

/// A SKU as JSON, of a table called `s`. Its tiers come with it, so that any number of SKUs is one statement.
#[macro_export]
macro_rules! sku_json {
    () => {
        "json_build_object('id', s.id, 'spuId', s.product_id, 'skuCode', s.sku_code, 'name', s.name, 'spec', s.spec, \
         'attributes', s.attributes, 'unit', s.unit, 'isActive', s.is_active, 'priceTiers', \
         (SELECT coalesce(json_agg(json_build_object('minQty', t.min_qty, 'maxQty', t.max_qty, \
             'unitPriceFen', t.unit_price_fen) ORDER BY t.min_qty, t.id), '[]') \
          FROM catalog_price_tiers t WHERE t.sku_id = s.id))"
    };
}

/// The SKUs of a product, oldest first, each with its tiers from the smallest quantity.
///
/// # Errors
/// When the database does not answer.
pub async fn of_product(connection: impl PgExecutor<'_>, product: Uuid) -> sqlx::Result<Vec<Sku>> {
    let skus: Vec<sqlx::types::Json<Sku>> = sqlx::query_scalar(concat!(
        "SELECT ",
        sku_json!(),
        " FROM catalog_skus s WHERE s.product_id = $1 ORDER BY s.created_at, s.id LIMIT 1000"
    ))
    .bind(product)
    .fetch_all(connection)
    .await?;
    Ok(skus.into_iter().map(|sku| sku.0).collect())
}

/// SKUs by their ids; those that do not exist are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn by_ids(connection: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Sku>> {
    let skus: Vec<sqlx::types::Json<Sku>> =
        sqlx::query_scalar(concat!("SELECT ", sku_json!(), " FROM catalog_skus s WHERE s.id = ANY($1)"))
            .bind(ids)
            .fetch_all(connection)
            .await?;
    Ok(skus.into_iter().map(|sku| (sku.0.id, sku.0)).collect())
}

/// What a SKU is made of, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SkuContent {
    /// The code people write, unique in the catalogue.
    pub sku_code: Option<String>,
    /// Its name.
    pub name: String,
    /// What makes it differ from its siblings.
    pub spec: Option<String>,
    /// Further properties.
    pub attributes: BTreeMap<String, String>,
    /// Prices, from the smallest quantity.
    pub price_tiers: Vec<PriceTier>,
    /// What is counted.
    pub unit: Option<String>,
    /// Whether it can be ordered.
    pub is_active: bool,
}

/// What a request says, checked.
fn checked(request: CreateSkuRequest) -> ApiResult<SkuContent> {
    let CreateSkuRequest { sku_code, name, spec, attributes, price_tiers, unit, is_active } = request;
    let name = required("name", name, SHORT)?;
    let mut attributes = attributes.unwrap_or_default();
    if attributes.len() > MOST_ATTRIBUTES {
        return Err(ApiError::invalid("attributes supports at most 100 items"));
    }
    // Spreadsheets put the specification among the attributes; it has a column of its own.
    let spec = filled(spec).or_else(|| filled(attributes.remove("spec")));
    let price_tiers = price_tiers.unwrap_or_default();
    if price_tiers.len() > MOST_TIERS {
        return Err(ApiError::invalid("priceTiers supports at most 50 items"));
    }
    let mut price_tiers: Vec<PriceTier> = price_tiers.into_iter().map(tier).collect();
    if !price_tiers.iter().all(tiers::is_possible) {
        return Err(ApiError::invalid("invalid price tier"));
    }
    price_tiers.sort_by_key(|t| t.min_qty);
    Ok(SkuContent {
        sku_code: optional("skuCode", sku_code, SHORT)?,
        name,
        spec: optional("spec", spec, SHORT)?,
        attributes,
        price_tiers,
        unit: optional("unit", unit, SHORT)?,
        is_active: is_active.unwrap_or(true),
    })
}

fn tier(given: PriceTierInput) -> PriceTier {
    PriceTier {
        min_qty: given.min_qty.unwrap_or_default(),
        max_qty: given.max_qty,
        unit_price_fen: given.unit_price_fen.unwrap_or_default(),
    }
}

/// Adds a SKU and its tiers. Nothing when the code is taken.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    connection: &mut PgConnection,
    product: Uuid,
    content: &SkuContent,
) -> sqlx::Result<Option<Uuid>> {
    let SkuContent { sku_code, name, spec, attributes, price_tiers, unit, is_active } = content;
    let id: Option<Uuid> = sqlx::query_scalar(
        "INSERT INTO catalog_skus (product_id, sku_code, name, spec, attributes, unit, is_active, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
         ON CONFLICT (sku_code) WHERE sku_code IS NOT NULL DO NOTHING
         RETURNING id",
    )
    .bind(product)
    .bind(sku_code)
    .bind(name)
    .bind(spec)
    .bind(sqlx::types::Json(attributes))
    .bind(unit)
    .bind(is_active)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = id {
        insert_tiers(connection, id, price_tiers).await?;
    }
    Ok(id)
}

/// Adds the tiers of a SKU.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_tiers(connection: &mut PgConnection, sku: Uuid, tiers: &[PriceTier]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO catalog_price_tiers (sku_id, min_qty, max_qty, unit_price_fen)
         SELECT $1, * FROM unnest($2::integer[], $3::integer[], $4::bigint[])",
    )
    .bind(sku)
    .bind(tiers.iter().map(|t| t.min_qty).collect::<Vec<_>>())
    .bind(tiers.iter().map(|t| t.max_qty).collect::<Vec<_>>())
    .bind(tiers.iter().map(|t| t.unit_price_fen).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// `POST /catalog/products/{spuId}/skus`: the SKU and its tiers, or nothing.
///
/// # Errors
/// 401, 403, 404, 400 without a name or with an impossible tier, 409 when the code is taken.
pub async fn create(
    State(app): State<App>,
    _: Allowed<ManageProducts>,
    Path(product): Path<String>,
    Body(request): Body<CreateSkuRequest>,
) -> ApiResult<(StatusCode, Json<Sku>)> {
    let product = parameter_uuid("spuId", &product)?;
    let content = checked(request)?;
    let failed = "failed to create sku";
    let mut transaction = app.pool().begin().await.or_internal(failed)?;
    let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM catalog_products WHERE id = $1 FOR SHARE")
        .bind(product)
        .fetch_optional(&mut *transaction)
        .await
        .or_internal(failed)?;
    if known.is_none() {
        return Err(ApiError::not_found("product not found"));
    }
    let Some(id) = insert(&mut transaction, product, &content).await.or_internal(failed)? else {
        return Err(ApiError::conflict("skuCode already exists"));
    };
    transaction.commit().await.or_internal(failed)?;
    let SkuContent { sku_code, name, spec, attributes, price_tiers, unit, is_active } = content;
    let sku = Sku { id, spu_id: product, sku_code, name, spec, attributes, price_tiers, unit, is_active };
    Ok((StatusCode::CREATED, Json(sku)))
}
