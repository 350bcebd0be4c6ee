use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::conflict::conflicts_of;
use super::{Conflicts, RoutePattern, routes};
use crate::path::{Piece, Segment, decode, match_mixed, mixed_order};
use crate::{Contract, Method};

/// Answers, for a request's method and path, which contract and operation it is meant for.
///
/// Segment by segment from the left, fixed text wins over text with holes, and that over a hole. Candidates are
/// tried in this order until one has the method, so `GET /orders/{id}` of one contract answers although
/// another has `POST /orders/import`. Paths are compared percent-decoded, segment by segment: an encoded slash
/// never separates. A hole takes one segment and never an empty one; a trailing slash is a segment of its own.
#[derive(Debug, Clone)]
pub struct Matcher {
    root: Branch,
    routes: Vec<(String, RoutePattern)>,
}

#[derive(Debug, Clone, Default)]
struct Branch {
    literals: HashMap<String, Branch>,
    /// The more specific first.
    mixed: Vec<(Vec<Piece>, Branch)>,
    hole: Option<Box<Branch>>,
    /// What ends here, as indices of `routes`.
    ends: BTreeMap<Method, usize>,
}

/// What a [`Matcher`] knows about a method and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match<'a> {
    /// Meant for this operation.
    Found(Found<'a>),
    /// Some contracts know the path, and none of them with this method.
    OtherMethods {
        /// The contracts that know the path.
        boundaries: BTreeSet<&'a str>,
        /// The methods they know for it, `HEAD` with `GET`; what belongs into `Allow`.
        allowed: BTreeSet<Method>,
    },
    /// No contract knows the path.
    Unknown,
}

/// The operation a request is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The name under which the contract was given.
    pub boundary: &'a str,
    /// The route that matched.
    pub route: &'a RoutePattern,
    /// The decoded values of the holes by name.
    pub parameters: BTreeMap<&'a str, String>,
}

impl Matcher {
    /// Puts the routes of several named contracts together.
    ///
    /// # Errors
    /// [`Conflicts`] when two contracts claim the same method and path.
    pub fn new<'a>(
        contracts: impl IntoIterator<Item = (&'a str, &'a Contract)>,
    ) -> Result<Matcher, Conflicts> {
        let claims: Vec<(String, RoutePattern)> = contracts
            .into_iter()
            .flat_map(|(name, contract)| {
                routes(contract).into_iter().map(move |route| (name.to_owned(), route))
            })
            .collect();
        let conflicts = conflicts_of(&claims);
        if !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
        let mut root = Branch::default();
        for (index, (_, route)) in claims.iter().enumerate() {
            root.insert(route, index);
        }
        Ok(Matcher { root, routes: claims })
    }

    /// The boundary's name and the route, for each route, the more specific first within a boundary.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &RoutePattern)> {
        self.routes.iter().map(|(name, route)| (name.as_str(), route))
    }

    /// Finds the operation for a method and a path as they came in the request line; a query is ignored.
    ///
    /// `HEAD` finds a `GET` where no contract describes `HEAD`.
    pub fn find(&self, method: &str, path: &str) -> Match<'_> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Some(rest) = path.strip_prefix('/') else { return Match::Unknown };
        let segments: Vec<String> = rest.split('/').map(decode).collect();
        let mut ends = Vec::new();
        self.root.collect(&segments, &mut ends);
        let asked = match method.parse::<Method>() {
            Ok(Method::Head) => vec![Method::Head, Method::Get],
            Ok(method) => vec![method],
            Err(_) => Vec::new(),
        };
        for method in asked {
            if let Some(index) = ends.iter().find_map(|ends| ends.get(&method)) {
                let (boundary, route) = &self.routes[*index];
                let parameters = values(route, &segments);
                return Match::Found(Found { boundary, route, parameters });
            }
        }
        if ends.is_empty() {
            return Match::Unknown;
        }
        let all = || ends.iter().flat_map(|ends| ends.iter());
        let mut allowed: BTreeSet<Method> = all().map(|(method, _)| *method).collect();
        if allowed.contains(&Method::Get) {
            allowed.insert(Method::Head);
        }
        Match::OtherMethods {
            boundaries: all().map(|(_, index)| self.routes[*index].0.as_str()).collect(),
            allowed,
        }
    }
}

impl Branch {
    fn insert(&mut self, route: &RoutePattern, index: usize) {
        let mut branch = self;
        for segment in route.path.segments() {
            branch = match segment {
                Segment::Literal(text) => branch.literals.entry(text.clone()).or_default(),
                Segment::Parameter(_) => branch.hole.get_or_insert_default(),
                Segment::Mixed(pieces) => {
                    let place = branch.mixed.binary_search_by(|(other, _)| mixed_order(other, pieces));
                    let at = match place {
                        Ok(at) => at,
                        Err(at) => {
                            branch.mixed.insert(at, (pieces.clone(), Branch::default()));
                            at
                        }
                    };
                    &mut branch.mixed[at].1
                }
            };
        }
        branch.ends.entry(route.method).or_insert(index);
    }

    /// Every place where the path can end, the most specific first.
    fn collect<'a>(&'a self, segments: &[String], ends: &mut Vec<&'a BTreeMap<Method, usize>>) {
        let [first, rest @ ..] = segments else {
            if !self.ends.is_empty() {
                ends.push(&self.ends);
            }
            return;
        };
        if let Some(branch) = self.literals.get(first) {
            branch.collect(rest, ends);
        }
        for (pieces, branch) in &self.mixed {
            if match_mixed(pieces, first).is_some() {
                branch.collect(rest, ends);
            }
        }
        if let Some(branch) = &self.hole
            && !first.is_empty()
        {
            branch.collect(rest, ends);
        }
    }
}

fn values<'a>(route: &'a RoutePattern, segments: &[String]) -> BTreeMap<&'a str, String> {
    let mut values = BTreeMap::new();
    for (segment, text) in route.path.segments().iter().zip(segments) {
        match segment {
            Segment::Literal(_) => {}
            Segment::Parameter(name) => {
                values.insert(name.as_str(), text.clone());
            }
            Segment::Mixed(pieces) => {
                let found = match_mixed(pieces, text).unwrap_or_default();
                for piece in pieces {
                    if let Piece::Hole(name) = piece
                        && let Some((_, value)) = found.iter().find(|(n, _)| n == name)
                    {
                        values.insert(name.as_str(), value.clone());
                    }
                }
            }
        }
    }
    values
}
