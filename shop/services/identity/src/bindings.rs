//! Binding tokens: what a member of staff shows at its first mini-program login, so that the platform's account
//! becomes a way in. How they are used up is in [`crate::login::binding`].

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::json;
use shop_kit::error::OrInternal;
use shop_kit::extract::{Body, Caller, parameter_uuid};
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::Platform;
use shop_wire::identity::{CreateStaffBindingRequest, StaffBindingToken};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::require_administrator;
use crate::app::App;
use crate::audit;
use crate::session::SignedIn;

/// How long a token is good when nothing is said, in seconds.
const USUAL_LIFE: i64 = 1800;
/// How long a token can be good, in seconds: a week.
const LONGEST_LIFE: i64 = 7 * 24 * 3600;

/// `POST /staff/{staffId}/bindings`.
///
/// # Errors
/// 401, 403, 404; 400 without a platform or with an impossible life.
pub async fn create(
    State(app): State<App>,
    signed_in: SignedIn,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<CreateStaffBindingRequest>,
) -> ApiResult<(StatusCode, Json<StaffBindingToken>)> {
    let staff = parameter_uuid("staffId", &id)?;
    require_administrator(app.pool(), &signed_in).await?;
    let platform = request.platform.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    if platform.is_empty() {
        return Err(ApiError::invalid("platform is required"));
    }
    let platform: Platform = platform.parse().map_err(|_| ApiError::invalid("invalid platform"))?;
    let life = request.expires_in.unwrap_or(USUAL_LIFE);
    if life < 1 {
        return Err(ApiError::invalid("expiresIn must be >= 1"));
    }
    if life > LONGEST_LIFE {
        return Err(ApiError::invalid(format!("expiresIn must be <= {LONGEST_LIFE}")));
    }
    let token = Uuid::new_v4().to_string();
    let expires_at: Option<OffsetDateTime> = sqlx::query_scalar(
        "INSERT INTO staff_binding_tokens (token, staff_user_id, platform, expires_at, created_by)
         SELECT $1, u.id, $3, now() + make_interval(secs => $4), $5
         FROM users u WHERE u.id = $2 AND u.user_type = 'staff'
         RETURNING expires_at",
    )
    .bind(&token)
    .bind(staff)
    .bind(platform.as_str())
    .bind(life as f64)
    .bind(signed_in.user_id)
    .fetch_optional(app.pool())
    .await
    .or_internal("failed to create binding token")?;
    let Some(expires_at) = expires_at else { return Err(ApiError::not_found("staff not found")) };
    let entry = audit::Entry {
        actor: signed_in.user_id,
        action: "staff.binding.create",
        target_type: "staff",
        target: Some(staff),
        metadata: json!({ "platform": platform }),
    };
    audit::write(app.pool(), &caller, entry).await;
    Ok((StatusCode::CREATED, Json(StaffBindingToken { token, expires_at: Some(expires_at) })))
}
