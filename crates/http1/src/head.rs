//! Where a head ends.

use bytes::{Buf, BytesMut};
use memchr::memchr_iter;

use crate::error::HeadError;

/// Finds the empty line that ends a head, looking at each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScanner {
    seen: usize,
    line: usize,
}

impl HeadScanner {
    /// Where the head ends (behind its empty line), once all of it is there. `bytes` begins with the head and only grows
    /// between calls. `limit` is in bytes.
    ///
    /// # Errors
    /// When it is too large, or a line ends with LF alone.
    pub fn find(&mut self, bytes: &[u8], limit: usize) -> Result<Option<usize>, HeadError> {
        let from = self.seen;
        for distance in memchr_iter(b'\n', &bytes[from..]) {
            let feed = from + distance;
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(HeadError::BareLineFeed);
            }
            let empty = feed - 1 == self.line;
            self.seen = feed + 1;
            self.line = self.seen;
            if empty {
                return if self.seen > limit { Err(HeadError::TooLarge(limit)) } else { Ok(Some(self.seen)) };
            }
        }
        self.seen = bytes.len();
        if bytes.len() > limit { Err(HeadError::TooLarge(limit)) } else { Ok(None) }
    }
}

/// Removes empty lines before a request: RFC 9112, 2.2 asks servers to ignore them, because some clients of old sent one
/// after a body. Returns how many bytes are gone.
pub fn skip_empty_lines(bytes: &mut BytesMut) -> usize {
    let mut count = 0;
    while bytes[count..].starts_with(b"\r\n") {
        count += 2;
    }
    bytes.advance(count);
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends() {
        let find = |text: &str| HeadScanner::default().find(text.as_bytes(), 64);
        assert_eq!(find("GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), Ok(Some(24)));
        assert_eq!(find("GET / HTTP/1.1\r\nA: b\r\n"), Ok(None));
        assert_eq!(find("GET / HTTP/1.1\r\nA: b\r\n\r"), Ok(None));
        assert_eq!(find("GET / HTTP/1.1\nA: b\r\n\r\n"), Err(HeadError::BareLineFeed));
        assert_eq!(find("GET / HTTP/1.1\r\nA: b\r\n\n"), Err(HeadError::BareLineFeed));
        assert_eq!(find("\n"), Err(HeadError::BareLineFeed));
        assert_eq!(find(&"x".repeat(65)), Err(HeadError::TooLarge(64)));
        assert_eq!(find(&format!("{}\r\n\r\n", "x".repeat(61))), Err(HeadError::TooLarge(64)));
    }

    #[test]
    fn empty_lines_before_a_request() {
        let mut bytes = BytesMut::from("\r\n\r\nGET");
        assert_eq!(skip_empty_lines(&mut bytes), 4);
        assert_eq!(&bytes[..], b"GET");
        let mut bytes = BytesMut::from("\r");
        assert_eq!(skip_empty_lines(&mut bytes), 0);
    }

    proptest! {
        /// However the bytes come, the answer is the same.
        #[test]
        fn pieces_do_not_matter(text in "[ab\r\n:]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..6)) {
            let whole = HeadScanner::default().find(text.as_bytes(), 1000);
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut scanner = HeadScanner::default();
            let mut found = Ok(None);
            for cut in cuts {
                found = scanner.find(&text.as_bytes()[..cut], 1000);
                if found != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(found, whole);
        }
    }
}
