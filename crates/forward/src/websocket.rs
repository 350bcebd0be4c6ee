//! Enough of WebSocket to answer for a server of HTTP/2, and of its framing to say goodbye between two frames.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What a server shows to prove that it has understood the request for a WebSocket with this key (RFC 6455, 4.2.2).
pub(crate) fn accept(key: &[u8]) -> HeaderValue {
    const APPENDIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, APPENDIX].concat());
    HeaderValue::try_from(STANDARD.encode(digest)).expect("base64 is visible ASCII")
}

/// The frame that a server sends before it goes away for a moment: close, 1012 (service restart).
pub(crate) const CLOSE_RESTART: [u8; 4] = [0x88, 0x02, 0x03, 0xf4];

/// Follows the frames that one side sends, to know where one ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    /// What has been seen of the header of the frame that comes next.
    header: [u8; 14],
    seen: usize,
    /// What is still to come of the payload of the frame that has begun.
    payload: u64,
    /// Whether a close frame has gone through.
    closed: bool,
}

impl Frames {
    /// Whether a frame may be put in here.
    pub(crate) fn at_boundary(&self) -> bool {
        self.seen == 0 && self.payload == 0
    }

    /// Whether this side has said goodbye.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Looks at what comes next. Returns how many of these bytes come before the first boundary, all of them if
    /// there is none among them.
    pub(crate) fn first_boundary(&self, bytes: &[u8]) -> usize {
        let mut ahead = self.clone();
        let mut passed = 0;
        while passed < bytes.len() && !ahead.at_boundary() {
            passed += ahead.step(&bytes[passed..]);
        }
        passed
    }

    /// Takes what was sent.
    pub(crate) fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.step(rest)..];
        }
    }

    /// Goes on by a byte of a header or by what there is of a payload; returns by how much.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let taken = self.payload.min(there);
            self.payload -= taken;
            return usize::try_from(taken).expect("no more than there is");
        }
        self.header[self.seen] = bytes[0];
        self.seen += 1;
        if let Some(payload) = self.complete() {
            self.closed |= self.header[0] & 0x0f == 0x08;
            self.payload = payload;
            self.seen = 0;
        }
        1
    }

    /// The length of the payload, once the header is whole.
    fn complete(&self) -> Option<u64> {
        if self.seen < 2 {
            return None;
        }
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        let short = self.header[1] & 0x7f;
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.seen < 2 + extended + mask {
            return None;
        }
        let long = self.header[2..2 + extended].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        Some(if extended == 0 { u64::from(short) } else { long })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        match length {
            0..126 => bytes.push(length as u8),
            126..65_536 => {
                bytes.push(126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + length, 0xff);
        bytes
    }

    /// The example of RFC 6455, 1.3.
    #[test]
    fn a_key_is_accepted() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_close_frame_is_noticed() {
        let mut frames = Frames::default();
        frames.follow(&frame(1, 8));
        assert!(frames.at_boundary() && !frames.is_closed());
        frames.follow(&CLOSE_RESTART);
        assert!(frames.at_boundary() && frames.is_closed());
    }

    proptest! {
        /// However the bytes arrive, the boundaries are where the frames end.
        #[test]
        fn boundaries(
            lengths in prop::collection::vec(prop_oneof![0usize..4, 120usize..130, 65_530usize..65_540], 1..5),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut stream = Vec::new();
            let mut ends = std::collections::BTreeSet::from([0]);
            for length in lengths {
                stream.extend(frame(2, length));
                ends.insert(stream.len());
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.push(stream.len());
            cuts.sort_unstable();
            let mut frames = Frames::default();
            let mut from = 0;
            for cut in cuts {
                let piece = &stream[from..cut];
                let boundary = from + frames.first_boundary(piece);
                let expect = ends.iter().copied().find(|end| *end >= from).unwrap().min(cut);
                prop_assert_eq!(boundary, expect);
                frames.follow(piece);
                prop_assert_eq!(frames.at_boundary(), ends.contains(&cut));
                from = cut;
            }
        }
    }
}
