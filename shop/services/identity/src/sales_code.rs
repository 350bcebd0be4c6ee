//! `GET /me/sales-qr-code`: the picture that ties whoever scans it to the sales user who shows it.

use axum::Json;
use axum::extract::State;
use data_encoding::BASE32_NOPAD;
use shop_kit::error::OrInternal;
use shop_kit::extract::QueryParams;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::{Platform, SalesQrCode};
use time::OffsetDateTime;

use crate::app::App;
use crate::session::SignedIn;

/// The sales user's code for a platform. It is good for a week; one that is good for at least another day is
/// shown again, so that looking at the page does not fill the table.
///
/// # Errors
/// 401; 403 in another role than SALES; 400 for an unknown platform; 502 when the platform makes no picture.
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParams,
) -> ApiResult<Json<SalesQrCode>> {
    if caller.claims.role != "SALES" {
        return Err(ApiError::forbidden("permission denied").because("needs the role SALES"));
    }
    let platform = query.text("platform").unwrap_or("weapp").to_ascii_lowercase();
    let platform: Platform = platform.parse().map_err(|_| ApiError::invalid("invalid platform"))?;
    let known: Option<(String, String, Option<OffsetDateTime>)> = sqlx::query_as(
        "SELECT c.scene, c.qr_code_url, c.expires_at
         FROM sales_qr_codes c JOIN users u ON u.id = c.sales_user_id AND u.status = 'active'
         WHERE c.sales_user_id = $1 AND c.platform = $2 AND c.qr_code_url IS NOT NULL
           AND c.expires_at > now() + interval '1 day'
         ORDER BY c.created_at DESC LIMIT 1",
    )
    .bind(caller.user_id)
    .bind(platform.as_str())
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to load sales code")?;
    if let Some((scene, qr_code_url, expires_at)) = known {
        return Ok(Json(SalesQrCode { qr_code_url, scene, platform: Some(platform), expires_at }));
    }

    let scene = BASE32_NOPAD.encode(&rand::random::<[u8; 12]>());
    let picture = app.platforms().picture(platform, &scene).await;
    let qr_code_url = picture.map_err(ApiError::bad_gateway)?;
    let expires_at: Option<Option<OffsetDateTime>> = sqlx::query_scalar(
        "INSERT INTO sales_qr_codes (scene, sales_user_id, platform, qr_code_url, expires_at)
         SELECT $1, u.id, $3, $4, now() + interval '7 days'
         FROM users u JOIN user_roles r ON r.user_id = u.id AND r.role = 'SALES'
         WHERE u.id = $2 AND u.status = 'active'
         RETURNING expires_at",
    )
    .bind(&scene)
    .bind(caller.user_id)
    .bind(platform.as_str())
    .bind(&qr_code_url)
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to store sales code")?;
    let Some(expires_at) = expires_at else {
        return Err(ApiError::forbidden("permission denied").because("no longer an active sales user"));
    };
    Ok(Json(SalesQrCode { qr_code_url, scene, platform: Some(platform), expires_at }))
}
