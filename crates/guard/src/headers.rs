//! Small things about headers that several guards need.

use http::header::{HeaderName, VARY};
use http::{HeaderMap, HeaderValue};

/// The elements of a list header, over all its lines, without blanks around them; empty ones are no elements
/// (RFC 9110, 5.6.1). Lines that are not visible ASCII have none.
pub(crate) fn elements<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .filter(|it| !it.is_empty())
}

/// Says that the answer depends on this request header, unless that is said already.
pub(crate) fn vary(headers: &mut HeaderMap, on: &'static str) {
    let said = elements(headers, &VARY).any(|it| it == "*" || it.eq_ignore_ascii_case(on));
    if !said {
        headers.append(VARY, HeaderValue::from_static(on));
    }
}
