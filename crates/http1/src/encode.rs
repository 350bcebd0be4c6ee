//! Messages as bytes.
//!
//! Headers are written in their map's order with lower-case names. `Transfer-Encoding` and `Content-Length` of a map are
//! not: the [`Framing`] says which of them the message gets.

use std::io::IoSlice;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};

use crate::chunked::is_trailer;
use crate::fields::Headers;
use crate::framing::Framing;

/// The head of a request; `target` in the form in which it is to be sent, `more` as further
/// headers but for those with an empty value.
pub fn request(
    out: &mut Vec<u8>,
    method: &Method,
    target: &str,
    headers: &impl Fields,
    more: &[(&str, &[u8])],
    framing: Framing,
) {
    out.reserve(512 + target.len());
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    headers.write(out, false);
    for (name, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
        line(out, name, value);
    }
    end(out, framing);
}

/// The head of a response to a client that speaks `version`, with `more` as further headers. With [`Framing::Empty`] a
/// `Content-Length` of its own is kept: answers to HEAD and 304 say how long the body would be.
pub fn response(
    out: &mut Vec<u8>,
    version: Version,
    status: StatusCode,
    headers: &impl Fields,
    more: &[(&str, &[u8])],
    framing: Framing,
) {
    out.reserve(512);
    out.extend_from_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
    headers.write(out, framing == Framing::Empty && !forbids_length(status));
    for (name, value) in more {
        line(out, name, value);
    }
    end(out, framing);
}

/// What header fields are written from.
pub trait Fields {
    /// Writes them, without `Transfer-Encoding`, and with `Content-Length` only if it is to be kept.
    fn write(&self, out: &mut Vec<u8>, keep_length: bool);
}

impl Fields for HeaderMap {
    fn write(&self, out: &mut Vec<u8>, keep_length: bool) {
        fields(out, self, keep_length);
    }
}

impl Fields for Headers {
    fn write(&self, out: &mut Vec<u8>, keep_length: bool) {
        match self {
            Self::Lines(lines) => lines.write(out, keep_length),
            Self::Map(map) => fields(out, map, keep_length),
        }
    }
}

/// RFC 9110, 8.6.
fn forbids_length(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT
}

fn fields(out: &mut Vec<u8>, headers: &HeaderMap, keep_length: bool) {
    for (name, value) in headers {
        if *name == TRANSFER_ENCODING || (*name == CONTENT_LENGTH && !keep_length) {
            continue;
        }
        field(out, name, value);
    }
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    line(out, name.as_str(), value.as_bytes());
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    // Once, and not for each of the four parts.
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn end(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Empty | Framing::UntilClose => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// What comes before the bytes of a chunk; [`CHUNK_END`] comes behind them. A chunk has at least one byte.
pub fn chunk_start(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length > 0, "an empty chunk would end the body");
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut left = length;
    while left > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left % 16];
        left /= 16;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Behind the bytes of each chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The end of a body in chunks. Trailers that would change what the message means are left out.
pub fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if is_trailer(name) {
            field(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(left % 10) as usize];
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Bytes on their way out: a head or the start of a chunk, data, and what comes behind it. Nothing is copied together;
/// whoever writes uses all parts at once ([`Outgoing::slices`]).
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Comes first.
    pub start: Vec<u8>,
    /// Comes then.
    pub data: Bytes,
    /// Comes last.
    pub end: &'static [u8],
    written: usize,
}

impl Outgoing {
    /// These bytes.
    pub fn new(start: Vec<u8>) -> Self {
        Self { start, ..Self::default() }
    }

    /// What is still to be written.
    pub fn slices(&self) -> [IoSlice<'_>; 3] {
        let mut skip = self.written;
        [&self.start[..], &self.data[..], self.end].map(|part| {
            let gone = skip.min(part.len());
            skip -= gone;
            IoSlice::new(&part[gone..])
        })
    }

    /// What is still to be written, if it is in one piece: writing that is cheaper than writing a list.
    pub fn one_slice(&self) -> Option<&[u8]> {
        let (start, data) = (self.start.len(), self.data.len());
        let behind = self.end.len();
        if self.written < start {
            (data == 0 && behind == 0).then(|| &self.start[self.written..])
        } else if self.written < start + data {
            (behind == 0).then(|| &self.data[self.written - start..])
        } else {
            Some(&self.end[self.written - start - data..])
        }
    }

    /// So many bytes of it were written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
    }

    /// How many bytes of it were written.
    pub fn written(&self) -> usize {
        self.written
    }

    /// How many bytes are still to be written.
    pub fn left(&self) -> usize {
        self.start.len() + self.data.len() + self.end.len() - self.written
    }

    /// Begins again: to be written to somebody else.
    pub fn rewind(&mut self) {
        self.written = 0;
    }

    /// Forgets everything; the memory of the start is kept.
    pub fn clear(&mut self) {
        self.start.clear();
        self.data = Bytes::new();
        self.end = &[];
        self.written = 0;
    }
}
