//! Chunks (RFC 9112, 7.1).

use bytes::{Buf, BytesMut};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use memchr::memchr;

use crate::body::Decoded;
use crate::error::BodyError;
use crate::head::HeadScanner;

/// The longest line with the size of a chunk, extensions included.
const MOST_LINE: usize = 256;
/// Bytes of extensions in one body. They mean nothing to anybody and cost whoever reads them.
const MOST_EXTENSIONS: usize = 16 * 1024;
/// The most bytes and fields of trailers.
const MOST_TRAILERS: usize = 16 * 1024;
const MOST_TRAILER_FIELDS: usize = 64;

/// Trailers that would change what the message means once it is read (RFC 9110, 6.5.1).
const FORBIDDEN: [&str; 18] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Debug, Default)]
pub(crate) struct Chunked {
    at: At,
    extensions: usize,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers(HeadScanner),
}

impl Chunked {
    pub(crate) fn decode(&mut self, bytes: &mut BytesMut) -> Result<Decoded, BodyError> {
        loop {
            match &mut self.at {
                At::Size => {
                    let Some(line) = line(bytes)? else { return Ok(Decoded::More) };
                    let (size, extensions) = size(&bytes[..line])?;
                    self.extensions += extensions;
                    if self.extensions > MOST_EXTENSIONS {
                        return Err(BodyError::Chunk("the chunks have too many extensions"));
                    }
                    bytes.advance(line + 2);
                    self.at = if size == 0 { At::Trailers(HeadScanner::default()) } else { At::Data(size) };
                }
                At::Data(left) => {
                    if bytes.is_empty() {
                        return Ok(Decoded::More);
                    }
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= count as u64;
                    if *left == 0 {
                        self.at = At::DataEnd;
                    }
                    return Ok(Decoded::Data(bytes.split_to(count).freeze()));
                }
                At::DataEnd => {
                    if !b"\r\n".starts_with(&bytes[..bytes.len().min(2)]) {
                        return Err(BodyError::Chunk("a chunk does not end where it should"));
                    }
                    if bytes.len() < 2 {
                        return Ok(Decoded::More);
                    }
                    bytes.advance(2);
                    self.at = At::Size;
                }
                At::Trailers(scanner) => {
                    let end = scanner.find(bytes, MOST_TRAILERS);
                    let end =
                        end.map_err(|_| BodyError::Trailers("the trailers are malformed or too large"))?;
                    let Some(end) = end else { return Ok(Decoded::More) };
                    let head = bytes.split_to(end);
                    return if end == 2 { Ok(Decoded::End) } else { trailers(&head).map(Decoded::Trailers) };
                }
            }
        }
    }
}

/// Where the first line ends, without its end.
fn line(bytes: &[u8]) -> Result<Option<usize>, BodyError> {
    let Some(feed) = memchr(b'\n', &bytes[..bytes.len().min(MOST_LINE + 2)]) else {
        return if bytes.len() > MOST_LINE + 1 {
            Err(BodyError::Chunk("the line with the size of a chunk is too long"))
        } else {
            Ok(None)
        };
    };
    match bytes[..feed].split_last() {
        Some((b'\r', line)) => Ok(Some(line.len())),
        _ => Err(BodyError::Chunk("a line ends without a carriage return")),
    }
}

/// The size of a chunk, and how long its extensions are.
fn size(line: &[u8]) -> Result<(u64, usize), BodyError> {
    let wrong = BodyError::Chunk("the size of a chunk is not a hexadecimal number");
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, rest) = line.split_at(digits);
    if digits == 0 || digits > 16 {
        return Err(wrong);
    }
    let size = number.iter().fold(0_u64, |sum, digit| {
        let digit = (*digit as char).to_digit(16).expect("these are hexadecimal digits");
        (sum << 4) | u64::from(digit)
    });
    match rest.trim_ascii_start().first() {
        // Some servers fill the field with blanks.
        None => Ok((size, rest.len())),
        Some(b';') if is_extension(rest) => Ok((size, rest.len())),
        Some(_) => Err(wrong),
    }
}

/// Nobody does anything with extensions, so it is enough that everybody agrees where they end.
fn is_extension(text: &[u8]) -> bool {
    let quotes = text.iter().filter(|byte| **byte == b'"').count();
    quotes % 2 == 0 && text.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

/// Whether a field may be a trailer.
pub(crate) fn is_trailer(name: &HeaderName) -> bool {
    FORBIDDEN.binary_search(&name.as_str()).is_err()
}

fn trailers(bytes: &[u8]) -> Result<HeaderMap, BodyError> {
    let wrong = BodyError::Trailers("the trailers are malformed");
    let mut lines = [httparse::EMPTY_HEADER; MOST_TRAILER_FIELDS];
    let Ok(httparse::Status::Complete((_, lines))) = httparse::parse_headers(bytes, &mut lines) else {
        return Err(wrong);
    };
    let mut map = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| wrong)?;
        if !is_trailer(&name) {
            continue;
        }
        map.append(name, HeaderValue::from_bytes(line.value).map_err(|_| wrong)?);
    }
    Ok(map)
}
