//! What every statement of this service has in common.

use shop_kit::{ApiError, ApiResult};
use sqlx::error::DatabaseError;

/// PostgreSQL's codes for text that it can't hold: a NUL character, in a column or in JSON.
const UNTRANSLATABLE: [&str; 2] = ["22021", "22P05"];

/// Turns an error of the database into an answer.
pub trait OrFail<T> {
    /// 400 when the request has text that no database can hold, otherwise 500 with this sentence; the cause is
    /// logged.
    ///
    /// # Errors
    /// When `self` is an error.
    fn or_fail(self, message: &'static str) -> ApiResult<T>;
}

impl<T> OrFail<T> for sqlx::Result<T> {
    fn or_fail(self, message: &'static str) -> ApiResult<T> {
        self.map_err(|error| {
            let code = error.as_database_error().and_then(DatabaseError::code);
            if code.is_some_and(|code| UNTRANSLATABLE.contains(&&*code)) {
                return ApiError::invalid("text must not contain NUL characters").because(error);
            }
            ApiError::internal(message, error)
        })
    }
}

/// A pattern for `ILIKE` that finds a text anywhere: `%` and `_` in it stand for themselves.
pub fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |text: &str, expect: &str| assert_eq!(contains(text), expect, "{text}");
        check("pipe", "%pipe%");
        check("100%", r"%100\%%");
        check("a_b", r"%a\_b%");
        check(r"a\b", r"%a\\b%");
    }
}
