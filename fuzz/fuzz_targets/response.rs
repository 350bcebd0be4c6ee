//! Answers as they come from instances: head and body, in whatever pieces. The first byte chooses the method that is
//! answered and whether the connection ends behind the bytes.
#![no_main]

use bytes::BytesMut;
use fairway_http1::{BodyDecoder, Decoded, Framing, HeadScanner, encode, response_head};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Read {
    status: StatusCode,
    headers: HeaderMap,
    framing: Framing,
    persistent: bool,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// What is not about framing.
fn meant(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    headers
}

fn read(data: &[u8], method: &Method, ends: bool, piece: usize) -> Option<Read> {
    let mut pieces = data.chunks(piece.max(1));
    let mut buffer = BytesMut::new();
    let mut scanner = HeadScanner::default();
    let end = loop {
        if let Some(end) = scanner.find(&buffer, 16 * 1024).ok()? {
            break end;
        }
        buffer.extend_from_slice(pieces.next()?);
    };
    let head = response_head(&buffer.split_to(end).freeze(), method, 64).ok()?;
    if method == Method::HEAD || head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED {
        assert_eq!(head.framing, Framing::Empty, "an answer that has no body");
    }
    if head.framing == Framing::UntilClose {
        assert!(!head.persistent, "it ends with its connection");
    }
    let mut decoder = BodyDecoder::new(head.framing);
    let mut body = Vec::new();
    let trailers = loop {
        match decoder.decode(&mut buffer).ok()? {
            Decoded::Data(data) => body.extend_from_slice(&data),
            Decoded::Trailers(trailers) => break Some(trailers),
            Decoded::End => break None,
            Decoded::More => match pieces.next() {
                Some(next) => buffer.extend_from_slice(next),
                None if ends => {
                    decoder.closed().ok()?;
                    break None;
                }
                None => return None,
            },
        }
    };
    let (status, framing, persistent) = (head.status, head.framing, head.persistent);
    let lines = head.headers;
    let headers = lines.clone().into_map();
    let mut written = Vec::new();
    encode::response(&mut written, Version::HTTP_11, status, &lines, &[], framing);
    let again = response_head(&BytesMut::from(&written[..]).freeze(), method, 256);
    let again = again.unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    assert_eq!(meant(&headers), meant(&again.headers.into_map()), "lines mean what their map means");
    Some(Read { status, headers, framing, persistent, body, trailers })
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let method = [Method::GET, Method::HEAD, Method::POST, Method::CONNECT][usize::from(first & 3)].clone();
    let ends = first & 4 != 0;
    let whole = read(data, &method, ends, usize::MAX);
    let pieces = read(data, &method, ends, 1);
    assert_eq!(whole, pieces);
    let Some(whole) = whole else { return };
    // Written for a client it has one length at most.
    let framing = if whole.framing == Framing::UntilClose { Framing::Chunked } else { whole.framing };
    let mut out = Vec::new();
    encode::response(&mut out, Version::HTTP_11, whole.status, &whole.headers, &[], framing);
    let head = response_head(&BytesMut::from(&out[..]).freeze(), &method, 80);
    let Ok(head) = head else { panic!("what was accepted and written is not: {}", out.escape_ascii()) };
    let headers = head.headers.into_map();
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(TRANSFER_ENCODING).iter().count();
    assert!(codings == 0 || framing == Framing::Chunked, "{}", out.escape_ascii());
    assert!(codings == 0 || lengths == 0, "{}", out.escape_ascii());
});
