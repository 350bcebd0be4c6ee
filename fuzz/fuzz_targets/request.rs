//! Requests as they come from clients: the whole way of a connection's bytes through head and body.
//!
//! What is accepted must have one meaning: it is the same in whatever pieces it comes, and written anew and read again
//! it is the same request; its bytes have nothing that another program could take for another end of line or length.
#![no_main]

use bytes::{Bytes, BytesMut};
use fairway_http1::{BodyDecoder, Decoded, Framing, HeadScanner, encode, request_head, skip_empty_lines};
use http::{HeaderMap, HeaderValue};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 16 * 1024;
const FIELDS: usize = 64;

/// What was read from the beginning of a connection.
#[derive(Debug, PartialEq)]
struct Read {
    method: String,
    target: String,
    headers: HeaderMap,
    framing: Framing,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// Of the bytes that were given, how many belong to it.
    used: usize,
}

/// Reads one request from bytes that come in pieces of this size. None when it is refused or not complete.
fn read(data: &[u8], piece: usize) -> Option<Read> {
    read_fields(data, piece, FIELDS)
}

/// The same with at most so many fields.
fn read_fields(data: &[u8], piece: usize, fields: usize) -> Option<Read> {
    let mut pieces = data.chunks(piece.max(1));
    let mut buffer = BytesMut::new();
    let mut scanner = HeadScanner::default();
    let mut given = 0;
    let mut more = |buffer: &mut BytesMut, given: &mut usize| {
        let next = pieces.next()?;
        *given += next.len();
        buffer.extend_from_slice(next);
        Some(())
    };
    let mut begun = false;
    let end = loop {
        if !begun {
            skip_empty_lines(&mut buffer);
            // A single CR may be the first half of an empty line.
            begun = !buffer.is_empty() && buffer[..] != b"\r"[..];
        }
        if begun && let Some(end) = scanner.find(&buffer, LIMIT).ok()? {
            break end;
        }
        more(&mut buffer, &mut given)?;
    };
    let bytes = buffer.split_to(end).freeze();
    let head = request_head(&bytes, fields).ok()?;
    check(&bytes, head.headers.view(), head.framing);
    let mut decoder = BodyDecoder::new(head.framing);
    let mut body = Vec::new();
    let trailers = loop {
        match decoder.decode(&mut buffer).ok()? {
            Decoded::Data(data) => {
                assert!(!data.is_empty(), "a piece of nothing");
                body.extend_from_slice(&data);
            }
            Decoded::Trailers(trailers) => break Some(trailers),
            Decoded::End => break None,
            Decoded::More => more(&mut buffer, &mut given)?,
        }
    };
    assert!(decoder.is_over());
    if let Framing::Length(length) = head.framing {
        assert_eq!(length, body.len() as u64);
    }
    Some(Read {
        method: head.method.to_string(),
        target: head.target.to_string(),
        headers: head.headers.into_map(),
        framing: head.framing,
        body,
        trailers,
        used: given - buffer.len(),
    })
}

/// What is true of every head that is accepted.
fn check(bytes: &Bytes, headers: &HeaderMap, framing: Framing) {
    for (at, byte) in bytes.iter().enumerate() {
        assert_ne!(*byte, 0, "NUL");
        assert!(*byte != b'\n' || bytes[at - 1] == b'\r', "bare LF");
        assert!(*byte != b'\r' || bytes.get(at + 1) == Some(&b'\n'), "bare CR");
    }
    assert!(headers.get_all(HOST).iter().count() < 2, "two hosts");
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(TRANSFER_ENCODING).iter().count();
    match framing {
        Framing::Empty => assert_eq!((lengths, codings), (0, 0)),
        Framing::Length(length) => {
            assert_eq!((lengths, codings), (1, 0));
            let value = headers[CONTENT_LENGTH].to_str().expect("digits");
            assert!(value.bytes().all(|it| it.is_ascii_digit()));
            assert_eq!(value.parse(), Ok(length));
        }
        Framing::Chunked => {
            assert_eq!((lengths, codings), (0, 1));
            assert!(headers[TRANSFER_ENCODING].as_bytes().eq_ignore_ascii_case(b"chunked"));
        }
        Framing::UntilClose => panic!("a request does not end with its connection"),
    }
}

/// The bytes that would be sent on.
fn write(read: &Read) -> Vec<u8> {
    let mut out = Vec::new();
    let method = read.method.parse().expect("it was one");
    // HTTP/1.0 may do without a host; what is sent on may not.
    let mut headers = read.headers.clone();
    headers.entry(HOST).or_insert(HeaderValue::from_static("unnamed"));
    encode::request(&mut out, &method, &read.target, &headers, &[], read.framing);
    if read.framing == Framing::Chunked {
        for piece in read.body.chunks(100) {
            encode::chunk_start(&mut out, piece.len());
            out.extend_from_slice(piece);
            out.extend_from_slice(encode::CHUNK_END);
        }
        encode::last_chunk(&mut out, read.trailers.as_ref());
    } else {
        out.extend_from_slice(&read.body);
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let Some(whole) = read(data, usize::MAX) else {
        assert!(read(data, 1).is_none(), "refused as a whole, accepted in pieces");
        return;
    };
    let pieces = read(data, 1).expect("accepted as a whole, refused in pieces");
    assert_eq!(Read { used: whole.used, ..pieces }, whole);
    // What is written has nothing before and nothing behind, and is read as what it was.
    let written = write(&whole);
    // With the host that was added it may have a field more.
    let again = read_fields(&written, usize::MAX, FIELDS + 1).expect("what was accepted and written is accepted");
    assert_eq!(again.used, written.len());
    let strip = |headers: &HeaderMap| {
        let mut headers = headers.clone();
        headers.remove(TRANSFER_ENCODING);
        headers.remove(CONTENT_LENGTH);
        if !whole.headers.contains_key(HOST) {
            headers.remove(HOST);
        }
        headers
    };
    assert_eq!(
        (&again.method, &again.target, strip(&again.headers), again.framing, &again.body),
        (&whole.method, &whole.target, strip(&whole.headers), whole.framing, &whole.body)
    );
    let none = HeaderMap::new();
    assert_eq!(again.trailers.as_ref().unwrap_or(&none), whole.trailers.as_ref().unwrap_or(&none));
});
