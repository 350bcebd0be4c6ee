//! Products: lists with search and filters, one with its SKUs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::wire::Page;
use shop_kit::{ApiError, ApiResult};
use sqlx::FromRow;
use uuid::Uuid;

use super::skus::{self, Sku};
use crate::app::App;
use crate::authorize::PRODUCT_MANAGE;

/// How many pictures a product may have.
const MOST_IMAGES: usize = 9;

/// A product as lists show it.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct ProductSummary {
    id: Uuid,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cover_image_url: Option<String>,
    category_id: Uuid,
    status: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// A product as its own page shows it.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    id: Uuid,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
    category_id: Uuid,
    status: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filter_dimensions: Vec<String>,
}

/// A product with its SKUs.
#[derive(Debug, Serialize)]
pub struct ProductDetail {
    product: Product,
    skus: Vec<Sku>,
}

/// A new product.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateProduct {
    name: Option<String>,
    category_id: Option<Uuid>,
    description: Option<String>,
    cover_image_url: Option<String>,
    images: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    filter_dimensions: Option<Vec<String>>,
    status: Option<String>,
}

/// `GET /catalog/products`: products on sale, newest first. Other states are for those who manage products.
///
/// # Errors
/// 400 for an unreadable parameter; 401 or 403 for another `status` than `ACTIVE`.
pub async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    query: QueryParams,
) -> ApiResult<Json<Page<ProductSummary>>> {
    let paging = query.paging(20)?;
    let category = query.uuid("categoryId")?;
    let status = match query.text("status").unwrap_or("ACTIVE") {
        "ALL" => None,
        known @ ("ACTIVE" | "INACTIVE" | "DRAFT") => Some(known),
        other => return Err(ApiError::invalid(format!("Invalid format for parameter status: `{other}`"))),
    };
    if status != Some("ACTIVE") {
        app.authorizer().require(&headers, PRODUCT_MANAGE).await?;
    }
    let (items, total) = find(&app, query.text("q"), category, status, paging.size, paging.offset())
        .await
        .or_internal("failed to list products")?;
    Ok(Json(Page::of(items, paging, total)))
}

async fn find(
    app: &App,
    q: Option<&str>,
    category: Option<Uuid>,
    status: Option<&str>,
    limit: i64,
    offset: i64,
) -> sqlx::Result<(Vec<ProductSummary>, i64)> {
    let total = sqlx::query_scalar(
        "SELECT count(*) FROM catalog_products
         WHERE ($1::text IS NULL OR name ILIKE '%' || $1 || '%')
           AND ($2::uuid IS NULL OR category_id = $2)
           AND ($3::text IS NULL OR status = $3)",
    )
    .bind(q)
    .bind(category)
    .bind(status)
    .fetch_one(app.pool())
    .await?;
    let items = sqlx::query_as(
        "SELECT id, name, cover_image_url, category_id, status, tags FROM catalog_products
         WHERE ($1::text IS NULL OR name ILIKE '%' || $1 || '%')
           AND ($2::uuid IS NULL OR category_id = $2)
           AND ($3::text IS NULL OR status = $3)
         ORDER BY array_position(ARRAY['ACTIVE', 'DRAFT', 'INACTIVE'], status), created_at DESC, id
         LIMIT $4 OFFSET $5",
    )
    .bind(q)
    .bind(category)
    .bind(status)
    .bind(limit)
    .bind(offset)
    .fetch_all(app.pool())
    .await?;
    Ok((items, total))
}

/// `GET /catalog/products/{spuId}`.
///
/// # Errors
/// 404; 401 or 403 when the product is not on sale and the caller does not manage products.
pub async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> ApiResult<Json<ProductDetail>> {
    let id = parameter_uuid("spuId", &id)?;
    let product: Option<Product> = sqlx::query_as(
        "SELECT id, name, description, images, category_id, status, filter_dimensions FROM catalog_products
         WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to load product")?;
    let Some(product) = product else { return Err(ApiError::not_found("product not found")) };
    if product.status != "ACTIVE" {
        app.authorizer().require(&headers, PRODUCT_MANAGE).await?;
    }
    let skus = skus::of_product(app.pool(), id).await.or_internal("failed to load skus")?;
    Ok(Json(ProductDetail { product, skus }))
}

/// `POST /catalog/products`.
///
/// # Errors
/// 401, 403, or 400 when something required is missing.
pub async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<CreateProduct>,
) -> ApiResult<(StatusCode, Json<ProductDetail>)> {
    app.authorizer().require(&headers, PRODUCT_MANAGE).await?;
    let name = request.name.as_deref().map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::invalid("name is required"));
    }
    let Some(category) = request.category_id else { return Err(ApiError::invalid("categoryId is required")) };
    let images = request.images.unwrap_or_default();
    if images.len() > MOST_IMAGES {
        return Err(ApiError::invalid("images supports at most 9 items"));
    }
    let status = status(request.status.as_deref())?;
    let product = sqlx::query_as(
        "INSERT INTO catalog_products
             (name, description, category_id, cover_image_url, images, tags, filter_dimensions, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         RETURNING id, name, description, images, category_id, status, filter_dimensions",
    )
    .bind(name)
    .bind(request.description)
    .bind(category)
    .bind(request.cover_image_url)
    .bind(images)
    .bind(request.tags.unwrap_or_default())
    .bind(request.filter_dimensions.unwrap_or_default())
    .bind(status)
    .fetch_one(app.pool())
    .await
    .or_internal("failed to create product")?;
    Ok((StatusCode::CREATED, Json(ProductDetail { product, skus: Vec::new() })))
}

/// A status as clients write it; new products are drafts.
fn status(text: Option<&str>) -> ApiResult<&'static str> {
    match text.map(|t| t.trim().to_ascii_uppercase()).as_deref() {
        None | Some("" | "DRAFT") => Ok("DRAFT"),
        Some("ACTIVE" | "ENABLED" | "ON_SHELF") => Ok("ACTIVE"),
        Some("INACTIVE" | "DISABLED" | "OFF_SHELF") => Ok("INACTIVE"),
        Some(_) => Err(ApiError::invalid("invalid status")),
    }
}
