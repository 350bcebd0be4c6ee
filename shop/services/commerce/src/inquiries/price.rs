//! Inquiries. They belong to the sales user whose order or customer they are about, who is also asked first.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::list::List;
use shop_kit::{ApiError, ApiResult};
use shop_wire::Change;
use shop_wire::commerce::{
    CreatePriceInquiry, PagedPriceInquiryList, PriceInquiry, PriceInquiryStatus, UpdatePriceInquiryRequest,
};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::app::App;
use crate::authorize::needs::{CreateInquiry as MayCreateInquiry, ManageInquiries, ReadInquiries};
use crate::authorize::{Allowed, Caller};
use crate::orders::read::owner_for_new;
use crate::text::{LONG, optional, required};

macro_rules! columns {
    () => {
        "id, created_by_user_id, assigned_sales_user_id, sku_id, order_id, message, status, response_note, \
         created_at, updated_at"
    };
}

const INQUIRIES: List =
    List { table: "price_inquiries", columns: columns!(), order: "created_at DESC, id", ids: None };

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
    found.or_internal("failed to load inquiry")?.ok_or_else(unknown)
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
) -> ApiResult<Json<PagedPriceInquiryList>> {
    let paging = query.paging(20)?;
    let status = query.text("status");
    let sales_user = caller.only_owned();
    let ids = sales_user.map(|_| "price_inquiries_of_sales_users").or(status.map(|_| INQUIRIES.table));
    let list = List { ids, ..INQUIRIES };
    let page = list.page(app.pool(), paging, |sql| {
        match sales_user {
            Some(id) => _ = sql.push(" AND sales_user_id = ").push_bind(id),
            None => only_visible(sql, &caller),
        }
        if let Some(status) = status {
            sql.push(" AND status = ").push_bind(status.to_owned());
        }
    });
    page.await.map(Json).or_internal("failed to list inquiries")
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
            .or_internal(failed)?;
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
    .or_internal(failed)?;
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
    Body(request): Body<UpdatePriceInquiryRequest>,
) -> ApiResult<Json<PriceInquiry>> {
    let id = parameter_uuid("inquiryId", &id)?;
    let UpdatePriceInquiryRequest { status, assigned_sales_user_id, response_note } = request;
    if status.is_keep() && assigned_sales_user_id.is_keep() && response_note.is_keep() {
        return Err(ApiError::invalid("no fields to update"));
    }
    let mut query = QueryBuilder::new("UPDATE price_inquiries SET updated_at = now()");
    if let Change::Set(status) = status {
        let status: PriceInquiryStatus = status.parse().map_err(|_| ApiError::invalid("invalid status"))?;
        query.push(", status = ").push_bind(status);
    }
    if let Some(sales) = assigned_sales_user_id.wanted() {
        query.push(", assigned_sales_user_id = ").push_bind(sales);
    }
    if let Some(note) = response_note.wanted() {
        query.push(", response_note = ").push_bind(optional("responseNote", note, LONG)?);
    }
    query.push(" WHERE id = ").push_bind(id);
    only_visible(&mut query, &caller);
    query.push(concat!(" RETURNING ", columns!()));
    let changed = query.build_query_as().fetch_optional(app.pool()).await;
    changed.or_internal("failed to update inquiry")?.map(Json).ok_or_else(unknown)
}
