//! SKUs and their price tiers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::app::App;
use crate::authorize::PRODUCT_MANAGE;

/// A variant of a product.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sku {
    id: Uuid,
    spu_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku_code: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    price_tiers: Vec<PriceTier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    is_active: bool,
}

/// The price of one unit, in fen, for quantities from `minQty` to `maxQty` (open when null).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, FromRow)]
#[serde(rename_all = "camelCase", default)]
pub struct PriceTier {
    min_qty: i32,
    max_qty: Option<i32>,
    unit_price_fen: i64,
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

#[derive(FromRow)]
struct SkuRow {
    id: Uuid,
    product_id: Uuid,
    sku_code: Option<String>,
    name: String,
    spec: Option<String>,
    attributes: sqlx::types::Json<BTreeMap<String, String>>,
    unit: Option<String>,
    is_active: bool,
}

impl SkuRow {
    fn with(self, price_tiers: Vec<PriceTier>) -> Sku {
        let Self { id, product_id, sku_code, name, spec, attributes, unit, is_active } = self;
        Sku {
            id,
            spu_id: product_id,
            sku_code,
            name,
            spec,
            attributes: attributes.0,
            price_tiers,
            unit,
            is_active,
        }
    }
}

/// The SKUs of a product, oldest first, each with its tiers from the smallest quantity.
///
/// # Errors
/// When the database does not answer.
pub async fn of_product(pool: &PgPool, product: Uuid) -> sqlx::Result<Vec<Sku>> {
    #[derive(FromRow)]
    struct Tier {
        sku_id: Uuid,
        #[sqlx(flatten)]
        tier: PriceTier,
    }
    let rows: Vec<SkuRow> = sqlx::query_as(
        "SELECT id, product_id, sku_code, name, spec, attributes, unit, is_active FROM catalog_skus
         WHERE product_id = $1 ORDER BY created_at, id",
    )
    .bind(product)
    .fetch_all(pool)
    .await?;
    let tiers: Vec<Tier> = sqlx::query_as(
        "SELECT t.sku_id, t.min_qty, t.max_qty, t.unit_price_fen
         FROM catalog_price_tiers t JOIN catalog_skus s ON s.id = t.sku_id
         WHERE s.product_id = $1 ORDER BY t.min_qty",
    )
    .bind(product)
    .fetch_all(pool)
    .await?;
    let mut by_sku: BTreeMap<Uuid, Vec<PriceTier>> = BTreeMap::new();
    for Tier { sku_id, tier } in tiers {
        by_sku.entry(sku_id).or_default().push(tier);
    }
    Ok(rows
        .into_iter()
        .map(|row| (by_sku.remove(&row.id).unwrap_or_default(), row))
        .map(|(t, row)| row.with(t))
        .collect())
}

/// `POST /catalog/products/{spuId}/skus`: the SKU and its tiers, or nothing.
///
/// # Errors
/// 401, 403, 404, 400 without a name or with an impossible tier, 409 when the code is taken.
pub async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Path(product): Path<String>,
    Body(request): Body<CreateSku>,
) -> ApiResult<(StatusCode, Json<Sku>)> {
    app.authorizer().require(&headers, PRODUCT_MANAGE).await?;
    let product = parameter_uuid("spuId", &product)?;
    let name = request.name.as_deref().map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::invalid("name is required"));
    }
    let mut attributes = request.attributes.unwrap_or_default();
    // Spreadsheets put the specification among the attributes; it has a column of its own.
    let spec = filled(request.spec).or_else(|| filled(attributes.remove("spec")));
    let mut tiers = request.price_tiers.unwrap_or_default();
    if tiers
        .iter()
        .any(|t| t.min_qty < 1 || t.unit_price_fen < 0 || t.max_qty.is_some_and(|max| max < t.min_qty))
    {
        return Err(ApiError::invalid("invalid price tier"));
    }
    tiers.sort_by_key(|t| t.min_qty);

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
    let row: Option<SkuRow> = sqlx::query_as(
        "INSERT INTO catalog_skus (product_id, sku_code, name, spec, attributes, unit, is_active)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (sku_code) WHERE sku_code IS NOT NULL DO NOTHING
         RETURNING id, product_id, sku_code, name, spec, attributes, unit, is_active",
    )
    .bind(product)
    .bind(filled(request.sku_code))
    .bind(name)
    .bind(spec)
    .bind(sqlx::types::Json(&attributes))
    .bind(filled(request.unit))
    .bind(request.is_active.unwrap_or(true))
    .fetch_optional(&mut *transaction)
    .await
    .or_internal(failed)?;
    let Some(row) = row else { return Err(ApiError::conflict("skuCode already exists")) };
    for tier in &tiers {
        sqlx::query(
            "INSERT INTO catalog_price_tiers (sku_id, min_qty, max_qty, unit_price_fen) VALUES ($1, $2, $3, $4)",
        )
        .bind(row.id)
        .bind(tier.min_qty)
        .bind(tier.max_qty)
        .bind(tier.unit_price_fen)
        .execute(&mut *transaction)
        .await
        .or_internal(failed)?;
    }
    transaction.commit().await.or_internal(failed)?;
    Ok((StatusCode::CREATED, Json(row.with(tiers))))
}

fn filled(text: Option<String>) -> Option<String> {
    text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}
