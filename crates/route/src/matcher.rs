//! Finding the route of a request.

use std::collections::HashMap;

use crate::host::{HostPattern, normalise_host};
use crate::path::PathPattern;

/// An immutable index from host and path to whatever routes point to.
///
/// A look-up costs one hash per label of the host and one per segment of the path, and never more than the longest
/// pattern of the table has: a client can't make it slow with a long path.
#[derive(Clone, Debug)]
pub struct Matcher<T> {
    exact: HashMap<String, Paths<T>>,
    suffix: HashMap<String, Paths<T>>,
    longest_suffix: usize,
    any: Paths<T>,
}

/// Collects routes for a [`Matcher`].
#[derive(Clone, Debug)]
pub struct MatcherBuilder<T>(Matcher<T>);

/// Two routes claim the same requests; the second was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict<T> {
    /// What the route that was there first points to.
    pub first: T,
}

/// Why no route was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// No route is for this host.
    Host,
    /// Routes exist for this host, none for this path.
    Path,
}

#[derive(Clone, Debug)]
struct Paths<T> {
    exact: HashMap<String, T>,
    prefix: HashMap<String, T>,
    longest_prefix: usize,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), prefix: HashMap::new(), longest_prefix: 0 }
    }
}

impl<T> Default for MatcherBuilder<T> {
    fn default() -> Self {
        Self(Matcher {
            exact: HashMap::new(),
            suffix: HashMap::new(),
            longest_suffix: 0,
            any: Paths::default(),
        })
    }
}

impl<T: Clone> MatcherBuilder<T> {
    /// Adds a route; when host and path are taken already, nothing changes and the conflict is returned.
    pub fn insert(&mut self, host: HostPattern, path: PathPattern, target: T) -> Result<(), Conflict<T>> {
        let paths = match host {
            HostPattern::Exact(name) => self.0.exact.entry(name).or_default(),
            HostPattern::Suffix(suffix) => {
                self.0.longest_suffix = self.0.longest_suffix.max(suffix.len());
                self.0.suffix.entry(suffix).or_default()
            }
            HostPattern::Any => &mut self.0.any,
        };
        let slot = match path {
            PathPattern::Exact(path) => paths.exact.entry(path),
            PathPattern::Prefix(path) => {
                paths.longest_prefix = paths.longest_prefix.max(path.len());
                paths.prefix.entry(path)
            }
        };
        match slot {
            std::collections::hash_map::Entry::Occupied(there) => {
                Err(Conflict { first: there.get().clone() })
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(target);
                Ok(())
            }
        }
    }

    /// The finished index.
    pub fn build(self) -> Matcher<T> {
        self.0
    }
}

impl<T> Matcher<T> {
    /// The target of the most specific route for a `Host` value (port and case are ignored) and a path as it is on
    /// the wire, without query.
    pub fn find(&self, host: Option<&str>, path: &str) -> Result<&T, Miss> {
        let mut host_known = !self.any.is_empty();
        let host = host.map(normalise_host).unwrap_or_default();
        if !host.is_empty() {
            if let Some(paths) = self.exact.get(host.as_ref()) {
                host_known = true;
                if let Some(target) = paths.find(path) {
                    return Ok(target);
                }
            }
            for suffix in self.suffixes(&host) {
                if let Some(paths) = self.suffix.get(suffix) {
                    host_known = true;
                    if let Some(target) = paths.find(path) {
                        return Ok(target);
                    }
                }
            }
        }
        self.any.find(path).ok_or(if host_known { Miss::Path } else { Miss::Host })
    }

    /// What follows each dot of the host, longest first, no longer than the longest suffix of the table.
    fn suffixes<'a>(&self, host: &'a str) -> impl Iterator<Item = &'a str> {
        let longest = self.longest_suffix;
        host.match_indices('.').map(|(dot, _)| &host[dot + 1..]).filter(move |rest| rest.len() <= longest)
    }
}

