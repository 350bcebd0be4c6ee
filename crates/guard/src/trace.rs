//! What names a request on its way: `X-Request-Id`, and `traceparent` with `tracestate` (W3C Trace Context).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `traceparent`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longer identifiers are not believed: they go into every line of every log.
const LONGEST_ID: usize = 128;
const SAMPLED: u8 = 1;
/// The trace id is random (Trace Context level 2).
const RANDOM: u8 = 2;

/// The `X-Request-Id` that a request is to be given: nothing when it has one that is to be kept, because a trusted peer
/// sent it and it is at most 128 letters, digits and `-._~+/=:@`.
pub fn request_id(trusted: bool, headers: &HeaderMap, random: u128) -> Option<HeaderValue> {
    if trusted && single(headers, &X_REQUEST_ID).is_some_and(harmless) {
        return None;
    }
    let mut text = [0; 32];
    digits(random, &mut text);
    Some(value(&text))
}

fn harmless(id: &[u8]) -> bool {
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(sound)
}

/// Where a request is in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace_id: u128,
    /// The edge's part of it, which the service is told to be its parent.
    pub span_id: u64,
    /// Whose part the edge's is: what the request came with, if that was kept.
    pub parent_id: Option<u64>,
    /// `trace-flags` as they are sent on.
    pub flags: u8,
}

impl Trace {
    /// Continues the trace that a trusted peer began, or begins one. `trace_id` and `span_id` are random numbers;
    /// `sampled` is for traces that begin here.
    pub fn new(trusted: bool, headers: &HeaderMap, trace_id: u128, span_id: u64, sampled: bool) -> Self {
        // All zeros mean that there is no id.
        let span_id = span_id.max(1);
        let came = if trusted { single(headers, &TRACEPARENT).and_then(parse) } else { None };
        match came {
            Some((trace_id, parent, flags)) => {
                Self { trace_id, span_id, parent_id: Some(parent), flags: flags & (SAMPLED | RANDOM) }
            }
            None => {
                let flags = RANDOM | if sampled { SAMPLED } else { 0 };
                Self { trace_id: trace_id.max(1), span_id, parent_id: None, flags }
            }
        }
    }

    /// Whether somebody wants this trace recorded.
    pub fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Puts it into a request, and returns what `traceparent` says then. `tracestate` belongs to the trace that it came
    /// with and goes when that is not continued.
    pub fn put(&self, headers: &mut HeaderMap) -> HeaderValue {
        if self.parent_id.is_none() {
            headers.remove(TRACESTATE);
        }
        let header = self.header();
        headers.insert(TRACEPARENT, header.clone());
        header
    }

    /// The value of `traceparent`, version 00.
    pub fn header(&self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        digits(self.trace_id, &mut text[3..35]);
        digits(self.span_id.into(), &mut text[36..52]);
        digits(self.flags.into(), &mut text[53..55]);
        value(&text)
    }
}

/// Trace, parent and flags. Of later versions what version 00 has, as the specification asks.
fn parse(text: &[u8]) -> Option<(u128, u64, u8)> {
    let (known, rest) = text.split_at_checked(55)?;
    let dashes = [2, 35, 52].into_iter().all(|at| known[at] == b'-');
    let version = number(&known[..2])?;
    let end = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
    if !dashes || version == 0xff || !end {
        return None;
    }
    let trace = number(&known[3..35])?;
    let parent = u64::try_from(number(&known[36..52])?).ok()?;
    let flags = u8::try_from(number(&known[53..])?).ok()?;
    (trace != 0 && parent != 0).then_some((trace, parent, flags))
}

/// Hexadecimal, lower case only, as the specification has it.
fn number(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u128::from(digit))
    })
}

fn digits(number: u128, text: &mut [u8]) {
    let bytes = number.to_le_bytes();
    for (pair, byte) in text.rchunks_mut(2).zip(bytes) {
        let digits = [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
        pair.copy_from_slice(&digits);
    }
}

fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text)).expect("digits and dashes")
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}
