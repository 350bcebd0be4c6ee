//! Bodies that are compressed as they pass.

use std::io::{Read as _, Write as _};

use fairway_guard::{Encoder, Encoding};
use flate2::read::GzDecoder;
use flate2::write;
use proptest::prelude::*;

fn decoded(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(encoded).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_body_comes_out_as_it_went_in() {
    let check = |pieces: &[&[u8]]| {
        let mut encoder = Encoder::new(Encoding::Gzip);
        let mut encoded = Vec::new();
        for piece in pieces {
            encoded.extend(encoder.push(piece));
        }
        encoded.extend(encoder.finish());
        assert_eq!(decoded(&encoded), pieces.concat());
        encoded.len()
    };
    check(&[]);
    check(&[b""]);
    check(&[b"a", b"", b"b"]);
    let json = br#"{"id":1,"name":"product","tags":["blue","large"]},"#.repeat(2_000);
    let length = check(&[&json]);
    assert!(length * 20 < json.len(), "{length} of {}", json.len());
}

#[test]
fn a_flush_gives_out_everything_and_a_second_one_nothing() {
    let mut encoder = Encoder::new(Encoding::Gzip);
    let mut client = write::GzDecoder::new(Vec::new());
    for piece in ["<p>one</p>", "<p>two</p>", "<p>three</p>"] {
        client.write_all(&encoder.push(piece.as_bytes())).unwrap();
        client.write_all(&encoder.flush()).unwrap();
        client.flush().unwrap();
        assert!(client.get_ref().ends_with(piece.as_bytes()), "{piece} is still on its way");
        assert_eq!(encoder.flush().len(), 0);
    }
    client.write_all(&encoder.finish()).unwrap();
    assert_eq!(client.finish().unwrap(), b"<p>one</p><p>two</p><p>three</p>");
}

#[test]
fn a_body_that_breaks_off_is_seen_to() {
    let mut encoder = Encoder::new(Encoding::Gzip);
    let mut encoded = encoder.push(b"half of it").to_vec();
    encoded.extend(encoder.flush());
    drop(encoder);
    let mut out = Vec::new();
    assert!(GzDecoder::new(encoded.as_slice()).read_to_end(&mut out).is_err());
}

proptest! {
    #[test]
    fn any_body_in_any_pieces(pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3_000), any::<bool>()), 0..8)) {
        let mut encoder = Encoder::new(Encoding::Gzip);
        let (mut encoded, mut whole) = (Vec::new(), Vec::new());
        for (piece, flush) in &pieces {
            encoded.extend(encoder.push(piece));
            whole.extend_from_slice(piece);
            if *flush {
                encoded.extend(encoder.flush());
            }
        }
        encoded.extend(encoder.finish());
        prop_assert_eq!(decoded(&encoded), whole);
    }
}
