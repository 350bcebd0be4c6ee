//! How long texts may be.

use shop_kit::{ApiError, ApiResult};

/// Refuses a text that is longer than a field can be.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn at_most(field: &str, text: &str, characters: usize) -> ApiResult<()> {
    if text.chars().count() > characters {
        return Err(ApiError::invalid(format!("{field} must be at most {characters} characters")));
    }
    Ok(())
}
