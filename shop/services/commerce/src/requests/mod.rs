//! Products that customers miss.

pub mod assets;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use shop_kit::extract::{Body, QueryParams};
use shop_kit::wire::Page;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::CreateProductRequest;
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::{CreateRequest as MayCreateRequest, ReadRequests};
use crate::sql::{OrFail, contains};
use crate::text::{LONG, SHORT, optional, required};

/// Pictures of a request.
const MOST_IMAGES: usize = 20;

/// A product that somebody misses.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct ProductRequest {
    id: Uuid,
    created_by_user_id: Uuid,
    name: String,
    category_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    material: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    reference_image_urls: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

macro_rules! columns {
    () => {
        "id, created_by_user_id, name, category_id, spec, material, dimensions, color, qty, note, \
         reference_image_urls, created_at"
    };
}

fn moment(query: &QueryParams, name: &str) -> ApiResult<Option<OffsetDateTime>> {
    // A plus that was not escaped arrives as a blank.
    let parse = |text: &str| {
        OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339)
            .ok()
            .and_then(|time| time.checked_to_offset(time::UtcOffset::UTC))
            .ok_or_else(|| {
                ApiError::invalid(format!("Invalid format for parameter {name}: not an RFC 3339 time"))
            })
    };
    query.text(name).map(parse).transpose()
}

/// `GET /product-requests`, newest first. Customers see their own, sales users those of their customers.
///
/// # Errors
/// 401, 403, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadRequests>,
    query: QueryParams,
) -> ApiResult<Json<Page<ProductRequest>>> {
    let paging = query.paging(20)?;
    let (after, before) = (moment(&query, "createdAfter")?, moment(&query, "createdBefore")?);
    let narrow = |sql: &mut QueryBuilder<Postgres>| {
        if let Some(id) = caller.only_own() {
            sql.push(" AND created_by_user_id = ").push_bind(id);
        }
        if let Some(id) = caller.only_owned() {
            sql.push(" AND owner_sales_user_id = ").push_bind(id);
        }
        if let Some(after) = after {
            sql.push(" AND created_at >= ").push_bind(after);
        }
        if let Some(before) = before {
            sql.push(" AND created_at <= ").push_bind(before);
        }
        if let Some(q) = query.text("q") {
            sql.push(" AND text_grams(name) @> text_grams_wanted(").push_bind(q.to_owned());
            sql.push(") AND name ILIKE ").push_bind(contains(q));
        }
    };
    let failed = "failed to list product requests";
    let mut count = QueryBuilder::new("SELECT count(*) FROM product_requests WHERE true");
    narrow(&mut count);
    let total = count.build_query_scalar().fetch_one(app.pool()).await.or_fail(failed)?;
    let mut page = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM product_requests WHERE true"));
    narrow(&mut page);
    page.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(paging.size);
    page.push(" OFFSET ").push_bind(paging.offset());
    let items = page.build_query_as().fetch_all(app.pool()).await.or_fail(failed)?;
    Ok(Json(Page::of(items, paging, total)))
}

/// `POST /product-requests`.
///
/// # Errors
/// 401, 403, 400 without a name or with a category that does not exist.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<MayCreateRequest>,
    Body(request): Body<CreateProductRequest>,
) -> ApiResult<(StatusCode, Json<ProductRequest>)> {
    let name = required("name", request.name, SHORT)?;
    let images = request.reference_image_urls.unwrap_or_default();
    if images.len() > MOST_IMAGES || images.iter().any(|url| url.chars().count() > 2000) {
        return Err(ApiError::invalid("referenceImageUrls supports at most 20 items of 2000 characters"));
    }
    let failed = "failed to create product request";
    if let Some(category) = request.category_id {
        let known: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM catalog_categories WHERE id = $1)")
                .bind(category)
                .fetch_one(app.pool())
                .await
                .or_fail(failed)?;
        if !known {
            return Err(ApiError::invalid("categoryId does not exist"));
        }
    }
    let made = sqlx::query_as(concat!(
        "INSERT INTO product_requests (created_by_user_id, owner_sales_user_id, name, category_id, spec, material,
             dimensions, color, qty, note, reference_image_urls)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ",
        columns!()
    ))
    .bind(caller.id)
    .bind(caller.owner_of_new())
    .bind(name)
    .bind(request.category_id)
    .bind(optional("spec", request.spec, LONG)?)
    .bind(optional("material", request.material, SHORT)?)
    .bind(optional("dimensions", request.dimensions, SHORT)?)
    .bind(optional("color", request.color, SHORT)?)
    .bind(optional("qty", request.qty, SHORT)?)
    .bind(optional("note", request.note, LONG)?)
    .bind(images)
    .fetch_one(app.pool())
    .await
    .or_fail(failed)?;
    Ok((StatusCode::CREATED, Json(made)))
}
