//! Files in requests: `multipart/form-data`.

use std::collections::BTreeMap;

use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use shop_kit::{ApiError, ApiResult};
use tokio::sync::SemaphorePermit;

use crate::app::App;

/// Fields a form may have.
const MOST_FIELDS: usize = 20;

/// The fields of a form, whole, by name. As long as it lives it takes one of the few places for uploads, because
/// it is in memory.
#[derive(Debug)]
pub struct Upload<'a> {
    fields: BTreeMap<String, Bytes>,
    _place: SemaphorePermit<'a>,
}

/// A form that has not been read yet.
#[derive(Debug)]
pub struct Form(Multipart);

impl FromRequest<App> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        Multipart::from_request(request, app)
            .await
            .map(Self)
            .map_err(|e| ApiError::invalid("invalid request body").because(e.body_text()))
    }
}

impl Form {
    /// Reads all of it; waits for a place.
    ///
    /// # Errors
    /// 400 when it is no form, 413 when it is too large.
    pub async fn read(mut self, app: &App) -> ApiResult<Upload<'_>> {
        let place =
            app.uploads().acquire().await.map_err(|e| ApiError::internal("failed to read upload", e))?;
        let mut fields = BTreeMap::new();
        while let Some(field) = self.0.next_field().await.map_err(refuse)? {
            let name = field.name().unwrap_or_default().to_owned();
            let content = field.bytes().await.map_err(refuse)?;
            fields.insert(name, content);
            if fields.len() > MOST_FIELDS {
                return Err(ApiError::invalid("the form supports at most 20 fields"));
            }
        }
        Ok(Upload { fields, _place: place })
    }
}

fn refuse(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "the upload is too large; nothing was changed",
        )
        .because(error.body_text());
    }
    ApiError::invalid("invalid request body").because(error.body_text())
}

impl Upload<'_> {
    /// A file that must be there.
    ///
    /// # Errors
    /// 400 `missing <name>`.
    pub fn file(&self, name: &str) -> ApiResult<Bytes> {
        self.maybe(name).ok_or_else(|| ApiError::invalid(format!("missing {name}")))
    }

    /// A file or text that may be there; an empty one is not.
    pub fn maybe(&self, name: &str) -> Option<Bytes> {
        self.fields.get(name).filter(|content| !content.is_empty()).cloned()
    }
}
