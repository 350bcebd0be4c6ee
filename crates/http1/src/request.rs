//! The head of a request.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{Method, Uri, Version};

use crate::MOST_FIELDS;
use crate::error::HeadError;
use crate::fields::{self, Headers, Lines, Seen, Survey};
use crate::framing::{self, Framing};

/// What the head of a request says.
#[derive(Debug)]
pub struct RequestHead {
    /// What to do.
    pub method: Method,
    /// With what: origin form (`/path?query`), absolute form, `*`, or for CONNECT an authority.
    pub target: Uri,
    /// HTTP/1.0 or 1.1.
    pub version: Version,
    /// Every field as it came. At most one `Host`, and exactly one in HTTP/1.1.
    pub headers: Headers,
    /// How long the body is.
    pub framing: Framing,
    /// Whether the connection may be used again.
    pub persistent: bool,
    /// Whether the client waits for 100 before it sends the body.
    pub expects_continue: bool,
}

/// Reads a head that ends with its empty line.
///
/// # Errors
/// [`HeadError::status`] is what to answer; where the next request begins is unknown then.
pub fn request_head(head: &Bytes, most_fields: usize) -> Result<RequestHead, HeadError> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let most = most_fields.min(MOST_FIELDS);
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed
        .parse_with_uninit_headers(head, &mut lines[..most])
        .map_err(|error| fields::error(error, most))?;
    let (httparse::Status::Complete(_), Some(method), Some(target), Some(minor)) =
        (status, parsed.method, parsed.path, parsed.version)
    else {
        return Err(HeadError::Malformed("the head is not complete"));
    };
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| HeadError::Malformed("the method is not a token"))?;
    // A fragment never goes on the wire, and where it is cut off programs differ.
    if target.contains('#') {
        return Err(HeadError::Malformed("the request target has a fragment"));
    }
    let target = Uri::from_maybe_shared(head.slice_ref(target.as_bytes()))
        .map_err(|_| HeadError::Malformed("the request target is not a URI"))?;
    let survey = Survey::of(parsed.headers);
    check_target(&method, &target)?;
    check_host(version, &survey.host)?;
    let framing = framing::of_request(version, &survey)?;
    let persistent = if version == Version::HTTP_11 { !survey.close } else { survey.keep_alive };
    let expects_continue = match survey.expectation.first {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
            // RFC 9110, 10.1.1: from a client of HTTP/1.0 it is ignored.
            version == Version::HTTP_11 && framing != Framing::Empty
        }
        Some(_) => return Err(HeadError::Expectation),
    };
    let headers = match Lines::new(head, parsed.headers, &survey) {
        Some(lines) => Headers::Lines(lines),
        None => Headers::Map(fields::map(head, parsed.headers)?),
    };
    Ok(RequestHead { method, target, version, headers, framing, persistent, expects_continue })
}

/// RFC 9112, 3.2.
fn check_target(method: &Method, target: &Uri) -> Result<(), HeadError> {
    let sound = if method == Method::CONNECT {
        target.authority().is_some() && target.scheme().is_none()
    } else if target.path() == "*" {
        method == Method::OPTIONS && target.authority().is_none()
    } else {
        match (target.scheme_str(), target.authority()) {
            (None, None) => target.path().starts_with('/'),
            (Some("http" | "https"), Some(authority)) => !authority.as_str().contains('@'),
            _ => false,
        }
    };
    if sound { Ok(()) } else { Err(HeadError::Malformed("the request target is not one for this method")) }
}

/// RFC 9112, 3.2.2: exactly one host, and one that is a host.
fn check_host(version: Version, host: &Seen<'_>) -> Result<(), HeadError> {
    match host.first {
        None if version == Version::HTTP_11 => Err(HeadError::Malformed("the request has no Host header")),
        None => Ok(()),
        Some(_) if host.again => Err(HeadError::Malformed("the request has more than one Host header")),
        Some(host) if is_host(host) => Ok(()),
        Some(_) => Err(HeadError::Malformed("the Host header is not a host")),
    }
}

/// `host[:port]` without a user (RFC 3986, 3.2.2): a name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &[u8]) -> bool {
    let (name_is_sound, rest) = if let Some(address) = text.strip_prefix(b"[") {
        let Some(end) = address.iter().position(|byte| *byte == b']') else { return false };
        let address = std::str::from_utf8(&address[..end]).ok();
        (address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()), &text[end + 2..])
    } else {
        let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
        (end > 0 && text[..end].iter().all(is_of_name), &text[end..])
    };
    name_is_sound
        && match rest.split_first() {
            None => true,
            Some((b':', port)) => {
                port.len() <= 5
                    && port.iter().all(u8::is_ascii_digit)
                    && port.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')) <= 65_535
            }
            Some(_) => false,
        }
}

fn is_of_name(byte: &u8) -> bool {
    const OF_NAME: [bool; 256] = {
        let mut all = [false; 256];
        let mut byte: u8 = 0;
        while byte < 128 {
            let other = matches!(
                byte,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'%'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            );
            all[byte as usize] = byte.is_ascii_alphanumeric() || other;
            byte += 1;
        }
        all
    };
    OF_NAME[usize::from(*byte)]
}
