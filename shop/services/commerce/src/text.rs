//! Texts of requests: trimmed, required, not endless.

use shop_kit::{ApiError, ApiResult};
use time::{OffsetDateTime, UtcOffset};

/// Characters in a name, a code, a phone number.
pub const SHORT: usize = 200;
/// Characters in a message, a remark, a description.
pub const LONG: usize = 10_000;

/// A text without surrounding blanks; nothing when there is nothing left.
pub fn filled(text: Option<String>) -> Option<String> {
    text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}

/// A text that must be there.
///
/// # Errors
/// 400 `<name> is required`, or that it is too long.
pub fn required(name: &str, text: Option<String>, most: usize) -> ApiResult<String> {
    let text = filled(text).ok_or_else(|| ApiError::invalid(format!("{name} is required")))?;
    bounded(name, &text, most)?;
    Ok(text)
}

/// A text that may be missing.
///
/// # Errors
/// 400 when it is too long.
pub fn optional(name: &str, text: Option<String>, most: usize) -> ApiResult<Option<String>> {
    let text = filled(text);
    text.as_deref().map(|t| bounded(name, t, most)).transpose()?;
    Ok(text)
}

/// A time in UTC; one that has no place in UTC's calendar has none in the database either.
///
/// # Errors
/// 400 `invalid <name>`.
pub fn moment(name: &str, time: Option<OffsetDateTime>) -> ApiResult<Option<OffsetDateTime>> {
    let in_utc = |time: OffsetDateTime| {
        time.checked_to_offset(UtcOffset::UTC).ok_or_else(|| ApiError::invalid(format!("invalid {name}")))
    };
    time.map(in_utc).transpose()
}

fn bounded(name: &str, text: &str, most: usize) -> ApiResult<()> {
    if text.chars().count() > most {
        return Err(ApiError::invalid(format!("{name} must be at most {most} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        use time::macros::datetime;
        let check = |time: OffsetDateTime, expect: Result<OffsetDateTime, &str>| {
            let got = moment("shippedAt", Some(time)).map(|t| t.unwrap());
            assert_eq!(got.as_ref().map_err(|e| &*e.message), expect.as_ref().map_err(|e| *e), "{time}");
        };
        check(datetime!(2026-03-01 8:00 +8), Ok(datetime!(2026-03-01 0:00 UTC)));
        check(datetime!(9999-12-31 23:59 -12), Err("invalid shippedAt"));
    }

    #[test]
    fn texts() {
        let check = |text: Option<&str>, expect: Result<&str, &str>| {
            let got = required("name", text.map(str::to_owned), 3);
            assert_eq!(got.as_deref().map_err(|e| &*e.message), expect, "{text:?}");
        };
        check(None, Err("name is required"));
        check(Some("  "), Err("name is required"));
        check(Some(" 钢管 "), Ok("钢管"));
        check(Some("四个字的"), Err("name must be at most 3 characters"));
        assert_eq!(optional("note", Some(" ".into()), 3).unwrap(), None);
    }
}