impl<T> Paths<T> {
    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefix.is_empty()
    }

    fn find(&self, path: &str) -> Option<&T> {
        if let Some(target) = self.exact.get(path) {
            return Some(target);
        }
        let mut end = path.len();
        loop {
            if end <= self.longest_prefix
                && let Some(target) = self.prefix.get(&path[..end])
            {
                return Some(target);
            }
            // Nothing longer than the longest prefix is worth a look; the boundary may be the byte after it.
            let limit = end.min(self.longest_prefix + 1);
            // Searched as bytes: `limit` may lie within a character, a slash never does.
            end = path.as_bytes()[..limit].iter().rposition(|byte| *byte == b'/')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matcher(routes: &[(&str, &str)]) -> Matcher<usize> {
        let mut builder = MatcherBuilder::default();
        for (index, (host, path)) in routes.iter().enumerate() {
            let host = HostPattern::parse((*host != "*").then_some(*host)).unwrap();
            builder.insert(host, PathPattern::parse(path).unwrap(), index).unwrap();
        }
        builder.build()
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = [
            ("*", "/"),
            ("*", "/api"),
            ("*", "/api/v1"),
            ("*", "=/api/v1"),
            ("shop.example.com", "/"),
            ("*.example.com", "/api"),
            ("*.eu.example.com", "/api"),
        ];
        let matcher = matcher(&routes);
        let check = |host: &str, path: &str, expect: usize| {
            let host = (!host.is_empty()).then_some(host);
            assert_eq!(matcher.find(host, path), Ok(&expect), "{host:?} {path}");
        };
        check("", "/", 0);
        check("other", "/x", 0);
        check("other", "/apis", 0);
        check("other", "/api", 1);
        check("other", "/api/", 1);
        check("other", "/api/v10", 1);
        check("other", "/api/v1/", 2);
        check("other", "/api/v1", 3);
        check("SHOP.example.com:8080", "/api/v1", 4);
        check("a.example.com", "/api/v1/x", 5);
        check("a.b.eu.example.com", "/api", 6);
        check("eu.example.com", "/api", 5);
        // A more specific host without a route for this path leaves it to the less specific ones.
        check("a.example.com", "/other", 0);
        check("example.com", "/api", 1);
        check("other", "/\u{8ba2}\u{5355}", 0);
    }

    #[test]
    fn misses_say_what_is_unknown() {
        let matcher = matcher(&[("a.example.com", "/api"), ("*.b.example.com", "/")]);
        let check = |host: Option<&str>, path: &str, expect: Miss| {
            assert_eq!(matcher.find(host, path), Err(expect), "{host:?} {path}");
        };
        check(None, "/api", Miss::Host);
        check(Some("c.example.com"), "/api", Miss::Host);
        check(Some("a.example.com"), "/", Miss::Path);
        check(Some("a.example.com"), "/apix", Miss::Path);
        check(Some("b.example.com"), "/", Miss::Host);
    }

    /// The rule of the crate's documentation, written the slow way.
    fn by_the_book(routes: &[(HostPattern, PathPattern)], host: &str, path: &str) -> Option<usize> {
        let rank = |(index, (h, p)): (usize, &(HostPattern, PathPattern))| {
            let host_rank = match h {
                HostPattern::Exact(name) if name == host => (2, 0),
                HostPattern::Suffix(suffix) if host.ends_with(&format!(".{suffix}")) => (1, suffix.len()),
                HostPattern::Any => (0, 0),
                _ => return None,
            };
            let path_rank = match p {
                PathPattern::Exact(exact) if exact == path => (exact.len(), 1),
                PathPattern::Prefix(prefix) if path == prefix || path.starts_with(&format!("{prefix}/")) => {
                    (prefix.len(), 0)
                }
                _ => return None,
            };
            Some((host_rank, path_rank, index))
        };
        routes.iter().enumerate().filter_map(rank).max().map(|(_, _, index)| index)
    }

    proptest! {
        #[test]
        fn the_index_follows_the_rule(
            routes in prop::collection::vec(("(\\*\\.)?[ab](\\.[ab]){0,2}|", "=?(/[ab]{0,2}){1,3}"), 0..12),
            host in "[ab](\\.[ab]){0,3}",
            path in "(/[ab]{0,2}){1,4}",
        ) {
            let mut builder = MatcherBuilder::default();
            let mut kept = Vec::new();
            for (host, path) in &routes {
                let host = HostPattern::parse((!host.is_empty()).then_some(host.as_str())).unwrap();
                let path = PathPattern::parse(path).unwrap();
                if builder.insert(host.clone(), path.clone(), kept.len()).is_ok() {
                    kept.push((host, path));
                }
            }
            let found = builder.build().find(Some(&host), &path).ok().copied();
            prop_assert_eq!(found, by_the_book(&kept, &host, &path));
        }

        #[test]
        fn nothing_a_client_sends_panics(host in ".*", path in ".*") {
            let matcher = matcher(&[("*", "/ab"), ("*.a", "/")]);
            let _ = matcher.find(Some(&host), &path);
        }
    }
}
