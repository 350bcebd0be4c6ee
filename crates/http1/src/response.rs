//! The head of a response.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{Method, StatusCode, Version};

use crate::MOST_FIELDS;
use crate::error::HeadError;
use crate::fields::{self, Headers, Lines, Survey};
use crate::framing::{self, Framing};
use crate::present::Present;

/// What the head of a response says.
#[derive(Debug)]
pub struct ResponseHead {
    /// What came of it.
    pub status: StatusCode,
    /// HTTP/1.0 or 1.1.
    pub version: Version,
    /// Every field as it came.
    pub headers: Headers,
    /// Which of those that matter are there.
    pub present: Present,
    /// How long the body is.
    pub framing: Framing,
    /// Whether the connection may be used again once the body is read.
    pub persistent: bool,
    /// Whether the body is an event stream.
    pub event_stream: bool,
}

/// Reads a head that ends with its empty line; `method` is that of the request it answers.
///
/// # Errors
/// When it can't be understood for certain; the connection is of no use then.
pub fn response_head(head: &Bytes, method: &Method, most_fields: usize) -> Result<ResponseHead, HeadError> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let most = most_fields.min(MOST_FIELDS);
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, head, &mut lines[..most])
        .map_err(|error| fields::error(error, most))?;
    let (httparse::Status::Complete(_), Some(code), Some(minor)) = (status, parsed.code, parsed.version)
    else {
        return Err(HeadError::Malformed("the head is not complete"));
    };
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let status = StatusCode::from_u16(code).map_err(|_| HeadError::Malformed("the status is not one"))?;
    let survey = Survey::of(parsed.headers);
    let framing = framing::of_response(method, status, &survey)?;
    let open = if version == Version::HTTP_11 { !survey.close } else { survey.keep_alive };
    let headers = match Lines::new(head, parsed.headers, &survey) {
        Some(lines) => Headers::Lines(lines),
        None => Headers::Map(fields::map(head, parsed.headers)?),
    };
    Ok(ResponseHead {
        status,
        version,
        headers,
        present: survey.present,
        framing,
        persistent: open && framing != Framing::UntilClose,
        event_stream: survey.event_stream,
    })
}
