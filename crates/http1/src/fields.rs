//! Header fields: what a head's framing depends on, and the lines of a message that goes on.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use httparse::Header;
use memchr::memchr;

use crate::error::HeadError;
use crate::present::Present;

/// How many lines a set of them can tell apart.
const TOLD_APART: usize = u64::BITS as usize;

/// What is meant for one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: Present = Present::CONNECTION
    .and(Present::KEEP_ALIVE)
    .and(Present::PROXY_CONNECTION)
    .and(Present::TRANSFER_ENCODING)
    .and(Present::UPGRADE);

/// What is known of a head after one look at its lines.
#[derive(Debug, Default)]
pub(crate) struct Survey<'a> {
    pub(crate) present: Present,
    pub(crate) length: Seen<'a>,
    pub(crate) coding: Seen<'a>,
    pub(crate) host: Seen<'a>,
    pub(crate) expectation: Seen<'a>,
    /// What `Connection` says.
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    /// Whether `Connection` names fields that belong to this connection, too.
    pub(crate) names: bool,
    /// Whether the body is an event stream, by its `Content-Type`.
    pub(crate) event_stream: bool,
    hop_by_hop: u64,
    lengths: u64,
    codings: u64,
}

/// The values of a field.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen<'a> {
    pub(crate) first: Option<&'a [u8]>,
    pub(crate) again: bool,
    pub(crate) differs: bool,
}

impl<'a> Seen<'a> {
    fn add(&mut self, value: &'a [u8]) {
        match self.first {
            None => self.first = Some(value),
            Some(first) => {
                self.again = true;
                self.differs |= first != value;
            }
        }
    }
}

impl<'a> Survey<'a> {
    pub(crate) fn of(lines: &[Header<'a>]) -> Self {
        let mut survey = Self::default();
        for (number, line) in lines.iter().enumerate() {
            let kind = Present::named(line.name.as_bytes());
            if kind == Present::default() {
                continue;
            }
            survey.present = survey.present.and(kind);
            let bit = 1_u64.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
            if kind.has(HOP_BY_HOP) {
                survey.hop_by_hop |= bit;
            }
            match kind {
                Present::CONTENT_LENGTH => {
                    survey.length.add(line.value);
                    survey.lengths |= bit;
                }
                Present::TRANSFER_ENCODING => {
                    survey.coding.add(line.value);
                    survey.codings |= bit;
                }
                Present::HOST => survey.host.add(line.value),
                Present::EXPECT => survey.expectation.add(line.value),
                Present::CONNECTION => survey.connection(line.value),
                Present::CONTENT_TYPE => survey.event_stream |= is_event_stream(line.value),
                _ => {}
            }
        }
        survey
    }

    fn connection(&mut self, value: &[u8]) {
        for option in tokens(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if !option.eq_ignore_ascii_case(b"upgrade") {
                self.names = true;
            }
        }
    }
}

fn is_event_stream(kind: &[u8]) -> bool {
    const KIND: &[u8] = b"text/event-stream";
    kind.get(..KIND.len()).is_some_and(|start| start.eq_ignore_ascii_case(KIND))
}

/// The header fields of a message that goes on: as the lines that came, as long as nobody wants to see or change them.
#[derive(Clone, Debug)]
pub enum Headers {
    /// The lines of the head.
    Lines(Lines),
    /// Anything else.
    Map(HeaderMap),
}

impl Headers {
    /// As a map to be looked at.
    pub fn view(&self) -> &HeaderMap {
        match self {
            Self::Map(map) => map,
            Self::Lines(lines) => lines.view.get_or_init(|| Box::new(lines.map())),
        }
    }

    /// As a map to be changed.
    pub fn map(&mut self) -> &mut HeaderMap {
        if let Self::Lines(lines) = self {
            let viewed = lines.view.take().map(|map| *map);
            *self = Self::Map(viewed.unwrap_or_else(|| lines.map()));
        }
        match self {
            Self::Map(map) => map,
            Self::Lines(_) => unreachable!("it was replaced"),
        }
    }

