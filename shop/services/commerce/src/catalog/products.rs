//! Products: lists with search and filters, one with its SKUs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use shop_kit::extract::{Body, Paging, QueryParams, parameter_uuid};
use shop_kit::wire::Page;
use shop_kit::{ApiError, ApiResult};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::skus::{self, Sku};
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageProducts;
use crate::sql::{OrFail, contains};
use crate::text::{LONG, SHORT, optional, required};

/// How many pictures a product may have.
pub const MOST_IMAGES: usize = 9;
/// How many tags or filter dimensions a product may have.
const MOST_TAGS: usize = 50;
/// How far the results of a search are counted; its `total` is no larger.
const COUNTED: i64 = 10_000;

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

/// What a list is narrowed to.
#[derive(Debug, Default)]
struct Wanted<'a> {
    q: Option<&'a str>,
    category: Option<Uuid>,
    status: Option<&'a str>,
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
        app.authorizer().require::<ManageProducts>(&headers).await?;
    }
    let wanted = Wanted { q: query.text("q"), category, status };
    let failed = "failed to list products";
    let total = count(&app, &wanted).await.or_fail(failed)?;
    let items =
        if paging.offset() < total { find(&app, &wanted, paging).await.or_fail(failed)? } else { Vec::new() };
    Ok(Json(Page::of(items, paging, total)))
}

/// How many there are: read from the counts that the database keeps, and counted when there is a search, up to
/// [`COUNTED`].
async fn count(app: &App, wanted: &Wanted<'_>) -> sqlx::Result<i64> {
    if wanted.q.is_none() {
        let mut query = QueryBuilder::new(
            "SELECT coalesce(sum(products), 0)::bigint FROM catalog_product_counts WHERE true",
        );
        if let Some(category) = wanted.category {
            query.push(" AND category_id = ").push_bind(category);
        }
        if let Some(status) = wanted.status {
            query.push(" AND status = ").push_bind(status);
        }
        return query.build_query_scalar().fetch_one(app.pool()).await;
    }
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM catalog_products WHERE true");
    narrow(&mut query, wanted);
    query.push(" LIMIT ").push_bind(COUNTED).push(") AS found");
    query.build_query_scalar().fetch_one(app.pool()).await
}

async fn find(app: &App, wanted: &Wanted<'_>, paging: Paging) -> sqlx::Result<Vec<ProductSummary>> {
    let mut query = QueryBuilder::new(
        "SELECT id, name, cover_image_url, category_id, status, tags FROM catalog_products WHERE true",
    );
    narrow(&mut query, wanted);
    query.push(" ORDER BY catalog_status_rank(status), created_at DESC, id LIMIT ").push_bind(paging.size);
    query.push(" OFFSET ").push_bind(paging.offset());
    query.build_query_as().fetch_all(app.pool()).await
}

fn narrow(query: &mut QueryBuilder<Postgres>, wanted: &Wanted<'_>) {
    let Wanted { q, category, status } = *wanted;
    if let Some(category) = category {
        query.push(" AND category_id = ").push_bind(category);
    }
    if let Some(status) = status {
        query.push(" AND catalog_status_rank(status) = catalog_status_rank(");
        query.push_bind(status.to_owned()).push(")");
    }
    if let Some(q) = q {
        query.push(" AND text_grams(name) @> text_grams_wanted(").push_bind(q.to_owned());
        query.push(") AND name ILIKE ").push_bind(contains(q));
    }
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
    .or_fail("failed to load product")?;
    let Some(product) = product else { return Err(ApiError::not_found("product not found")) };
    if product.status != "ACTIVE" {
        app.authorizer().require::<ManageProducts>(&headers).await?;
    }
    let skus = skus::of_product(app.pool(), id).await.or_fail("failed to load skus")?;
    Ok(Json(ProductDetail { product, skus }))
}

/// `POST /catalog/products`.
///
/// # Errors
/// 401, 403, or 400 when something required is missing.
pub async fn create(
    State(app): State<App>,
    _: Allowed<ManageProducts>,
    Body(request): Body<CreateProduct>,
) -> ApiResult<(StatusCode, Json<ProductDetail>)> {
    let name = required("name", request.name, SHORT)?;
    let Some(category) = request.category_id else { return Err(ApiError::invalid("categoryId is required")) };
    let images = request.images.unwrap_or_default();
    if images.len() > MOST_IMAGES {
        return Err(ApiError::invalid("images supports at most 9 items"));
    }
    let (tags, dimensions) =
        (request.tags.unwrap_or_default(), request.filter_dimensions.unwrap_or_default());
    if tags.len() > MOST_TAGS || dimensions.len() > MOST_TAGS {
        return Err(ApiError::invalid("tags and filterDimensions support at most 50 items each"));
    }
    let status = status(request.status.as_deref())?;
    let product = sqlx::query_as(
        "INSERT INTO catalog_products
             (name, description, category_id, cover_image_url, images, tags, filter_dimensions, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         RETURNING id, name, description, images, category_id, status, filter_dimensions",
    )
    .bind(name)
    .bind(optional("description", request.description, LONG)?)
    .bind(category)
    .bind(request.cover_image_url)
    .bind(images)
    .bind(tags)
    .bind(dimensions)
    .bind(status)
    .fetch_one(app.pool())
    .await
    .or_fail("failed to create product")?;
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
