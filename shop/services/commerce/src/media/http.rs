//! Files as browsers get them.
//!
//! Nobody is asked who they are: pictures are in pages that anybody sees, and what only some should see has a name
//! with a random id in it that only they have been told.

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use shop_kit::error::OrInternal;
use shop_kit::extract::parameter_uuid;
use shop_kit::{ApiError, ApiResult};
use uuid::Uuid;

use super::kind::Kind;
use super::{covers, is_name};
use crate::app::App;

/// How long a picture may be kept; its name changes when it does.
const FOR_AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// What nobody between us and the reader should keep.
const FOR_NOBODY_ELSE: HeaderValue = HeaderValue::from_static("private, no-store");
/// Even a drawing runs nothing and loads nothing.
const NOTHING_RUNS: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

const NO_SNIFFING: HeaderName = HeaderName::from_static("x-content-type-options");

/// `GET /assets/media/catalog/{set}/{file}`: a picture of a product.
///
/// # Errors
/// 404.
pub async fn catalog(
    State(app): State<App>,
    Path((set, file)): Path<(String, String)>,
) -> ApiResult<Response> {
    if set == covers::SET
        && let Some(id) = file.strip_suffix(".svg").and_then(|id| Uuid::try_parse(id).ok())
        && let Some(svg) = covers::of(id)
    {
        return Ok(answer(Kind::Svg, svg.into_bytes().into(), FOR_AN_HOUR));
    }
    stored(&app, &["catalog", &set, &file], FOR_AN_HOUR).await
}

/// `GET /assets/media/product-requests/{file}`: what somebody uploaded.
///
/// # Errors
/// 404.
pub async fn product_request(State(app): State<App>, Path(file): Path<String>) -> ApiResult<Response> {
    stored(&app, &["product-requests", &file], FOR_AN_HOUR).await
}

/// `GET /assets/media/import-jobs/{jobId}/reports/{file}`: what has become of an import.
///
/// # Errors
/// 404, 400 for an unreadable id.
pub async fn report(
    State(app): State<App>,
    Path((job, file)): Path<(String, String)>,
) -> ApiResult<Response> {
    let job = parameter_uuid("jobId", &job)?.to_string();
    stored(&app, &["import-jobs", &job, "reports", &file], FOR_NOBODY_ELSE).await
}

/// `GET /assets/media/import-jobs/{jobId}/exports/{file}`: what was exported.
///
/// # Errors
/// 404, 400 for an unreadable id.
pub async fn export(
    State(app): State<App>,
    Path((job, file)): Path<(String, String)>,
) -> ApiResult<Response> {
    let job = parameter_uuid("jobId", &job)?.to_string();
    stored(&app, &["import-jobs", &job, "exports", &file], FOR_NOBODY_ELSE).await
}

async fn stored(app: &App, names: &[&str], keep: HeaderValue) -> ApiResult<Response> {
    let unknown = || ApiError::new(StatusCode::NOT_FOUND, "media_not_found", "file not found");
    if !names.iter().all(|name| is_name(name)) {
        return Err(unknown());
    }
    let kind = names.last().and_then(|name| Kind::of_name(name)).ok_or_else(unknown)?;
    let content = app.media().read(&names.join("/")).await.or_internal("failed to read file")?;
    Ok(answer(kind, content.ok_or_else(unknown)?, keep))
}

fn answer(kind: Kind, content: Bytes, keep: HeaderValue) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind.content_type())),
        (header::CACHE_CONTROL, keep),
        (NO_SNIFFING, HeaderValue::from_static("nosniff")),
    ];
    let mut response = (headers, content).into_response();
    if kind == Kind::Svg {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, NOTHING_RUNS);
    }
    response
}
