//! Pictures and documents for a product request.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use shop_wire::commerce::ProductRequestAsset;
use uuid::Uuid;

use crate::app::App;
use crate::authorize::Allowed;
use crate::authorize::needs::CreateRequest;
use crate::media::kind::Kind;
use crate::upload::Form;

/// Bytes of a file.
const LARGEST: usize = 5 << 20;

/// `POST /product-requests/assets`: keeps a JPEG, PNG, WebP or PDF; what it is, is read from its first bytes.
///
/// # Errors
/// 401, 403, 400 for another kind or more than 5 MB.
pub async fn upload(
    State(app): State<App>,
    _: Allowed<CreateRequest>,
    form: Form,
) -> ApiResult<(StatusCode, Json<ProductRequestAsset>)> {
    let upload = match form.read(&app).await {
        Err(error) if error.status == StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large()),
        other => other?,
    };
    let file = upload.file("file")?;
    if file.len() > LARGEST {
        return Err(too_large());
    }
    let Some(kind) = Kind::of_upload(&file) else { return Err(ApiError::invalid("unsupported file type")) };
    let path = format!("product-requests/{}.{}", Uuid::new_v4(), kind.extension());
    app.media().write(&path, file.clone()).await.or_internal("failed to store file")?;
    let asset = ProductRequestAsset {
        url: app.media().url(&path),
        content_type: kind.content_type().to_owned(),
        size: i64::try_from(file.len()).unwrap_or(i64::MAX),
    };
    Ok((StatusCode::CREATED, Json(asset)))
}

fn too_large() -> ApiError {
    ApiError::invalid("file exceeds 5MB limit")
}
