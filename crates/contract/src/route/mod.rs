//! Which operation of which contract a request is meant for.

mod conflict;
mod matcher;

use serde::Serialize;

pub use conflict::{Claim, Conflict, Conflicts, conflicts};
pub use matcher::{Found, Match, Matcher};

use crate::operation::OperationKey;
use crate::{Contract, Method, PathTemplate, Place};

/// One method and path that a contract answers, base path included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoutePattern {
    /// The HTTP method.
    pub method: Method,
    /// The whole path as a caller sends it, with its holes.
    pub path: PathTemplate,
    /// The operation as the contract names it, without the base path.
    pub operation: OperationKey,
    /// `operationId`, if it has one.
    pub operation_id: Option<String>,
    /// Where the operation is written.
    pub place: Place,
}

/// The routes of a contract, the more specific first: of two that match one path, the earlier is meant.
pub fn routes(contract: &Contract) -> Vec<RoutePattern> {
    let mut routes: Vec<RoutePattern> = contract
        .operations()
        .iter()
        .flat_map(|operation| {
            operation.base_paths.iter().map(|base| RoutePattern {
                method: operation.method,
                path: operation.path.below(base),
                operation: operation.key(),
                operation_id: operation.id.clone(),
                place: operation.place.clone(),
            })
        })
        .collect();
    routes.sort_by(|a, b| a.path.specificity(&b.path).then_with(|| a.method.cmp(&b.method)));
    routes
}
