//! What is said about a ticket.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use shop_kit::ApiResult;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::wire::Page;
use time::OffsetDateTime;
use uuid::Uuid;

use super::tickets;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ReadTickets;
use crate::conversation::{Conversation, MessageRow, PAGE, Say};

const MESSAGES: Conversation = Conversation {
    count: "SELECT count(*) FROM after_sales_messages WHERE ticket_id = $1",
    page: "SELECT id, ticket_id AS about, sender_type, sender_user_id, content, created_at FROM after_sales_messages
           WHERE ticket_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3",
    add: "INSERT INTO after_sales_messages (ticket_id, sender_type, sender_user_id, content) VALUES ($1, $2, $3, $4)
          RETURNING id, ticket_id AS about, sender_type, sender_user_id, content, created_at",
};

/// A message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AfterSalesMessage {
    id: Uuid,
    ticket_id: Uuid,
    sender_type: String,
    sender_user_id: Option<Uuid>,
    content: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<MessageRow> for AfterSalesMessage {
    fn from(row: MessageRow) -> Self {
        let MessageRow { id, about, sender_type, sender_user_id, content, created_at } = row;
        Self { id, ticket_id: about, sender_type, sender_user_id, content, created_at }
    }
}

/// `GET /after-sales/tickets/{ticketId}/messages`, the oldest first.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadTickets>,
    Path(id): Path<String>,
    query: QueryParams,
) -> ApiResult<Json<Page<AfterSalesMessage>>> {
    let id = parameter_uuid("ticketId", &id)?;
    let paging = query.paging(PAGE)?;
    tickets::visible(&app, &caller, id).await?;
    let (rows, total) = MESSAGES.list(app.pool(), id, paging).await?;
    Ok(Json(Page::of(rows.into_iter().map(AfterSalesMessage::from).collect(), paging, total)))
}

/// `POST /after-sales/tickets/{ticketId}/messages`: whoever may read may write, whatever the status is.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 without content.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ReadTickets>,
    Path(id): Path<String>,
    Body(request): Body<Say>,
) -> ApiResult<(StatusCode, Json<AfterSalesMessage>)> {
    let id = parameter_uuid("ticketId", &id)?;
    tickets::visible(&app, &caller, id).await?;
    let row = MESSAGES.add(app.pool(), id, &caller, request).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}
