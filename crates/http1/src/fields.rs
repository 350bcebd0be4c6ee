//! Header fields.

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use httparse::Header;

use crate::error::HeadError;
use crate::present::Present;

/// Field lines as a map, and which of those that matter are there; the values share the bytes of the head.
pub(crate) fn map(head: &Bytes, lines: &[Header<'_>]) -> Result<(HeaderMap, Present), HeadError> {
    let mut map = HeaderMap::with_capacity(lines.len() + 1);
    let mut present = Present::default();
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| HeadError::Malformed("a header name is not a token"))?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(line.value))
            .map_err(|_| HeadError::Malformed("a header value has forbidden bytes"))?;
        present = present.and(Present::named(name.as_str()));
        map.append(name, value);
    }
    Ok((map, present))
}

/// The elements of a list header (RFC 9110, 5.6.1).
pub(crate) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Whether `Connection` has this option.
pub(crate) fn connection_has(headers: &HeaderMap, option: &[u8]) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| tokens(value).any(|it| it.eq_ignore_ascii_case(option)))
}

/// Why a parser gave up.
pub(crate) fn error(error: httparse::Error, most_fields: usize) -> HeadError {
    HeadError::Malformed(match error {
        httparse::Error::TooManyHeaders => return HeadError::TooManyFields(most_fields),
        httparse::Error::Version => return HeadError::Version,
        httparse::Error::HeaderName => "a header line has no valid name before its colon",
        httparse::Error::HeaderValue => "a header value has forbidden bytes",
        httparse::Error::NewLine => "a line does not end where it should",
        httparse::Error::Status => "the status line is malformed",
        httparse::Error::Token => "the first line is malformed",
    })
}