    /// As a map to be kept.
    #[must_use]
    pub fn into_map(mut self) -> HeaderMap {
        std::mem::take(self.map())
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self::Map(HeaderMap::new())
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self::Map(map)
    }
}

/// The lines of a head. Making a map of them, to write it out again right away, is what costs most in passing on a
/// message.
#[derive(Clone, Debug)]
pub struct Lines {
    head: Bytes,
    /// Where the first one begins.
    start: usize,
    /// Sets of lines, by number.
    hop_by_hop: u64,
    lengths: u64,
    codings: u64,
    left_out: u64,
    /// A line, or nothing, that is added.
    more: &'static str,
    present: Present,
    /// Whether `Connection` names fields that belong to this connection, too.
    names_fields: bool,
    host: Option<(usize, usize)>,
    /// Made for whoever looked, as long as nothing was changed.
    view: OnceLock<Box<HeaderMap>>,
}

impl Lines {
    /// Those of `head`, unless there are too many.
    pub(crate) fn new(head: &Bytes, lines: &[Header<'_>], survey: &Survey<'_>) -> Option<Self> {
        // The lines are passed on with their ends.
        if lines.len() > TOLD_APART || !head.ends_with(b"\r\n") {
            return None;
        }
        let place = |part: &[u8]| part.as_ptr() as usize - head.as_ptr() as usize;
        let start = lines.first().map_or(head.len() - 2, |line| place(line.name.as_bytes()));
        let host = survey.host.first.map(|host| (place(host), place(host) + host.len()));
        let Survey { hop_by_hop, lengths, codings, present, names: names_fields, .. } = *survey;
        let (head, left_out, more, view) = (head.clone(), 0, "", OnceLock::new());
        Some(Self {
            head,
            start,
            hop_by_hop,
            lengths,
            codings,
            left_out,
            more,
            present,
            names_fields,
            host,
            view,
        })
    }

    /// Which of the headers that matter are there.
    pub fn present(&self) -> Present {
        self.present
    }

    /// Whether `Connection` names fields that are meant for this connection only: they must be found in the map.
    pub fn names_fields(&self) -> bool {
        self.names_fields
    }

    /// The value of `Host`.
    pub fn host(&self) -> Option<Bytes> {
        self.host.map(|(from, to)| self.head.slice(from..to))
    }

    /// The same, borrowed.
    pub fn host_bytes(&self) -> Option<&[u8]> {
        self.host.map(|(from, to)| &self.head[from..to])
    }

    /// Leaves out what is meant for one connection only.
    pub fn leave_out_hop_by_hop(&mut self) {
        self.left_out = self.hop_by_hop;
        self.view = OnceLock::new();
    }

    /// Adds a whole line, with its end. Only the last one that is added counts.
    pub fn add(&mut self, line: &'static str) {
        self.more = line;
        self.view = OnceLock::new();
    }

    /// Writes those that are not left out. No `Transfer-Encoding`, and a `Content-Length` only if it is to be kept.
    pub(crate) fn write(&self, out: &mut Vec<u8>, keep_length: bool) {
        let mut left_out = self.left_out | self.codings | if keep_length { 0 } else { self.lengths };
        let lines = &self.head[self.start..self.head.len() - 2];
        out.reserve(lines.len() + self.more.len());
        let (mut from, mut at) = (0, 0);
        while left_out != 0 {
            let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |feed| at + feed + 1);
            if left_out & 1 == 1 {
                out.extend_from_slice(&lines[from..at]);
                from = end;
            }
            left_out >>= 1;
            at = end;
        }
        out.extend_from_slice(&lines[from..]);
        out.extend_from_slice(self.more.as_bytes());
    }

    /// As a map, without those that are left out.
    fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(16);
        let (mut at, end) = (self.start, self.head.len() - 2);
        let mut left_out = self.left_out;
        while at < end {
            let feed = memchr(b'\n', &self.head[at..end]).map_or(end, |feed| at + feed + 1);
            if left_out & 1 == 0 {
                append(&mut map, &self.head.slice(at..feed));
            }
            left_out >>= 1;
            at = feed;
        }
        append(&mut map, &Bytes::from_static(self.more.as_bytes()));
        map
    }
}

/// A line that a parser has accepted already.
fn append(map: &mut HeaderMap, line: &Bytes) {
    let Some(colon) = memchr(b':', line) else { return };
    let value = line.slice_ref(line[colon + 1..].trim_ascii());
    let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_maybe_shared(value));
    if let (Ok(name), Ok(value)) = (name, value) {
        map.append(name, value);
    }
}

