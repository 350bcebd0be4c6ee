//! What is said about a ticket.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::ApiResult;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_wire::commerce::{AfterSalesMessage, CreateTicketMessage, PagedAfterSalesMessageList};

use super::tickets;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ReadTickets;
use crate::conversation::{Conversation, PAGE};

const MESSAGES: Conversation = Conversation {
    table: "after_sales_messages",
    about: "ticket_id",
    columns: "id, ticket_id, sender_type, sender_user_id, content, created_at",
};

/// `GET /after-sales/tickets/{ticketId}/messages`, the oldest first.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadTickets>,
    Path(id): Path<String>,
    query: QueryParams,
) -> ApiResult<Json<PagedAfterSalesMessageList>> {
    let id = parameter_uuid("ticketId", &id)?;
    let paging = query.paging(PAGE)?;
    tickets::visible(&app, &caller, id).await?;
    MESSAGES.list(app.pool(), id, paging).await.map(Json)
}

/// `POST /after-sales/tickets/{ticketId}/messages`: whoever may read may write, whatever the status is.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 without content.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ReadTickets>,
    Path(id): Path<String>,
    Body(request): Body<CreateTicketMessage>,
) -> ApiResult<(StatusCode, Json<AfterSalesMessage>)> {
    let id = parameter_uuid("ticketId", &id)?;
    tickets::visible(&app, &caller, id).await?;
    let message = MESSAGES.add(app.pool(), id, &caller, request.content).await?;
    Ok((StatusCode::CREATED, Json(message)))
}
