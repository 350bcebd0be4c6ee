//! How long a body is (RFC 9112, section 6).

use http::{Method, StatusCode, Version};

use crate::error::HeadError;
use crate::fields::Survey;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// It comes in chunks, and trailers may follow.
    Chunked,
    /// It ends with the connection. Only responses do.
    UntilClose,
}

/// Of a request. Nothing ambiguous is accepted.
pub(crate) fn of_request(version: Version, survey: &Survey<'_>) -> Result<Framing, HeadError> {
    if let Some(coding) = survey.coding.first {
        if survey.length.first.is_some() {
            return Err(HeadError::Framing("the request has both Content-Length and Transfer-Encoding"));
        }
        if version < Version::HTTP_11 {
            return Err(HeadError::Framing("HTTP/1.0 has no Transfer-Encoding"));
        }
        if survey.coding.again {
            return Err(HeadError::Framing("the request has more than one Transfer-Encoding"));
        }
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::Coding);
        }
        return Ok(Framing::Chunked);
    }
    let Some(length) = survey.length.first else { return Ok(Framing::Empty) };
    if survey.length.again {
        return Err(HeadError::Framing("the request has more than one Content-Length"));
    }
    number(length)
        .map(Framing::Length)
        .ok_or(HeadError::Framing("the Content-Length of the request is not a number"))
}

/// Of a response to a request with this method.
pub(crate) fn of_response(
    method: &Method,
    status: StatusCode,
    survey: &Survey<'_>,
) -> Result<Framing, HeadError> {
    if method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        return Ok(Framing::Empty);
    }
    if let Some(coding) = survey.coding.first {
        if survey.length.first.is_some() {
            return Err(HeadError::Framing("the response has both Content-Length and Transfer-Encoding"));
        }
        return if !survey.coding.again && coding.eq_ignore_ascii_case(b"chunked") {
            Ok(Framing::Chunked)
        } else {
            Err(HeadError::Coding)
        };
    }
    let Some(length) = survey.length.first else { return Ok(Framing::UntilClose) };
    // The same length twice says the same (RFC 9110, 8.6).
    if survey.length.differs {
        return Err(HeadError::Framing("the response has different Content-Lengths"));
    }
    number(length)
        .map(Framing::Length)
        .ok_or(HeadError::Framing("the Content-Length of the response is not a number"))
}

/// Digits only: no sign, no list, nothing that overflows.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}
