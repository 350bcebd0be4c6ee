//! Which of the headers that matter to a proxy a message has.

use http::HeaderMap;

/// A set of headers. Finding out which of twenty headers a message has by asking for each costs twenty hashes, and most
/// messages have three of them; one look at the names that are there costs a tenth of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present(u32);

/// How many places the table of names has. Each name has one to itself, which is checked when this is compiled.
const PLACES: usize = 64;

/// Where a name is in the table, in whatever case it is written. Names of one letter are nowhere.
const fn place(name: &[u8]) -> Option<usize> {
    let (first, last_but_one) = match name {
        [first, .., last_but_one, _] => (*first & 31, *last_but_one & 31),
        [first, _] => (*first & 31, *first & 31),
        _ => return None,
    };
    Some((name.len() + 3 * first as usize + 11 * last_but_one as usize) % PLACES)
}

/// Whether a token (RFC 9110, 5.6.2) is this name of small letters and hyphens, in whatever case it is written. Names come
/// with every request, and byte by byte this would be a twentieth of what the edge does for one.
fn is_written(token: &[u8], name: &[u8]) -> bool {
    // Sets the bit that tells small letters from capitals; the hyphen has it, and no other byte of a token becomes one.
    const SMALL: u64 = 0x2020_2020_2020_2020;
    if token.len() != name.len() {
        return false;
    }
    let differs =
        |token: &[u8; 8], name: &[u8; 8]| (u64::from_le_bytes(*token) | SMALL) ^ u64::from_le_bytes(*name);
    // Eight at a time; the last ones may have been seen in part.
    let (Some(token_end), Some(name_end)) = (token.last_chunk(), name.last_chunk()) else {
        return token.iter().zip(name).all(|(token, name)| token | 0x20 == *name);
    };
    let (tokens, names) = (token.as_chunks().0, name.as_chunks().0);
    let start = tokens.iter().zip(names).fold(0, |found, (token, name)| found | differs(token, name));
    start | differs(token_end, name_end) == 0
}

macro_rules! headers {
    ($($constant:ident $name:literal),* $(,)?) => {
        #[expect(missing_docs, reason = "each is the header of its name")]
        impl Present {
            $(pub const $constant: Self = Self(1 << Index::$constant as u32);)*

            /// This one alone, in whatever case its name is written; nothing if it does not matter.
            pub(crate) fn named(name: &[u8]) -> Self {
                const NAMES: [(&str, Present); PLACES] = {
                    let mut names = [("", Present(0)); PLACES];
                    $(
                        let Some(at) = place($name.as_bytes()) else { panic!("a name of one letter") };
                        assert!(names[at].0.is_empty(), "two names have one place: choose other factors");
                        names[at] = ($name, Present::$constant);
                    )*
                    names
                };
                let Some(at) = place(name) else { return Self(0) };
                let (candidate, found) = NAMES[at];
                if is_written(name, candidate.as_bytes()) { found } else { Self(0) }
            }
        }

        #[cfg(test)]
        const ALL: &[(&str, Present)] = &[$(($name, Present::$constant)),*];

        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named like the constants")]
        #[derive(Clone, Copy)]
        enum Index { $($constant),* }
    };
}

headers! {
    ACCEPT "accept",
    CONNECTION "connection",
    CONTENT_LENGTH "content-length",
    CONTENT_TYPE "content-type",
    DATE "date",
    EXPECT "expect",
    FORWARDED "forwarded",
    HOST "host",
    KEEP_ALIVE "keep-alive",
    PROXY_CONNECTION "proxy-connection",
    TE "te",
    TRACEPARENT "traceparent",
    TRACESTATE "tracestate",
    TRANSFER_ENCODING "transfer-encoding",
    UPGRADE "upgrade",
    VIA "via",
    X_FORWARDED_FOR "x-forwarded-for",
    X_FORWARDED_HOST "x-forwarded-host",
    X_FORWARDED_PORT "x-forwarded-port",
    X_FORWARDED_PROTO "x-forwarded-proto",
    X_REAL_IP "x-real-ip",
    X_REQUEST_ID "x-request-id",
}

impl Present {
    /// Those of a map.
    pub fn of(headers: &HeaderMap) -> Self {
        headers.keys().fold(Self::default(), |all, name| all.and(Self::named(name.as_str().as_bytes())))
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of the others is among them.
    pub fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONNECTION, HeaderValue, TE};

    #[test]
    fn what_is_there() {
        let mut headers = HeaderMap::new();
        for name in [CONNECTION, TE] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        headers.insert("x-real-ip", HeaderValue::from_static("x"));
        headers.insert("x-other", HeaderValue::from_static("x"));
        let present = Present::of(&headers);
        assert_eq!(present, Present::CONNECTION.and(Present::TE).and(Present::X_REAL_IP));
        assert!(present.has(Present::TE.and(Present::VIA)) && !present.has(Present::VIA));
        assert_eq!(Present::named(b"Via"), Present::VIA);
    }

    #[test]
    fn each_name_is_found_and_nothing_like_it() {
        for (name, kind) in ALL {
            let mixed: String = name
                .char_indices()
                .map(|(at, letter)| if at % 2 == 0 { letter.to_ascii_uppercase() } else { letter })
                .collect();
            for name in [(*name).to_owned(), name.to_ascii_uppercase(), mixed] {
                assert_eq!(Present::named(name.as_bytes()), *kind, "{name}");
            }
            for other in [&name[1..], &name[..name.len() - 1], &format!("{name}s"), &name.replace('-', "_")] {
                assert!(other == *name || Present::named(other.as_bytes()) == Present(0), "{other}");
            }
            for at in 0..name.len() {
                let mut other = name.as_bytes().to_vec();
                other[at] ^= 1;
                assert_eq!(Present::named(&other), Present(0), "{}", other.escape_ascii());
            }
        }
        for nothing in [&b""[..], b"a", b"x", &[0xff; 300]] {
            assert_eq!(Present::named(nothing), Present(0));
        }
    }
}
