//! Products: lists with search and filters, one with its SKUs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, QueryParams, contains_pattern, parameter_uuid};
use shop_kit::list::List;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{
    CreateCatalogProductRequest, PagedProductList, ProductDetail, ProductDetailProduct, ProductStatus,
};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::skus;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ManageProducts;
use crate::text::{LONG, SHORT, optional, required};

/// How many pictures a product may have.
pub const MOST_IMAGES: usize = 9;
/// How many tags or filter dimensions a product may have.
const MOST_TAGS: usize = 50;

const PRODUCTS: List = List {
    table: "catalog_products",
    columns: "id, name, cover_image_url, category_id, status, tags",
    order: "catalog_status_rank(status), created_at DESC, id",
    ids: None,
};

/// What a list is narrowed to.
#[derive(Debug)]
struct Wanted<'a> {
    q: Option<&'a str>,
    category: Option<Uuid>,
    status: Option<ProductStatus>,
}

impl Wanted<'_> {
    fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        let Self { q, category, status } = *self;
        if let Some(category) = category {
            query.push(" AND category_id = ").push_bind(category);
        }
        if let Some(status) = status {
            query.push(" AND catalog_status_rank(status) = catalog_status_rank(").push_bind(status).push(")");
        }
        if let Some(q) = q {
            query.push(" AND text_grams(name) @> text_grams_wanted(").push_bind(q.to_owned());
            query.push(") AND name ILIKE ").push_bind(contains_pattern(q));
        }
    }
}

/// `GET /catalog/products`: products on sale, newest first. Other states are for those who manage products.
///
/// # Errors
/// 400 for an unreadable parameter; 401 or 403 for another `status` than `ACTIVE`.
pub async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    query: QueryParams,
) -> ApiResult<Json<PagedProductList>> {
    let paging = query.paging(20)?;
    let wanted =
        Wanted { q: query.text("q"), category: query.uuid("categoryId")?, status: status_of(&query)? };
    if wanted.status != Some(ProductStatus::Active) {
        app.authorizer().require::<ManageProducts>(&headers).await?;
    }
    let failed = "failed to list products";
    let mut connection = app.pool().acquire().await.or_internal(failed)?;
    let total = match wanted.q {
        Some(_) => PRODUCTS.count(&mut connection, paging, |sql| wanted.narrow(sql)).await,
        None => count(&mut connection, &wanted).await,
    };
    let total = total.or_internal(failed)?;
    let items =
        PRODUCTS.rows(&mut connection, paging, total, |sql| wanted.narrow(sql)).await.or_internal(failed)?;
    Ok(Json(PagedProductList::of(items, paging, total)))
}

/// The status that is asked for; nothing is all of them.
fn status_of(query: &QueryParams) -> ApiResult<Option<ProductStatus>> {
    let refuse = |other: &str| ApiError::invalid(format!("Invalid format for parameter status: `{other}`"));
    match query.text("status").unwrap_or("ACTIVE") {
        "ALL" => Ok(None),
        text => text.parse().map(Some).map_err(|_| refuse(text)),
    }
}

/// How many there are when nothing is searched: read from the counts that the database keeps.
async fn count(connection: &mut PgConnection, wanted: &Wanted<'_>) -> sqlx::Result<i64> {
    let mut query =
        QueryBuilder::new("SELECT coalesce(sum(products), 0)::bigint FROM catalog_product_counts WHERE true");
    if let Some(category) = wanted.category {
        query.push(" AND category_id = ").push_bind(category);
    }
    if let Some(status) = wanted.status {
        query.push(" AND status = ").push_bind(status);
    }
    query.build_query_scalar().fetch_one(connection).await
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
    let product: Option<ProductDetailProduct> = sqlx::query_as(
        "SELECT id, name, description, images, category_id, status, filter_dimensions FROM catalog_products
         WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to load product")?;
    let Some(product) = product else { return Err(ApiError::not_found("product not found")) };
    if product.status != ProductStatus::Active {
        app.authorizer().require::<ManageProducts>(&headers).await?;
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
    _: Allowed<ManageProducts>,
    Body(request): Body<CreateCatalogProductRequest>,
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
    .or_internal("failed to create product")?;
    Ok((StatusCode::CREATED, Json(ProductDetail { product, skus: Vec::new() })))
}

/// A status as clients write it; new products are drafts.
fn status(text: Option<&str>) -> ApiResult<ProductStatus> {
    match text.map(|t| t.trim().to_ascii_uppercase()).as_deref() {
        None | Some("" | "DRAFT") => Ok(ProductStatus::Draft),
        Some("ACTIVE" | "ENABLED" | "ON_SHELF") => Ok(ProductStatus::Active),
        Some("INACTIVE" | "DISABLED" | "OFF_SHELF") => Ok(ProductStatus::Inactive),
        Some(_) => Err(ApiError::invalid("invalid status")),
    }
}
