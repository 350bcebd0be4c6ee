//! Products that customers miss.

pub mod assets;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, QueryParams, contains_pattern};
use shop_kit::list::List;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::{CreateProductRequest, PagedProductRequestList, ProductRequest};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::{CreateRequest as MayCreateRequest, ReadRequests};
use crate::text::{LONG, SHORT, optional, required};

/// Pictures of a request.
const MOST_IMAGES: usize = 20;

macro_rules! columns {
    () => {
        "id, created_by_user_id, name, category_id, spec, material, dimensions, color, qty, note, \
         reference_image_urls, created_at"
    };
}

const REQUESTS: List =
    List { table: "product_requests", columns: columns!(), order: "created_at DESC, id", ids: None };

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
) -> ApiResult<Json<PagedProductRequestList>> {
    let paging = query.paging(20)?;
    let (after, before) = (moment(&query, "createdAfter")?, moment(&query, "createdBefore")?);
    let page = REQUESTS.page(app.pool(), paging, |sql| {
        caller.narrow(sql);
        if let Some(after) = after {
            sql.push(" AND created_at >= ").push_bind(after);
        }
        if let Some(before) = before {
            sql.push(" AND created_at <= ").push_bind(before);
        }
        if let Some(q) = query.text("q") {
            sql.push(" AND text_grams(name) @> text_grams_wanted(").push_bind(q.to_owned());
            sql.push(") AND name ILIKE ").push_bind(contains_pattern(q));
        }
    });
    page.await.map(Json).or_internal("failed to list product requests")
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
                .or_internal(failed)?;
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
    .or_internal(failed)?;
    Ok((StatusCode::CREATED, Json(made)))
}
