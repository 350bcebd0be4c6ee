//! SKUs and their price tiers.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::tiers::PriceTier;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageProducts;
use crate::sql::OrFail;
use crate::text::{SHORT, filled, optional, required};

/// Price tiers that a SKU may have.
const MOST_TIERS: usize = 50;
/// Attributes that a SKU may have.
const MOST_ATTRIBUTES: usize = 100;

/// The columns of [`SkuRow`], of a table called `s`; the tiers come with them, so that any number of SKUs is one
/// statement.
#[macro_export]
macro_rules! sku_columns {
    () => {
        "s.id AS sku_id, s.product_id, s.sku_code, s.name AS sku_name, s.spec, s.attributes, s.unit, s.is_active, \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('minQty', t.min_qty, 'maxQty', t.max_qty, \
             'unitPriceFen', t.unit_price_fen) ORDER BY t.min_qty, t.id), '[]') \
          FROM catalog_price_tiers t WHERE t.sku_id = s.id) AS price_tiers"
    };
}

/// A variant of a product.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sku {
    /// Its id.
    pub id: Uuid,
    spu_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku_code: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    /// What it costs, from the smallest quantity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub price_tiers: Vec<PriceTier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Whether it can be ordered.
    pub is_active: bool,
}

/// A new SKU.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateSku {
    sku_code: Option<String>,
    name: Option<String>,
    spec: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    price_tiers: Option<Vec<PriceTier>>,
    unit: Option<String>,
    is_active: Option<bool>,
}

/// A SKU as the database has it; see [`sku_columns`](crate::sku_columns).
#[derive(Debug, FromRow)]
pub struct SkuRow {
    sku_id: Uuid,
    product_id: Uuid,
    sku_code: Option<String>,
    sku_name: String,
    spec: Option<String>,
    attributes: sqlx::types::Json<BTreeMap<String, String>>,
    unit: Option<String>,
    is_active: bool,
    price_tiers: sqlx::types::Json<Vec<PriceTier>>,
}

impl From<SkuRow> for Sku {
    fn from(row: SkuRow) -> Self {
        let SkuRow { sku_id, product_id, sku_code, sku_name, spec, attributes, unit, is_active, price_tiers } =
            row;
        Self {
            id: sku_id,
            spu_id: product_id,
            sku_code,
            name: sku_name,
            spec,
            attributes: attributes.0,
            price_tiers: price_tiers.0,
            unit,
            is_active,
        }
    }
}

/// The SKUs of a product, oldest first, each with its tiers from the smallest quantity.
///
/// # Errors
/// When the database does not answer.
pub async fn of_product(connection: impl PgExecutor<'_>, product: Uuid) -> sqlx::Result<Vec<Sku>> {
    let rows: Vec<SkuRow> = sqlx::query_as(concat!(
        "SELECT ",
        sku_columns!(),
        " FROM catalog_skus s WHERE s.product_id = $1 ORDER BY s.created_at, s.id LIMIT 1000"
    ))
    .bind(product)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Sku::from).collect())
}

/// SKUs by their ids; those that do not exist are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn by_ids(connection: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Sku>> {
    let rows: Vec<SkuRow> =
        sqlx::query_as(concat!("SELECT ", sku_columns!(), " FROM catalog_skus s WHERE s.id = ANY($1)"))
            .bind(ids)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|row| (row.sku_id, row.into())).collect())
}

/// What a SKU is made of, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl CreateSku {
    fn checked(self) -> ApiResult<SkuContent> {
        let Self { sku_code, name, spec, attributes, price_tiers, unit, is_active } = self;
        let name = required("name", name, SHORT)?;
        let mut attributes = attributes.unwrap_or_default();
        if attributes.len() > MOST_ATTRIBUTES {
            return Err(ApiError::invalid("attributes supports at most 100 items"));
        }
        // Spreadsheets put the specification among the attributes; it has a column of its own.
        let spec = filled(spec).or_else(|| filled(attributes.remove("spec")));
        let mut price_tiers = price_tiers.unwrap_or_default();
        if price_tiers.len() > MOST_TIERS {
            return Err(ApiError::invalid("priceTiers supports at most 50 items"));
        }
        if !price_tiers.iter().all(PriceTier::is_possible) {
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
    Body(request): Body<CreateSku>,
) -> ApiResult<(StatusCode, Json<Sku>)> {
    let product = parameter_uuid("spuId", &product)?;
    let content = request.checked()?;
    let failed = "failed to create sku";
    let mut transaction = app.pool().begin().await.or_fail(failed)?;
    let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM catalog_products WHERE id = $1 FOR SHARE")
        .bind(product)
        .fetch_optional(&mut *transaction)
        .await
        .or_fail(failed)?;
    if known.is_none() {
        return Err(ApiError::not_found("product not found"));
    }
    let Some(id) = insert(&mut transaction, product, &content).await.or_fail(failed)? else {
        return Err(ApiError::conflict("skuCode already exists"));
    };
    transaction.commit().await.or_fail(failed)?;
    let SkuContent { sku_code, name, spec, attributes, price_tiers, unit, is_active } = content;
    let sku = Sku { id, spu_id: product, sku_code, name, spec, attributes, price_tiers, unit, is_active };
    Ok((StatusCode::CREATED, Json(sku)))
}
