//! What is said about an inquiry.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use shop_kit::ApiResult;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_kit::wire::Page;
use time::OffsetDateTime;
use uuid::Uuid;

use super::price;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ReadInquiries;
use crate::conversation::{Conversation, MessageRow, PAGE, Say};

const MESSAGES: Conversation = Conversation {
    count: "SELECT count(*) FROM inquiry_messages WHERE inquiry_id = $1",
    page: "SELECT id, inquiry_id AS about, sender_type, sender_user_id, content, created_at FROM inquiry_messages
           WHERE inquiry_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3",
    add: "INSERT INTO inquiry_messages (inquiry_id, sender_type, sender_user_id, content) VALUES ($1, $2, $3, $4)
          RETURNING id, inquiry_id AS about, sender_type, sender_user_id, content, created_at",
};

/// A message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InquiryMessage {
    id: Uuid,
    inquiry_id: Uuid,
    sender_type: String,
    sender_user_id: Option<Uuid>,
    content: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<MessageRow> for InquiryMessage {
    fn from(row: MessageRow) -> Self {
        let MessageRow { id, about, sender_type, sender_user_id, content, created_at } = row;
        Self { id, inquiry_id: about, sender_type, sender_user_id, content, created_at }
    }
}

/// `GET /inquiries/price/{inquiryId}/messages`, the oldest first.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadInquiries>,
    Path(id): Path<String>,
    query: QueryParams,
) -> ApiResult<Json<Page<InquiryMessage>>> {
    let id = parameter_uuid("inquiryId", &id)?;
    let paging = query.paging(PAGE)?;
    price::visible(&app, &caller, id).await?;
    let (rows, total) = MESSAGES.list(app.pool(), id, paging).await?;
    Ok(Json(Page::of(rows.into_iter().map(InquiryMessage::from).collect(), paging, total)))
}

/// `POST /inquiries/price/{inquiryId}/messages`: whoever may read may write, whatever the status is.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 without content.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ReadInquiries>,
    Path(id): Path<String>,
    Body(request): Body<Say>,
) -> ApiResult<(StatusCode, Json<InquiryMessage>)> {
    let id = parameter_uuid("inquiryId", &id)?;
    price::visible(&app, &caller, id).await?;
    let row = MESSAGES.add(app.pool(), id, &caller, request).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}
