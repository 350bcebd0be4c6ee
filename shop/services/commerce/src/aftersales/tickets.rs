//! Tickets. They belong to the sales user whose order or customer they are about.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::list::List;
use shop_kit::{ApiError, ApiResult};
use shop_wire::Change;
use shop_wire::commerce::{
    AfterSalesTicket, CreateAfterSalesTicket, PagedAfterSalesTicketList, TicketStatus,
    UpdateAfterSalesTicketRequest,
};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::needs::{CreateTicket as MayCreateTicket, ManageTickets, ReadTickets};
use crate::authorize::{Allowed, Caller};
use crate::orders::read::owner_for_new;
use crate::text::{LONG, SHORT, required};

/// Attachments of a ticket.
const MOST_ATTACHMENTS: usize = 20;
macro_rules! columns {
    () => {
        "id, status, order_id, assigned_staff_user_id, subject, description, created_at, updated_at"
    };
}

const TICKETS: List =
    List { table: "after_sales_tickets", columns: columns!(), order: "created_at DESC, id", ids: None };

/// A ticket that the caller may see.
///
/// # Errors
/// 404 for others.
pub async fn visible(app: &App, caller: &Caller, id: Uuid) -> ApiResult<AfterSalesTicket> {
    let mut query =
        QueryBuilder::new(concat!("SELECT ", columns!(), " FROM after_sales_tickets WHERE id = "));
    query.push_bind(id);
    caller.narrow(&mut query);
    let found = query.build_query_as().fetch_optional(app.pool()).await;
    found.or_internal("failed to load after-sales ticket")?.ok_or_else(unknown)
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
) -> ApiResult<Json<PagedAfterSalesTicketList>> {
    let paging = query.paging(20)?;
    let order = query.uuid("orderId")?;
    let status = query.text("status");
    let list = List { ids: status.map(|_| TICKETS.table), ..TICKETS };
    let page = list.page(app.pool(), paging, |sql| {
        caller.narrow(sql);
        if let Some(order) = order {
            sql.push(" AND order_id = ").push_bind(order);
        }
        if let Some(status) = status {
            sql.push(" AND status = ").push_bind(status.to_owned());
        }
    });
    page.await.map(Json).or_internal("failed to list after-sales tickets")
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
    .or_internal("failed to create after-sales ticket")?;
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
    Body(request): Body<UpdateAfterSalesTicketRequest>,
) -> ApiResult<Json<AfterSalesTicket>> {
    let id = parameter_uuid("ticketId", &id)?;
    let UpdateAfterSalesTicketRequest { status, assigned_staff_user_id } = request;
    if status.is_keep() && assigned_staff_user_id.is_keep() {
        return Err(ApiError::invalid("no fields to update"));
    }
    let mut query = QueryBuilder::new("UPDATE after_sales_tickets SET updated_at = now()");
    if let Change::Set(status) = status {
        let status: TicketStatus = status.parse().map_err(|_| ApiError::invalid("invalid status"))?;
        query.push(", status = ").push_bind(status);
    }
    if let Some(staff) = assigned_staff_user_id.wanted() {
        query.push(", assigned_staff_user_id = ").push_bind(staff);
    }
    query.push(" WHERE id = ").push_bind(id);
    caller.narrow(&mut query);
    query.push(concat!(" RETURNING ", columns!()));
    let changed = query.build_query_as().fetch_optional(app.pool()).await;
    changed.or_internal("failed to update after-sales ticket")?.map(Json).ok_or_else(unknown)
}
