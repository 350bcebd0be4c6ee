//! Host names as routes and requests spell them.

use std::borrow::Cow;
use std::fmt;

/// Which hosts a route is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name only, lower case.
    Exact(String),
    /// Any name that ends with a dot and this suffix, lower case.
    Suffix(String),
    /// Every host, and requests without one.
    Any,
}

/// Why a host pattern can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is left of it.
    #[error("the host is empty")]
    Empty,
    /// `*` is allowed only as the whole first label.
    #[error("`*` is allowed only as the first label, as in `*.example.com`")]
    Wildcard,
    /// A port, a path or a character that no host name has.
    #[error("`{0}` is not allowed in a host name; write the name alone, without scheme, port or path")]
    Character(char),
}

impl HostPattern {
    /// Reads `example.com`, `*.example.com` or nothing.
    pub fn parse(text: Option<&str>) -> Result<Self, HostError> {
        let Some(text) = text else { return Ok(Self::Any) };
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (name, wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text.as_str(), false),
        };
        if name.is_empty() {
            return Err(HostError::Empty);
        }
        let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = literal {
            if address.parse::<std::net::Ipv6Addr>().is_err() || wildcard {
                return Err(HostError::Character('['));
            }
            return Ok(Self::Exact(name.to_owned()));
        }
        if name.contains('*') {
            return Err(HostError::Wildcard);
        }
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        if let Some(character) = name.chars().find(odd) {
            return Err(HostError::Character(character));
        }
        if name.split('.').any(str::is_empty) {
            return Err(HostError::Empty);
        }
        Ok(if wildcard { Self::Suffix(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The host part of a `Host` header or authority: without port and final dot, lower case.
/// Allocates only when there is an upper-case letter.
pub fn normalise_host(text: &str) -> Cow<'_, str> {
    let name = if text.starts_with('[') {
        text.find(']').map_or(text, |end| &text[..=end])
    } else {
        text.bytes().position(|byte| byte == b':').map_or(text, |end| &text[..end])
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |text: &str, expect: Result<HostPattern, HostError>| {
            assert_eq!(HostPattern::parse(Some(text)), expect, "{text}");
        };
        check("Example.COM", Ok(HostPattern::Exact("example.com".into())));
        check("example.com.", Ok(HostPattern::Exact("example.com".into())));
        check("*.test.example.com", Ok(HostPattern::Suffix("test.example.com".into())));
        check("[::1]", Ok(HostPattern::Exact("[::1]".into())));
        check("", Err(HostError::Empty));
        check("*.", Err(HostError::Wildcard));
        check("*", Err(HostError::Wildcard));
        check("a.*.b", Err(HostError::Wildcard));
        check("*.*.b", Err(HostError::Wildcard));
        check("a..b", Err(HostError::Empty));
        check("a:80", Err(HostError::Character(':')));
        check("http://a", Err(HostError::Character(':')));
        check("[nonsense]", Err(HostError::Character('[')));
        assert_eq!(HostPattern::parse(None), Ok(HostPattern::Any));
    }

    #[test]
    fn hosts_of_requests() {
        let check = |text: &str, expect: &str| assert_eq!(normalise_host(text), expect, "{text}");
        check("Example.com:8080", "example.com");
        check("example.com.", "example.com");
        check("example.com.:80", "example.com");
        check("[::1]:80", "[::1]");
        check("[::1]", "[::1]");
        check("127.0.0.1:80", "127.0.0.1");
        check("", "");
    }
}
