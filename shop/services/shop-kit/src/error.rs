//! The error envelope every service answers with: `{code, message, requestId, details?}`.
//!
//! A handler returns an [`ApiError`]; the request id is not its business. The error travels in the
//! response's extensions and [`crate::layers::dress`] writes the body, because only the outermost layer
//! knows the id.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

/// An answer that is not a success. In a box, because results that carry it are moved about a lot.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Refusal>);

/// What an [`ApiError`] says: one part for the client, one for the log.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Machine-readable code, e.g. `invalid_request`.
    pub code: &'static str,
    /// A sentence the client may see.
    pub message: Cow<'static, str>,
    /// Facts the client may branch on.
    pub details: Option<Value>,
    /// What only the log line knows.
    pub cause: Option<String>,
}

/// The body as it goes over the wire.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    /// Machine-readable code.
    pub code: &'a str,
    /// A sentence for people.
    pub message: &'a str,
    /// The id to quote when asking for help.
    #[serde(rename = "requestId")]
    pub request_id: &'a str,
    /// Present only when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<&'a Value>,
}

impl ApiError {
    /// An error with the given status, code and message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Refusal { status, code, message: message.into(), details: None, cause: None }))
    }

    /// 400 `invalid_request`.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 401 `unauthorized`.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403 `forbidden`.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404 `not_found`.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 409 `conflict`.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 501 `not_implemented`.
    pub fn not_implemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
    }

    /// 502 `bad_gateway`, with what went wrong for the log.
    pub fn bad_gateway(cause: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "bad_gateway", "upstream unavailable").because(cause)
    }

    /// 500 `internal_error` with a fixed sentence for the client and the cause for the log.
    pub fn internal(message: impl Into<Cow<'static, str>>, cause: impl fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).because(cause)
    }

    /// Adds facts the client may branch on.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Adds what only the log may know.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The body for a given request.
    pub fn envelope<'a>(&'a self, request_id: &'a str) -> Envelope<'a> {
        Envelope { code: self.code, message: &self.message, request_id, details: self.details.as_ref() }
    }
}

impl Deref for ApiError {
    type Target = Refusal;

    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns a database error into a 500 whose text does not depend on the database.
pub trait OrInternal<T> {
    /// `Err` becomes `internal_error` with this sentence; the cause is logged.
    ///
    /// # Errors
    /// When `self` is an error.
    fn or_internal(self, message: &'static str) -> ApiResult<T>;
}

impl<T, E: fmt::Display> OrInternal<T> for Result<T, E> {
    fn or_internal(self, message: &'static str) -> ApiResult<T> {
        self.map_err(|cause| ApiError::internal(message, cause))
    }
}
