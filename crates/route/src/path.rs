//! Paths as routes spell them.

use std::fmt;

/// Which paths a route is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathPattern {
    /// This path only.
    Exact(String),
    /// This path and everything below it. Without a final slash; empty for every path.
    Prefix(String),
}

/// Why a path pattern can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin at the root.
    #[error("a path begins with `/` (a prefix) or `=/` (exactly this path)")]
    Root,
    /// A query, a fragment, a blank or a character that must be percent-encoded on the wire.
    #[error("`{0}` can't occur in the path of a request; percent-encode it")]
    Character(char),
}

impl PathPattern {
    /// Reads `/prefix` or `=/exact`. A final slash of a prefix means nothing.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let (path, exact) = match text.strip_prefix('=') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if !path.starts_with('/') {
            return Err(PathError::Root);
        }
        let odd = |c: &char| !c.is_ascii_graphic() || matches!(c, '?' | '#');
        if let Some(character) = path.chars().find(odd) {
            return Err(PathError::Character(character));
        }
        Ok(if exact {
            Self::Exact(path.to_owned())
        } else {
            Self::Prefix(path.strip_suffix('/').unwrap_or(path).to_owned())
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "={path}"),
            Self::Prefix(path) if path.is_empty() => f.write_str("/"),
            Self::Prefix(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |text: &str, expect: Result<PathPattern, PathError>| {
            assert_eq!(PathPattern::parse(text), expect, "{text}");
        };
        check("/", Ok(PathPattern::Prefix(String::new())));
        check("/api", Ok(PathPattern::Prefix("/api".into())));
        check("/api/", Ok(PathPattern::Prefix("/api".into())));
        check("=/api/", Ok(PathPattern::Exact("/api/".into())));
        check("=/", Ok(PathPattern::Exact("/".into())));
        check("", Err(PathError::Root));
        check("api", Err(PathError::Root));
        check("/a?b", Err(PathError::Character('?')));
        check("/a b", Err(PathError::Character(' ')));
        check("/订单", Err(PathError::Character('订')));
    }
}
