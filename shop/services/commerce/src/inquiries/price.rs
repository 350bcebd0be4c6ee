//! Inquiries. They belong to the sales user whose order or customer they are about, who is also asked first.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::wire::Page;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::CreatePriceInquiry;
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::needs::{CreateInquiry as MayCreateInquiry, ManageInquiries, ReadInquiries};
use crate::authorize::{Allowed, Caller};
use crate::catalog::categories::present;
use crate::orders::read::owner_for_new;
use crate::sql::OrFail;
use crate::text::{LONG, optional, required};

/// What an inquiry may be.
const STATUSES: [&str; 3] = ["OPEN", "RESPONDED", "CLOSED"];

/// An inquiry.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct PriceInquiry {
    id: Uuid,
    created_by_user_id: Uuid,
    assigned_sales_user_id: Option<Uuid>,
    sku_id: Option<Uuid>,
    order_id: Option<Uuid>,
    message: String,
    status: String,
    response_note: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

macro_rules! columns {
    () => {
        "id, created_by_user_id, assigned_sales_user_id, sku_id, order_id, message, status, response_note, \
         created_at, updated_at"
    };
}

/// What changes about an inquiry; a null takes something away.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateInquiry {
    #[serde(deserialize_with = "present")]
    status: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    assigned_sales_user_id: Option<Option<Uuid>>,
    #[serde(deserialize_with = "present")]
    response_note: Option<Option<String>>,
}

fn only_visible(query: &mut QueryBuilder<Postgres>, caller: &Caller) {
    if let Some(id) = caller.only_own() {
        query.push(" AND created_by_user_id = ").push_bind(id);
    }
    if let Some(id) = caller.only_owned() {
        query.push(" AND (owner_sales_user_id = ").push_bind(id);
        query.push(" OR assigned_sales_user_id = ").push_bind(id).push(")");
    }
}

/// An inquiry that the caller may see.
///
/// # Errors
/// 404 for others.
pub async fn visible(app: &App, caller: &Caller, id: Uuid) -> ApiResult<PriceInquiry> {
    let mut query = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM price_inquiries WHERE id = "));
    query.push_bind(id);
    only_visible(&mut query, caller);
    let found = query.build_query_as().fetch_optional(app.pool()).await;
    found.or_fail("failed to load inquiry")?.ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::not_found("inquiry not found")
}

/// `GET /inquiries/price`, newest first.
///
/// # Errors
/// 401, 403, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadInquiries>,
    query: QueryParams,
) -> ApiResult<Json<Page<PriceInquiry>>> {
    let paging = query.paging(20)?;
    let narrow = |sql: &mut QueryBuilder<Postgres>| {
        only_visible(sql, &caller);
        if let Some(status) = query.text("status") {
            sql.push(" AND status = ").push_bind(status.to_owned());
        }
    };
    let failed = "failed to list inquiries";
    let mut count = QueryBuilder::new("SELECT count(*) FROM price_inquiries WHERE true");
    narrow(&mut count);
    let total = count.build_query_scalar().fetch_one(app.pool()).await.or_fail(failed)?;
    let mut page = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM price_inquiries WHERE true"));
    narrow(&mut page);
    page.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(paging.size);
    page.push(" OFFSET ").push_bind(paging.offset());
    let items = page.build_query_as().fetch_all(app.pool()).await.or_fail(failed)?;
    Ok(Json(Page::of(items, paging, total)))
}

/// `POST /inquiries/price`.
///
/// # Errors
/// 401, 403, 400 without a message or with a SKU that is not sold, 404 for an order that the caller may not see.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<MayCreateInquiry>,
    Body(request): Body<CreatePriceInquiry>,
) -> ApiResult<(StatusCode, Json<PriceInquiry>)> {
    let message = required("message", request.message, LONG)?;
    let failed = "failed to create inquiry";
    if let Some(sku) = request.sku_id {
        let active: Option<bool> = sqlx::query_scalar("SELECT is_active FROM catalog_skus WHERE id = $1")
            .bind(sku)
            .fetch_optional(app.pool())
            .await
            .or_fail(failed)?;
        match active {
            None => return Err(ApiError::invalid("invalid skuId")),
            Some(false) => return Err(ApiError::invalid("sku is inactive")),
            Some(true) => {}
        }
    }
    let owner = owner_for_new(&app, &caller, request.order_id).await?;
    let inquiry = sqlx::query_as(concat!(
        "INSERT INTO price_inquiries
             (created_by_user_id, owner_sales_user_id, assigned_sales_user_id, sku_id, order_id, message)
         VALUES ($1, $2, $2, $3, $4, $5) RETURNING ",
        columns!()
    ))
    .bind(caller.id)
    .bind(owner)
    .bind(request.sku_id)
    .bind(request.order_id)
    .bind(message)
    .fetch_one(app.pool())
    .await
    .or_fail(failed)?;
    Ok((StatusCode::CREATED, Json(inquiry)))
}

/// `GET /inquiries/price/{inquiryId}`.
///
/// # Errors
/// 401, 403, 404 also when the inquiry is not for this caller.
pub async fn show(
    State(app): State<App>,
    caller: Allowed<ReadInquiries>,
    Path(id): Path<String>,
) -> ApiResult<Json<PriceInquiry>> {
    visible(&app, &caller, parameter_uuid("inquiryId", &id)?).await.map(Json)
}

/// `PATCH /inquiries/price/{inquiryId}`: any status can follow any other.
///
/// # Errors
/// 401, 403, 404, 400 when nothing changes or the status is none.
pub async fn update(
    State(app): State<App>,
    caller: Allowed<ManageInquiries>,
    Path(id): Path<String>,
    Body(request): Body<UpdateInquiry>,
) -> ApiResult<Json<PriceInquiry>> {
    let id = parameter_uuid("inquiryId", &id)?;
    let UpdateInquiry { status, assigned_sales_user_id, response_note } = request;
    if status.is_none() && assigned_sales_user_id.is_none() && response_note.is_none() {
        return Err(ApiError::invalid("no fields to update"));
    }
    let mut query = QueryBuilder::new("UPDATE price_inquiries SET updated_at = now()");
    if let Some(status) = status.flatten() {
        if !STATUSES.contains(&status.as_str()) {
            return Err(ApiError::invalid("invalid status"));
        }
        query.push(", status = ").push_bind(status);
    }
    if let Some(sales) = assigned_sales_user_id {
        query.push(", assigned_sales_user_id = ").push_bind(sales);
    }
    if let Some(note) = response_note {
        query.push(", response_note = ").push_bind(optional("responseNote", note, LONG)?);
    }
    query.push(" WHERE id = ").push_bind(id);
    only_visible(&mut query, &caller);
    query.push(concat!(" RETURNING ", columns!()));
    let changed = query.build_query_as().fetch_optional(app.pool()).await;
    changed.or_fail("failed to update inquiry")?.map(Json).ok_or_else(unknown)
}