/// Field lines as a map; the values share the bytes of the head.
pub(crate) fn map(head: &Bytes, lines: &[Header<'_>]) -> Result<HeaderMap, HeadError> {
    // Room for what is added on the way.
    let mut map = HeaderMap::with_capacity(lines.len() + 4);
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| HeadError::Malformed("a header name is not a token"))?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(line.value))
            .map_err(|_| HeadError::Malformed("a header value has forbidden bytes"))?;
        map.append(name, value);
    }
    Ok(map)
}

/// The elements of a list header (RFC 9110, 5.6.1).
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use crate::framing::Framing;
    use crate::response::response_head;
    use http::{Method, StatusCode, Version};
    use proptest::prelude::*;

    fn headers(lines: &str) -> Headers {
        let head = Bytes::from(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
        response_head(&head, &Method::GET, 256).unwrap().headers
    }

    fn written(headers: &Headers, framing: Framing) -> String {
        let mut out = Vec::new();
        encode::response(&mut out, Version::HTTP_11, StatusCode::OK, headers, &[("x", b"y")], framing);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_go_on_as_they_came() {
        let lines = "Server: a\r\nContent-Length: 3\r\nConnection: keep-alive\r\nX-Two: 1\r\nx-two:2 \r\nKeep-Alive: 5\r\n";
        let mut headers = headers(lines);
        assert_eq!(
            written(&headers, Framing::Length(3)),
            "HTTP/1.1 200 OK\r\nServer: a\r\nConnection: keep-alive\r\nX-Two: 1\r\nx-two:2 \r\nKeep-Alive: 5\r\n\
             x: y\r\ncontent-length: 3\r\n\r\n"
        );
        let Headers::Lines(lines) = &mut headers else { panic!("{headers:?}") };
        lines.leave_out_hop_by_hop();
        lines.add("via: 1.1 a\r\n");
        let rest = "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 3\r\nX-Two: 1\r\nx-two:2 \r\nvia: 1.1 a\r\nx: y\r\n\r\n";
        assert_eq!(written(&headers, Framing::Empty), rest);
        let map = headers.into_map();
        let all: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected =
            [("server", "a"), ("content-length", "3"), ("x-two", "1"), ("x-two", "2"), ("via", "1.1 a")];
        assert_eq!(all, expected);
    }

    #[test]
    fn how_a_body_was_framed_does_not_go_on() {
        let headers = headers("Transfer-Encoding: chunked\r\nServer: a\r\n");
        let expected = "HTTP/1.1 200 OK\r\nServer: a\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(written(&headers, Framing::Chunked), expected);
    }

    #[test]
    fn many_lines_are_a_map() {
        let line = |number: usize| format!("n{number}: {number}\r\n");
        let lines: String = (0..TOLD_APART).map(line).collect();
        assert!(matches!(headers(&lines), Headers::Lines(_)));
        let lines = lines + "Transfer-Encoding: chunked\r\n";
        let headers = headers(&lines);
        assert!(matches!(headers, Headers::Map(_)));
        assert!(written(&headers, Framing::Empty).ends_with("n63: 63\r\nx: y\r\n\r\n"));
    }

    #[test]
    fn no_lines_at_all() {
        let mut headers = headers("");
        assert_eq!(written(&headers, Framing::Empty), "HTTP/1.1 200 OK\r\nx: y\r\n\r\n");
        assert!(headers.map().is_empty());
    }

    proptest! {
        /// Written as lines a message says the same as written from its map.
        #[test]
        fn lines_and_map_say_the_same(
            fields in prop::collection::vec(
                ("(X-[a-z]{1,3}|Content-Length|Connection|Upgrade|Keep-Alive|Date)", "( |\t)?[ -~]{0,9}"), 0..70),
            keep in any::<bool>(),
        ) {
            let lines: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
            let head = Bytes::from(format!("HTTP/1.1 204 No Content\r\n{lines}\r\n"));
            let read = |head: &Bytes| response_head(head, &Method::GET, 256).unwrap().headers;
            let mut headers = read(&head);
            if let Headers::Lines(lines) = &mut headers && keep {
                lines.leave_out_hop_by_hop();
            }
            let as_lines = written(&headers, Framing::Chunked);
            let map = headers.into_map();
            let as_map = written(&Headers::Map(map), Framing::Chunked);
            let one = read(&as_lines.replacen("200 OK", "204 No Content", 1).into()).into_map();
            let two = read(&as_map.replacen("200 OK", "204 No Content", 1).into()).into_map();
            prop_assert_eq!(one, two);
        }
    }
}
