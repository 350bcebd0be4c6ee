//! What is said about an inquiry.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use shop_kit::ApiResult;
use shop_kit::extract::{Body, QueryParams, parameter_uuid};
use shop_wire::commerce::{CreateInquiryMessage, InquiryMessage, PagedInquiryMessageList};

use super::price;
use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::ReadInquiries;
use crate::conversation::{Conversation, PAGE};

const MESSAGES: Conversation = Conversation {
    table: "inquiry_messages",
    about: "inquiry_id",
    columns: "id, inquiry_id, sender_type, sender_user_id, content, created_at",
};

/// `GET /inquiries/price/{inquiryId}/messages`, the oldest first.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 for an unreadable parameter.
pub async fn list(
    State(app): State<App>,
    caller: Allowed<ReadInquiries>,
    Path(id): Path<String>,
    query: QueryParams,
) -> ApiResult<Json<PagedInquiryMessageList>> {
    let id = parameter_uuid("inquiryId", &id)?;
    let paging = query.paging(PAGE)?;
    price::visible(&app, &caller, id).await?;
    MESSAGES.list(app.pool(), id, paging).await.map(Json)
}

/// `POST /inquiries/price/{inquiryId}/messages`: whoever may read may write, whatever the status is.
///
/// # Errors
/// 401, 403, 404 also when it is not for this caller, 400 without content.
pub async fn create(
    State(app): State<App>,
    caller: Allowed<ReadInquiries>,
    Path(id): Path<String>,
    Body(request): Body<CreateInquiryMessage>,
) -> ApiResult<(StatusCode, Json<InquiryMessage>)> {
    let id = parameter_uuid("inquiryId", &id)?;
    price::visible(&app, &caller, id).await?;
    let message = MESSAGES.add(app.pool(), id, &caller, request.content).await?;
    Ok((StatusCode::CREATED, Json(message)))
}
