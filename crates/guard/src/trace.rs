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
    Some(value(&digits(random)))
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

    /// Puts it into a request. `tracestate` belongs to the trace that it came with and goes when that is not continued.
    pub fn put(&self, headers: &mut HeaderMap) {
        if self.parent_id.is_none() {
            headers.remove(TRACESTATE);
        }
        headers.insert(TRACEPARENT, self.header());
    }

    /// The value of `traceparent`, version 00.
    pub fn header(&self) -> HeaderValue {
        value(&self.text())
    }

    /// The same as it is written.
    pub fn text(&self) -> [u8; 55] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&digits(self.trace_id));
        text[36..52].copy_from_slice(&sixteen(self.span_id));
        text[53..55].copy_from_slice(&sixteen(self.flags.into())[14..]);
        text
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

/// A number as it stands in identifiers: 32 hexadecimal digits.
pub fn digits(number: u128) -> [u8; 32] {
    let mut text = [0; 32];
    for (part, bytes) in text.as_chunks_mut().0.iter_mut().zip(number.to_be_bytes().as_chunks().0) {
        *part = sixteen(u64::from_be_bytes(*bytes));
    }
    text
}

fn sixteen(number: u64) -> [u8; 16] {
    let mut text = [0; 16];
    let (left, right) = text.split_at_mut(8);
    left.copy_from_slice(&eight(number >> 32));
    right.copy_from_slice(&eight(number & 0xffff_ffff));
    text
}

/// Eight digits at once: each four bits get a byte, which becomes a digit or, with 39 more, a letter.
fn eight(number: u64) -> [u8; 8] {
    let spread = (number | number << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (spread + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + letters * 39).to_be_bytes()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_hexadecimal(number in any::<u128>(), shift in 0_u32..128) {
            let number = number >> shift;
            prop_assert_eq!(String::from_utf8(digits(number).to_vec()).unwrap(), format!("{number:032x}"));
        }
    }
}
