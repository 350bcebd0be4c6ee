//! Logging in: by the code of a mini-program platform, or by password for the web.

pub mod binding;
pub mod capabilities;
pub mod mini;
pub mod password;
pub mod role;
pub mod scene;
pub mod switch;

use shop_kit::{ApiError, ApiResult};
use shop_wire::common::UserStatus;

use crate::users::UserRow;

/// What every way in checks before a role is chosen.
///
/// # Errors
/// 401 without roles, 403 when disabled.
pub fn admit(user: &UserRow) -> ApiResult<()> {
    if user.roles.is_empty() {
        return Err(ApiError::unauthorized("no roles assigned"));
    }
    if user.status == UserStatus::Disabled {
        return Err(ApiError::forbidden("account disabled"));
    }
    Ok(())
}
