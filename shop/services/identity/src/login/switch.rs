//! `POST /auth/switch-role`: the same user, another of its roles, a new token.

use axum::Json;
use axum::extract::State;
use shop_kit::error::OrInternal;
use shop_kit::extract::Body;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::{AuthResponse, UserStatus};
use shop_wire::identity::SwitchRoleRequest;

use super::role;
use crate::app::App;
use crate::session::{OwnerClaim, SignedIn, open};
use crate::users;

/// Goes on in another role. Roles are read from the database, not from the token.
///
/// # Errors
/// 401, also when the user is gone; 400 without a role; 403 when it is not assigned or the account is disabled.
pub async fn switch(
    State(app): State<App>,
    caller: SignedIn,
    Body(request): Body<SwitchRoleRequest>,
) -> ApiResult<Json<AuthResponse>> {
    let Some(role) = role::requested(request.role.as_deref()) else {
        return Err(ApiError::invalid("role is required"));
    };
    let mut connection = app.pool().acquire().await.or_internal("failed to load user")?;
    let Some(user) = users::find(&mut connection, caller.user_id).await? else {
        return Err(ApiError::unauthorized("invalid token").because("the user of the token is gone"));
    };
    if user.status == UserStatus::Disabled {
        return Err(ApiError::forbidden("account disabled"));
    }
    if !user.roles.contains(&role) {
        return Err(ApiError::forbidden("role not assigned"));
    }
    Ok(Json(open(&app, user, &role, OwnerClaim::Carried)))
}
