//! The `Forwarded` header (RFC 7239).

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{FORWARDED, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::client::{X_FORWARDED_FOR, address};
use crate::headers::elements;

/// The value of `Forwarded` for a request that is passed on: what a trusted peer said, then the peer itself.
///
/// A trusted peer that speaks only `X-Forwarded-For` is translated (RFC 7239, 7.4), so that whoever reads the one header
/// learns the same as who reads the other. `host` is the request's as received, `https` whether the peer's own
/// connection is encrypted.
pub fn forwarded_header(
    headers: &HeaderMap,
    trusted: bool,
    peer: IpAddr,
    host: Option<&str>,
    https: bool,
) -> HeaderValue {
    let mut text = String::with_capacity(96);
    if trusted {
        chain(headers, &mut text);
    }
    text += "for=";
    node(peer, &mut text);
    if let Some(host) = host {
        text += ";host=";
        value(host, &mut text);
    }
    text += if https { ";proto=https" } else { ";proto=http" };
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("made of visible ASCII")
}

fn chain(headers: &HeaderMap, text: &mut String) {
    if headers.contains_key(FORWARDED) {
        for line in headers.get_all(FORWARDED) {
            // A quote left open would swallow all that follows; a line that is not text can't be passed on in one.
            if let Ok(line) = line.to_str()
                && !line.trim_ascii().is_empty()
                && closed(line)
            {
                let _ = write!(text, "{}, ", line.trim_ascii());
            }
        }
        return;
    }
    for element in elements(headers, &X_FORWARDED_FOR) {
        text.push_str("for=");
        match address(element) {
            Some(address) => node(address, text),
            None => text.push_str("unknown"),
        }
        text.push_str(", ");
    }
}

/// Whether every quoted string of a line ends.
fn closed(line: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in line.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

fn node(address: IpAddr, text: &mut String) {
    match address.to_canonical() {
        // By hand: nearly every request has one, and the library's formatting took most of this function's time.
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    text.push('.');
                }
                decimal(octet, text);
            }
        }
        IpAddr::V6(address) => {
            let _ = write!(text, "\"[{address}]\"");
        }
    }
}

fn decimal(number: u8, text: &mut String) {
    for (unit, from) in [(100, 100), (10, 10), (1, 0)] {
        if number >= from {
            text.push(char::from(b'0' + number / unit % 10));
        }
    }
}

/// A token as it is, anything else quoted; what can't be in a header at all is left out.
fn value(host: &str, text: &mut String) {
    if HeaderName::try_from(host).is_ok() {
        text.push_str(host);
        return;
    }
    text.push('"');
    for c in host.chars().filter(|c| c.is_ascii_graphic()) {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}
