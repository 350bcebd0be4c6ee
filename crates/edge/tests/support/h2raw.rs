//! HTTP/2 as frames, written and read by hand: what no well-behaved client would send.
//!
//! Header blocks are written with literals only (RFC 7541, 6.2.2, no Huffman), so that every byte can be chosen. Of
//! those that come back only the status is read.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::net::SocketAddr;

use crate::raw::{Wire, soon};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Error codes (RFC 9113, 7).
pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Self {
        Self { kind, flags, stream, payload: payload.as_ref().to_vec() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], self.kind, self.flags];
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// The code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// An integer of HPACK (RFC 7541, 5.1) with this prefix.
pub fn integer(first: u8, bits: u32, mut value: usize) -> Vec<u8> {
    let most = (1usize << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![first | u8::try_from(most).unwrap()];
    value -= most;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A header block of literals that enter no table.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            bytes.extend(integer(0, 7, text.len()));
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

/// The pseudo-header fields of a request, and more.
pub fn fields<'a>(method: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields =
        vec![(":method", method), (":scheme", "http"), (":authority", "edge.test"), (":path", path)];
    fields.extend_from_slice(more);
    fields
}

pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Frame {
    Frame::new(HEADERS, END_HEADERS | flags, stream, block(fields))
}

/// The status of a response, from its header block: RFC 9113, 8.3 has it come first.
pub fn status(block: &[u8]) -> u16 {
    match block[0] {
        // Indexed (RFC 7541, appendix A).
        first @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(first - 0x88)],
        // A size update of the table comes before everything else.
        first if first & 0xe0 == 0x20 => status(&block[1..]),
        // A literal with the name of entries 8 to 14.
        first
            if (0x48..=0x4e).contains(&first)
                || (0x08..=0x0e).contains(&first)
                || (0x18..=0x1e).contains(&first) =>
        {
            let length = usize::from(block[1] & 0x7f);
            let value = &block[2..2 + length];
            let digits = if block[1] & 0x80 == 0 {
                String::from_utf8_lossy(value).into_owned()
            } else {
                huffman_digits(value)
            };
            digits.parse().unwrap_or(0)
        }
        other => panic!("the header block of a response begins with {other:#x}"),
    }
}

/// Three digits in the Huffman code of RFC 7541, appendix B: 0, 1, 2 have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |it| byte >> it & 1)).collect();
    let (mut at, mut digits) = (0, String::new());
    let read = |at: usize, count: usize| bits[at..at + count].iter().fold(0, |all, bit| all << 1 | bit);
    while digits.len() < 3 {
        let short = read(at, 5);
        if short < 3 {
            digits.push(char::from(b'0' + short));
            at += 5;
        } else {
            digits.push(char::from(b'3' + read(at, 6) - 0x19));
            at += 6;
        }
    }
    digits
}

/// What came of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with an error, or the end of the connection.
    Gone(Option<u32>),
}

/// A client.
pub struct Http2 {
    pub wire: Wire,
}

impl Http2 {
    /// Sends the preface and settings, and sees those of the server.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut wire = Wire::connect(address).await;
        wire.send(PREFACE).await;
        let mut client = Self { wire };
        client.send(Frame::new(SETTINGS, 0, 0, [])).await;
        let first = client.next().await.expect("settings");
        assert_eq!(first.kind, SETTINGS, "{first:?}");
        client.send(Frame::new(SETTINGS, ACK, 0, [])).await;
        client
    }

    pub async fn send(&mut self, frame: Frame) {
        self.wire.send(frame.bytes()).await;
    }

    /// Sends what the server may refuse to read.
    pub async fn try_send(&mut self, frame: Frame) -> bool {
        self.wire.try_send(frame.bytes()).await.is_ok()
    }

    /// The next frame; none at the end of the connection. Pings are answered.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            while self.wire.buffer.len() < 9 && !self.wire.ended {
                soon("a frame", self.wire.fill()).await;
            }
            if self.wire.buffer.len() < 9 {
                return None;
            }
            let head: [u8; 9] = self.wire.buffer[..9].try_into().unwrap();
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            while self.wire.buffer.len() < 9 + length && !self.wire.ended {
                soon("the rest of a frame", self.wire.fill()).await;
            }
            if self.wire.buffer.len() < 9 + length {
                return None;
            }
            let frame = Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff,
                payload: self.wire.buffer[9..9 + length].to_vec(),
            };
            self.wire.buffer.drain(..9 + length);
            if frame.kind == PING && frame.flags & ACK == 0 {
                let pong = Frame::new(PING, ACK, 0, frame.payload);
                let _ = self.try_send(pong).await;
                continue;
            }
            return Some(frame);
        }
    }

    /// What comes of a stream. Frames of other streams are passed over.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        while let Some(frame) = self.next().await {
            match frame.kind {
                HEADERS if frame.stream == stream => {
                    let status = status(&frame.payload);
                    if status >= 200 {
                        return Answer::Status(status);
                    }
                }
                RST_STREAM if frame.stream == stream => return Answer::Reset(frame.code()),
                GOAWAY if frame.code() != NO_ERROR => return Answer::Gone(Some(frame.code())),
                _ => {}
            }
        }
        Answer::Gone(None)
    }

    /// Whether the connection still serves: a GET on this stream is answered.
    pub async fn serves(&mut self, stream: u32) -> bool {
        let request = headers(stream, END_STREAM, &fields("GET", "/serves", &[]));
        self.try_send(request).await && self.answer(stream).await == Answer::Status(200)
    }
}
