//! Whether an answer is compressed (RFC 9110, 12.5.3), where that is safe.
//!
//! Compression leaks: whoever sees the length of an encrypted answer and can put words into it learns what else is in
//! it (BREACH). So nothing is compressed that belongs to somebody: neither answers to requests with `Cookie` or
//! `Authorization`, nor answers that set a cookie.

use fairway_model::traffic::Compression;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, COOKIE, ETAG, HeaderName, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::asked::Passed;
use crate::headers::{elements, vary};

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952, the one that everybody reads. Brotli and zstd shrink text by a few percent more and would more than
    /// double what has to be compiled, or need a C compiler.
    Gzip,
}

/// Answers with one of these stay as they are: encoded already, a part, somebody's, or with a digest of the bytes on the
/// wire that would be wrong.
static UNTOUCHABLE: [HeaderName; 7] = [
    CONTENT_ENCODING,
    CONTENT_RANGE,
    SET_COOKIE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What is compressed.
#[derive(Debug)]
pub(crate) struct Compressing {
    min_bytes: u64,
    types: Box<[Box<str>]>,
}

impl Compressing {
    pub(crate) fn new(compression: &Compression) -> Self {
        let Compression { min_bytes, types } = compression;
        Self { min_bytes: *min_bytes, types: types.iter().map(|it| it.as_str().into()).collect() }
    }

    /// In what the answer to this request may be encoded.
    pub(crate) fn request(&self, headers: &HeaderMap) -> Option<Encoding> {
        let personal = headers.contains_key(COOKIE) || headers.contains_key(AUTHORIZATION);
        (!personal && !forbidden(headers) && prefers_gzip(headers)).then_some(Encoding::Gzip)
    }

    /// Completes the head of an answer.
    pub(crate) fn response(
        &self,
        passed: Passed,
        status: StatusCode,
        headers: &mut HeaderMap,
    ) -> Option<Encoding> {
        if !self.compressible(status, headers) {
            return None;
        }
        // Also when this client gets the plain one: a cache must know that there are two.
        vary(headers, "accept-encoding");
        let encoding = passed.encoding?;
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.remove(CONTENT_LENGTH);
        // Ranges and strong tags are about the bytes, and these are other bytes.
        headers.remove(ACCEPT_RANGES);
        weaken(headers);
        (!passed.head).then_some(encoding)
    }

    fn compressible(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let without_body = status.is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED]
                .contains(&status);
        !without_body
            && status != StatusCode::PARTIAL_CONTENT
            && self.of_type(headers)
            && self.large_enough(headers)
            && !UNTOUCHABLE.iter().any(|name| headers.contains_key(name))
            && !forbidden(headers)
    }

    fn of_type(&self, headers: &HeaderMap) -> bool {
        let Some(kind) = headers.get(CONTENT_TYPE) else { return false };
        let begins = |with: &str| {
            kind.as_bytes().get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()))
        };
        // Both are streams whose every piece somebody waits for; gRPC compresses by itself.
        let stream = begins("text/event-stream") || begins("application/grpc");
        !stream && self.types.iter().any(|with| begins(with))
    }

    fn large_enough(&self, headers: &HeaderMap) -> bool {
        let Some(length) = headers.get(CONTENT_LENGTH) else { return true };
        let length = length.to_str().ok().and_then(|length| length.parse::<u64>().ok());
        length.is_some_and(|length| length > 0 && length >= self.min_bytes)
    }
}

/// `no-transform` binds proxies in both directions (RFC 9111, 5.2).
fn forbidden(headers: &HeaderMap) -> bool {
    elements(headers, &CACHE_CONTROL).any(|directive| directive.eq_ignore_ascii_case("no-transform"))
}

/// Whether the client takes gzip and does not like the plain answer better.
fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for element in elements(headers, &ACCEPT_ENCODING) {
        let mut parts = element.split(';');
        let coding = parts.next().unwrap_or_default().trim_ascii();
        let Some(weight) = weight(parts) else { continue };
        let place = if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            &mut gzip
        } else if coding == "*" {
            &mut any
        } else if coding.eq_ignore_ascii_case("identity") {
            &mut identity
        } else {
            continue;
        };
        // Said twice, what is said first counts.
        place.get_or_insert(weight);
    }
    // `*` is for what is not named. Identity that is neither named nor meant by `*` is acceptable, and liked least.
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight in thousandths: 1000 when there is none, nothing when it is none.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let Some(parameter) = parameters.next() else { return Some(1_000) };
    let (name, value) = parameter.split_once('=')?;
    if !name.trim_ascii().eq_ignore_ascii_case("q") || parameters.next().is_some() {
        return None;
    }
    let (whole, fraction) = value.trim_ascii().split_once('.').unwrap_or((value.trim_ascii(), ""));
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        _ => (thousandths == 0).then_some(1_000),
    }
}

fn weaken(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get_mut(ETAG)
        && tag.as_bytes().starts_with(b"\"")
    {
        let weak = [b"W/", tag.as_bytes()].concat();
        *tag = HeaderValue::from_maybe_shared(bytes::Bytes::from(weak)).expect("it was a value before");
    }
}
