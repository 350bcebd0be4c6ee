//! Suggestions for after-sales. The contract exists before the program: every operation answers 501.
//!
//! Generated from `ai.yaml` by `cargo xtask generate`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// `AiReplySuggestionRequest` of `ai.yaml`.
///
/// As it is read: what is missing is `None`, and the handler says what is required.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AiReplySuggestionRequest {
    pub ticket_id: Option<Uuid>,
    pub latest_message_id: Option<Uuid>,
}

/// `AiReplySuggestions` of `ai.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
#[serde(rename_all = "camelCase")]
pub struct AiReplySuggestions {
    pub ticket_id: Uuid,
    pub suggestions: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub generated_at: OffsetDateTime,
}
