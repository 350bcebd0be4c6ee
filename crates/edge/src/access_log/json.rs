//! Members of a JSON object, written without an allocation of their own.

use std::net::IpAddr;
use std::time::Duration;

use fairway_guard::digits as hexadecimal;

// The keys have lengths that are known here: copying them takes no call.

/// A text with its key; `key` ends with the opening quotation mark. What is too long ends with `…`.
#[inline]
pub(super) fn text<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: &str, longest: usize) {
    out.extend_from_slice(key);
    if value.len() <= longest {
        escaped(out, value);
    } else {
        let end = (0..=longest).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
        escaped(out, &value[..end]);
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

/// The content of a JSON string (RFC 8259, 7).
fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Nearly every text is.
    if is_clean(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut clean = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !needs_escape(*byte) {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
}

/// Whether no byte needs an escape.
fn is_clean(text: &[u8]) -> bool {
    // Eight at a time; the last ones may have been seen in part.
    if let Some(last) = text.last_chunk() {
        let (eights, _) = text.as_chunks();
        return eights.iter().fold(has_escape(*last), |found, eight| found | has_escape(*eight)) == 0;
    }
    match (text.first_chunk(), text.last_chunk()) {
        (Some([a, b, c, d]), Some([e, f, g, h])) => has_escape([*a, *b, *c, *d, *e, *f, *g, *h]) == 0,
        _ => !text.iter().any(|byte| needs_escape(*byte)),
    }
}

/// Not zero when one of these eight [needs an escape](needs_escape). Each test leaves the highest bit of a byte that
/// passes it; a borrow from such a byte may leave others, never one without it.
fn has_escape(eight: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let eight = u64::from_le_bytes(eight);
    let below = |bytes: u64, limit: u64| bytes.wrapping_sub(EACH * limit) & !bytes;
    let is = |byte: u8| below(eight ^ (EACH * u64::from(byte)), 1);
    (below(eight, 0x20) | is(0x7f) | is(b'"') | is(b'\\')) & (EACH << 7)
}

/// Control characters, DEL among them for the sake of terminals, and what means something in a string.
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == 0x7f) | (byte == b'"') | (byte == b'\\')
}

#[inline]
pub(super) fn number<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: u64) {
    out.extend_from_slice(key);
    digits(out, value);
}

#[inline]
pub(super) fn id_digits<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], id: u128) {
    out.extend_from_slice(key);
    out.extend_from_slice(&hexadecimal(id));
    out.push(b'"');
}

/// Milliseconds with the microseconds behind the point.
#[inline]
pub(super) fn milliseconds<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Duration) {
    let us = value.as_secs().saturating_mul(1_000_000).saturating_add(value.subsec_micros().into());
    out.extend_from_slice(key);
    digits(out, us / 1000);
    let rest = us % 1000;
    out.extend_from_slice(&[b'.', ascii(rest / 100), ascii(rest / 10 % 10), ascii(rest % 10)]);
}

pub(super) fn digits(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        return out.push(ascii(value));
    }
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The digit of a number below ten.
pub(super) fn ascii(digit: u64) -> u8 {
    b'0' + digit.to_le_bytes()[0]
}

pub(super) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            octet(out, a);
            for byte in [b, c, d] {
                out.push(b'.');
                octet(out, byte);
            }
        }
        IpAddr::V6(address) => {
            use std::io::Write as _;
            write!(out, "{address}").expect("memory takes everything");
        }
    }
}

fn octet(out: &mut Vec<u8>, byte: u8) {
    if byte >= 100 {
        out.push(b'0' + byte / 100);
    }
    if byte >= 10 {
        out.push(b'0' + byte / 10 % 10);
    }
    out.push(b'0' + byte % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place among clean ones and among such as might mislead.
    #[test]
    fn a_byte_that_needs_an_escape_is_found_wherever_it_is() {
        for length in 0..20 {
            for (at, around) in (0..length).flat_map(|at| b"a\x20\x21\x23\x80\xff".map(|around| (at, around)))
            {
                for byte in 0..=255 {
                    let mut text = vec![around; length];
                    text[at] = byte;
                    assert_eq!(is_clean(&text), !needs_escape(byte), "{byte:#x} at {at} of {length}");
                }
            }
            assert!(is_clean(&vec![b'a'; length]));
        }
    }
}
