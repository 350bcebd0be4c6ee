//! Tickets. They belong to the sales user whose order or customer they are about.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::wire::Page;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::CreateAfterSalesTicket;
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::needs::{CreateTicket as MayCreateTicket, ManageTickets, ReadTickets};
use crate::authorize::{Allowed, Caller};
use crate::catalog::categories::present;
use crate::orders::read::owner_for_new;
use crate::sql::OrFail;
use crate::text::{LONG, SHORT, required};

/// Attachments of a ticket.
const MOST_ATTACHMENTS: usize = 20;
/// What a ticket may be.
const STATUSES: [&str; 4] = ["OPEN", "IN_PROGRESS", "RESOLVED", "CLOSED"];

/// A ticket.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct AfterSalesTicket {
    id: Uuid,
    status: String,
    order_id: Option<Uuid>,
    assigned_staff_user_id: Option<Uuid>,
    subject: String,
    description: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

macro_rules! columns {
    () => {
        "id, status, order_id, assigned_staff_user_id, subject, description, created_at, updated_at"
    };
}

/// What changes about a ticket; a null takes it from whoever had it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateTicket {
    #[serde(deserialize_with = "present")]
    status: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    assigned_staff_user_id: Option<Option<Uuid>>,
}

fn only_visible(query: &mut QueryBuilder<Postgres>, caller: &Caller) {
    if let Some(id) = caller.only_own() {
        query.push(" AND created_by_user_id = ").push_bind(id);
    }
    if let Some(id) = caller.only_owned() {
        query.push(" AND owner_sales_user_id = ").push_bind(id);
    }
}

/// A ticket that the caller may see.
///
/// # Errors
/// 404 for others.
pub async fn visible(app: &App, caller: &Caller, id: Uuid) -> ApiResult<AfterSalesTicket> {
    let mut query =
        QueryBuilder::new(concat!("SELECT ", columns!(), " FROM after_sales_tickets WHERE id = "));
    query.push_bind(id);
    only_visible(&mut query, caller);
    let found = query.build_query_as().fetch_optional(app.pool()).await;
    found.or_fail("failed to load after-sales ticket")?.ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::not_found("after-sales ticket not found")
}

/// `GET /after-sales/tickets`, newest first.
///
/// # Errors
/// 401, 403, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadTickets>,
    query: QueryParams,
) -> ApiResult<Json<Page<AfterSalesTicket>>> {
    let paging = query.paging(20)?;
    let order = query.uuid("orderId")?;
    let narrow = |sql: &mut QueryBuilder<Postgres>| {
        only_visible(sql, &caller);
        if let Some(order) = order {
            sql.push(" AND order_id = ").push_bind(order);
        }
        if let Some(status) = query.text("status") {
            sql.push(" AND status = ").push_bind(status.to_owned());
        }
    };
    let failed = "failed to list after-sales tickets";
    let mut count = QueryBuilder::new("SELECT count(*) FROM after_sales_tickets WHERE true");
    narrow(&mut count);
    let total = count.build_query_scalar().fetch_one(app.pool()).await.or_fail(failed)?;
    let mut page = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM after_sales_tickets WHERE true"));
    narrow(&mut page);
    page.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(paging.size);
    page.push(" OFFSET ").push_bind(paging.offset());
    let items = page.build_query_as().fetch_all(app.pool()).await.or_fail(failed)?;
    Ok(Json(Page::of(items, paging, total)))
}

/// `POST /after-sales/tickets`.
///
/// # Errors
/// 401, 403, 400 when something is missing, 404 for an order that the caller may not see.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<MayCreateTicket>,
    Body(request): Body<CreateAfterSalesTicket>,
) -> ApiResult<(StatusCode, Json<AfterSalesTicket>)> {
    let subject = required("subject", request.subject, SHORT)?;
    let description = required("description", request.description, LONG)?;
    let attachments = request.attachments.unwrap_or_default();
    if attachments.len() > MOST_ATTACHMENTS || attachments.iter().any(|a| a.chars().count() > 2000) {
        return Err(ApiError::invalid("attachments supports at most 20 items of 2000 characters"));
    }
    let owner = owner_for_new(&app, &caller, request.order_id).await?;
    let ticket = sqlx::query_as(concat!(
        "INSERT INTO after_sales_tickets
             (order_id, created_by_user_id, owner_sales_user_id, subject, description, attachments)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING ",
        columns!()
    ))
    .bind(request.order_id)
    .bind(caller.id)
    .bind(owner)
    .bind(subject)
    .bind(description)
    .bind(attachments)
    .fetch_one(app.pool())
    .await
    .or_fail("failed to create after-sales ticket")?;
    Ok((StatusCode::CREATED, Json(ticket)))
}

/// `GET /after-sales/tickets/{ticketId}`.
///
/// # Errors
/// 401, 403, 404 also when the ticket is not for this caller.
pub async fn show(
    State(app): State<App>,
    caller: Allowed<ReadTickets>,
    Path(id): Path<String>,
) -> ApiResult<Json<AfterSalesTicket>> {
    visible(&app, &caller, parameter_uuid("ticketId", &id)?).await.map(Json)
}

/// `PATCH /after-sales/tickets/{ticketId}`: any status can follow any other.
///
/// # Errors
/// 401, 403, 404, 400 when nothing changes or the status is none.
pub async fn update(
    State(app): State<App>,
    caller: Allowed<ManageTickets>,
    Path(id): Path<String>,
    Body(request): Body<UpdateTicket>,
) -> ApiResult<Json<AfterSalesTicket>> {
    let id = parameter_uuid("ticketId", &id)?;
    let UpdateTicket { status, assigned_staff_user_id } = request;
    if status.is_none() && assigned_staff_user_id.is_none() {
        return Err(ApiError::invalid("no fields to update"));
    }
    let mut query = QueryBuilder::new("UPDATE after_sales_tickets SET updated_at = now()");
    if let Some(status) = status.flatten() {
        if !STATUSES.contains(&status.as_str()) {
            return Err(ApiError::invalid("invalid status"));
        }
        query.push(", status = ").push_bind(status);
    }
    if let Some(staff) = assigned_staff_user_id {
        query.push(", assigned_staff_user_id = ").push_bind(staff);
    }
    query.push(" WHERE id = ").push_bind(id);
    only_visible(&mut query, &caller);
    query.push(concat!(" RETURNING ", columns!()));
    let changed = query.build_query_as().fetch_optional(app.pool()).await;
    changed.or_fail("failed to update after-sales ticket")?.map(Json).ok_or_else(unknown)
}
