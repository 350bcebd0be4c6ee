//! Just enough of HTTP/1.1 for the upstream and for our own clients. Strangers never speak to it.

/// The end of a head: the index after the empty line.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    // A request without a body usually comes alone and whole.
    if bytes.ends_with(b"\r\n\r\n") && bytes.starts_with(b"GET ") {
        return Some(bytes.len());
    }
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of the first header with this name (in lower case), trimmed.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let (found, rest) = line.split_at_checked(name.len())?;
        (found.eq_ignore_ascii_case(name.as_bytes()) && rest.first() == Some(&b':'))
            .then(|| rest[1..].trim_ascii())
    })
}

/// The length that a head announces; 0 without one.
pub fn content_length(head: &[u8]) -> Option<usize> {
    header(head, "content-length").map_or(Some(0), |value| std::str::from_utf8(value).ok()?.parse().ok())
}

/// The second word of the first line: a request's path or an answer's status.
pub fn second_word(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ' || *byte == b'\r').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] =
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  3 \r\nConnection: close\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        let end = head_end(POST).expect("there is one");
        assert_eq!(&POST[end..end + 3], b"abc");
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        assert_eq!(content_length(POST), Some(3));
        assert_eq!(header(POST, "connection"), Some(&b"close"[..]));
        assert_eq!(header(POST, "upgrade"), None);
        assert_eq!(content_length(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Some(0));
        assert_eq!(content_length(b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n"), None);
    }

    #[test]
    fn the_second_word_is_path_or_status() {
        assert_eq!(second_word(POST), b"/a");
        assert_eq!(second_word(b"HTTP/1.1 204 No Content\r\n\r\n"), b"204");
        assert_eq!(second_word(b"HTTP/1.1 200\r\n\r\n"), b"200");
    }
}
