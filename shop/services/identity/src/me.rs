//! The caller itself.

use axum::Json;
use axum::extract::State;
use shop_kit::error::OrInternal;
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::User;
use shop_wire::identity::PermissionList;

use crate::access::effective;
use crate::app::App;
use crate::session::SignedIn;
use crate::users;

/// `GET /me`: roles from the database, the current role from the token.
///
/// # Errors
/// 401, also when the user is gone.
pub async fn show(State(app): State<App>, caller: SignedIn) -> ApiResult<Json<User>> {
    let mut connection = app.pool().acquire().await.or_internal("failed to load user")?;
    let Some(user) = users::find(&mut connection, caller.user_id).await? else {
        return Err(ApiError::unauthorized("invalid token").because("the user of the token is gone"));
    };
    let owner_name = match user.owner_sales_user_id {
        Some(owner) => users::display_name(&mut connection, owner).await?,
        None => None,
    };
    Ok(Json(users::in_role(user, &caller.claims.role, owner_name)))
}

/// `GET /me/permissions`.
///
/// # Errors
/// 401.
pub async fn permissions(State(app): State<App>, caller: SignedIn) -> ApiResult<Json<PermissionList>> {
    Ok(Json(PermissionList { items: effective(app.pool(), caller.user_id).await? }))
}
