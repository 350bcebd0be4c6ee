//! Which of the headers that matter to a proxy a message has.

use http::HeaderMap;

/// A set of headers. Finding out which of twenty headers a message has by asking for each costs twenty hashes, and most
/// messages have three of them; one look at the names that are there costs a tenth of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present(u32);

/// The bit of a letter, in either case.
const fn letter(letter: u8) -> u32 {
    1 << (letter & 31)
}

macro_rules! headers {
    ($($constant:ident $name:literal),* $(,)?) => {
        #[expect(missing_docs, reason = "each is the header of its name")]
        impl Present {
            $(pub const $constant: Self = Self(1 << Index::$constant as u32);)*

            /// This one alone, in whatever case its name is written; nothing if it does not matter.
            pub(crate) fn named(name: &[u8]) -> Self {
                // Most names are told by their length and first letter, without a look at the rest of them.
                const LETTERS: [u32; 32] = {
                    let mut letters = [0; 32];
                    $(letters[$name.len()] |= letter($name.as_bytes()[0]);)*
                    letters
                };
                let Some(first) = name.first() else { return Self(0) };
                if name.len() >= LETTERS.len() || LETTERS[name.len()] & letter(*first) == 0 {
                    return Self(0);
                }
                $(if name.len() == $name.len()
                    && first.to_ascii_lowercase() == $name.as_bytes()[0]
                    && name.eq_ignore_ascii_case($name.as_bytes())
                {
                    return Self::$constant;
                })*
                Self(0)
            }
        }

        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named like the constants")]
        #[derive(Clone, Copy)]
        enum Index { $($constant),* }
    };
}

headers! {
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
}
