use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{RoutePattern, routes};
use crate::{Contract, Method, Place};

/// One contract's claim to a method and path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim {
    /// The name under which the contract was given.
    pub boundary: String,
    /// The path, base path included.
    pub path: String,
    /// `operationId`, if it has one.
    pub operation_id: Option<String>,
    /// Where the operation is written.
    pub place: Place,
}

/// Two contracts that answer the same requests, so that nobody can say which is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// The HTTP method.
    pub method: Method,
    /// The claim of the contract that comes first by name.
    pub first: Claim,
    /// The other claim.
    pub second: Claim,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict { method, first, second } = self;
        if first.path == second.path {
            write!(f, "`{}` and `{}` both claim {method} {}", first.boundary, second.boundary, first.path)?;
        } else {
            write!(
                f,
                "{method} {} of `{}` and {} of `{}` match the same requests",
                first.path, first.boundary, second.path, second.boundary
            )?;
        }
        write!(f, "\n  {}: {}\n  {}: {}", first.boundary, first.place, second.boundary, second.place)
    }
}

/// All conflicts among some contracts; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for conflict in &self.0 {
            writeln!(f, "{conflict}")?;
        }
        f.write_str(
            "  hint: let one contract keep the operation, or give one of them another base path in `servers`",
        )
    }
}

impl std::error::Error for Conflicts {}

/// Every method and path that two contracts claim, sorted.
///
/// The same shape is a conflict whatever the holes are called: `/a/{x}` and `/a/{y}`. A path that one
/// contract writes out and another catches with a hole is none: the more specific wins.
pub fn conflicts<'a>(contracts: impl IntoIterator<Item = (&'a str, &'a Contract)>) -> Vec<Conflict> {
    let claims: Vec<(String, RoutePattern)> = contracts
        .into_iter()
        .flat_map(|(name, contract)| routes(contract).into_iter().map(move |route| (name.to_owned(), route)))
        .collect();
    conflicts_of(&claims)
}

pub(super) fn conflicts_of(claims: &[(String, RoutePattern)]) -> Vec<Conflict> {
    // Ambiguous templates have as many segments and the same kind of segment at each place, so only
    // claims within such a group need to be held against each other.
    let mut groups: BTreeMap<(Method, String), Vec<&(String, RoutePattern)>> = BTreeMap::new();
    for claim in claims {
        groups.entry((claim.1.method, claim.1.path.outline())).or_default().push(claim);
    }
    let mut conflicts = Vec::new();
    for ((method, _), group) in groups {
        for (index, a) in group.iter().enumerate() {
            for b in &group[index + 1..] {
                if a.0 != b.0 && a.1.path.ambiguous_with(&b.1.path) {
                    let mut pair = [claim(a), claim(b)];
                    pair.sort();
                    let [first, second] = pair;
                    conflicts.push(Conflict { method, first, second });
                }
            }
        }
    }
    conflicts.sort();
    conflicts.dedup();
    conflicts
}

fn claim((boundary, route): &(String, RoutePattern)) -> Claim {
    Claim {
        boundary: boundary.clone(),
        path: route.path.as_str().to_owned(),
        operation_id: route.operation_id.clone(),
        place: route.place.clone(),
    }
}
