//! Which boundary a path belongs to, as the contracts say. Pure.
//!
//! A path that fits a template of a contract belongs to that contract's boundary, or to the one that
//! `x-served-by` names. A path that fits no template belongs to a boundary when everything the contracts have
//! below its longest known beginning does: `/ai/whatever` is ai's although no operation is called so, and
//! ai may answer what it likes. Where several boundaries serve what is below (`/admin`), it belongs to the one
//! whose contract has it all. A beginning that nobody has decides nothing: the path is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use shop_kit::contract::{self, ContractError, Operation};
use thiserror::Error;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boundary {
    /// Login, sessions, roles, permissions.
    Identity,
    /// Catalogue and orders.
    Commerce,
    /// Payments.
    Payment,
    /// What administrators do and no other boundary serves.
    Admin,
    /// Suggestions.
    Ai,
    /// The gateway itself.
    Gateway,
}

impl Boundary {
    /// The name in contracts, logs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Commerce => "commerce",
            Self::Payment => "payment",
            Self::Admin => "admin",
            Self::Ai => "ai",
            Self::Gateway => "gateway",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Identity, Self::Commerce, Self::Payment, Self::Admin, Self::Ai, Self::Gateway]
            .into_iter()
            .find(|boundary| boundary.name() == name)
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The contracts, as they were when the program was built.
const CONTRACTS: [(&str, &str); 6] = [
    ("gateway", include_str!("../../../contracts/openapi/gateway.yaml")),
    ("identity", include_str!("../../../contracts/openapi/identity.yaml")),
    ("commerce", include_str!("../../../contracts/openapi/commerce.yaml")),
    ("payment", include_str!("../../../contracts/openapi/payment.yaml")),
    ("admin", include_str!("../../../contracts/openapi/admin.yaml")),
    ("ai", include_str!("../../../contracts/openapi/ai.yaml")),
];

/// The text of the gateway's own contract.
pub const GATEWAY_CONTRACT: &str = CONTRACTS[0].1;

/// Contracts that routes can't be made of.
#[derive(Debug, Error)]
pub enum RoutingError {
    /// One of them can't be read.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// An operation has no boundary that could answer it.
    #[error(
        "{method} {path} in contract {contract} is served by `{boundary}`, which is no boundary of the gateway; \
         nothing was started. Set x-served-by to identity, commerce, payment, admin, ai or gateway"
    )]
    Boundary {
        /// Where the operation is.
        contract: String,
        /// Its method.
        method: String,
        /// Its path.
        path: String,
        /// Who is said to answer it.
        boundary: String,
    },
    /// Two boundaries claim one path.
    #[error(
        "{path} is claimed by {first} and by {second}; nothing was started. Take it out of one of the contracts"
    )]
    Clash {
        /// The path template.
        path: String,
        /// Who had it first.
        first: Boundary,
        /// Who claims it as well.
        second: Boundary,
    },
}

/// The routes of all contracts.
#[derive(Debug, Default)]
pub struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: BTreeMap<String, Node>,
    parameter: Option<Box<Node>>,
    /// Everybody who serves an operation here or below.
    owners: BTreeSet<Boundary>,
    /// Everybody whose contract has an operation here or below.
    declared: BTreeSet<Boundary>,
    /// The template that ends here.
    here: Option<Here>,
}

#[derive(Debug)]
struct Here {
    owner: Boundary,
    flags: BTreeMap<String, Vec<String>>,
}

/// Where a request belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Who answers.
    pub boundary: Boundary,
    /// The feature flags that must be on.
    pub feature_flags: &'a [String],
}

impl Routes {
    /// The routes of the shop's own contracts.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn of_the_shop() -> Result<Self, RoutingError> {
        Self::of(&CONTRACTS)
    }

    /// The routes of contracts given by name and text.
    ///
    /// # Errors
    /// When one can't be read, or they contradict each other.
    pub fn of(contracts: &[(&str, &str)]) -> Result<Self, RoutingError> {
        let mut routes = Self::default();
        for (name, text) in contracts {
            for operation in contract::operations(name, text)? {
                routes.add(name, operation)?;
            }
        }
        Ok(routes)
    }

    fn add(&mut self, contract: &str, operation: Operation) -> Result<(), RoutingError> {
        let Operation { id: _, method, path, served_by, feature_flags } = operation;
        let named = |name: &str| {
            Boundary::named(name).ok_or_else(|| RoutingError::Boundary {
                contract: contract.to_owned(),
                method: method.clone(),
                path: path.clone(),
                boundary: name.to_owned(),
            })
        };
        let declared = named(contract)?;
        let owner = served_by.as_deref().map_or(Ok(declared), named)?;
        let mut node = &mut self.root;
        for segment in segments(&path) {
            node = if contract::is_parameter(segment) {
                node.parameter.get_or_insert_default()
            } else {
                node.literal.entry(segment.to_owned()).or_default()
            };
            node.owners.insert(owner);
            node.declared.insert(declared);
        }
        let here = node.here.get_or_insert_with(|| Here { owner, flags: BTreeMap::new() });
        if here.owner != owner {
            return Err(RoutingError::Clash { path, first: here.owner, second: owner });
        }
        here.flags.insert(method, feature_flags);
        Ok(())
    }

    /// Where a request belongs; nothing when no contract knows.
    pub fn find(&self, method: &str, path: &str) -> Option<Destination<'_>> {
        let wanted: Vec<&str> = segments(path).collect();
        if let Some(here) = self.root.exact(&wanted) {
            let feature_flags = here.flags.get(method).map_or(&[][..], Vec::as_slice);
            return Some(Destination { boundary: here.owner, feature_flags });
        }
        let boundary = self.root.beginning(&wanted)?;
        Some(Destination { boundary, feature_flags: &[] })
    }
}

impl Node {
    /// The template that the segments fit, literal segments before parameters.
    fn exact(&self, wanted: &[&str]) -> Option<&Here> {
        let Some((first, rest)) = wanted.split_first() else { return self.here.as_ref() };
        let by_name = self.literal.get(*first).and_then(|node| node.exact(rest));
        by_name.or_else(|| {
            let node = self.parameter.as_deref().filter(|_| !first.is_empty())?;
            node.exact(rest)
        })
    }

    /// Who serves everything below the longest known beginning, or else whose contract has it all. Below the root
    /// there is no beginning.
    fn beginning(&self, wanted: &[&str]) -> Option<Boundary> {
        let (first, rest) = wanted.split_first()?;
        let child =
            self.literal.get(*first).or_else(|| self.parameter.as_deref().filter(|_| !first.is_empty()))?;
        let mut node = child;
        for segment in rest {
            match node.literal.get(*segment).or(node.parameter.as_deref().filter(|_| !segment.is_empty())) {
                Some(next) => node = next,
                None => break,
            }
        }
        only(&node.owners).or_else(|| only(&node.declared))
    }
}

fn only(boundaries: &BTreeSet<Boundary>) -> Option<Boundary> {
    if boundaries.len() == 1 { boundaries.first().copied() } else { None }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shops_paths() {
        let routes = Routes::of_the_shop().unwrap();
        let check = |method: &str, path: &str, expect: Option<&str>| {
            let got = routes.find(method, path).map(|d| d.boundary.name());
            assert_eq!(got, expect, "{method} {path}");
        };
        for path in ["/health", "/ready", "/bff/bootstrap", "/bff/ws", "/bff/nothing"] {
            check("GET", path, Some("gateway"));
        }
        for path in [
            "/auth/mini/login",
            "/auth/password/login",
            "/auth/switch-role",
            "/me",
            "/me/permissions",
            "/rbac/roles/ADMIN/permissions",
            "/rbac/authorize",
            "/staff",
            "/staff/1/bindings",
            "/audit-logs",
            "/customers/1",
            "/admin/config/feature-flags",
            "/admin/customers/1/transfer",
        ] {
            check("POST", path, Some("identity"));
        }
        for path in [
            "/catalog/categories",
            "/catalog/products",
            "/catalog/products/1",
            "/catalog/products/1/skus",
            "/wishlist",
            "/cart/items/1",
            "/orders",
            "/orders/1/tracking",
            "/product-requests",
            "/after-sales/tickets/1/messages",
            "/inquiries/price/1",
            "/shipments/import-jobs",
            "/admin/products/import-jobs",
            "/admin/shipments/import-jobs",
            "/admin/product-requests/export-jobs",
            "/admin/import-jobs/1",
        ] {
            check("GET", path, Some("commerce"));
        }
        for path in ["/payments/wechat/create", "/payments/wechat/notify", "/payments/1"] {
            check("POST", path, Some("payment"));
        }
        for path in ["/ai", "/ai/after-sales/suggestions", "/ai/anything/at/all"] {
            check("GET", path, Some("ai"));
        }
        for path in ["/admin", "/admin/nobody"] {
            check("GET", path, Some("admin"));
        }
        // Unknown beginnings decide nothing; what is internal is not reachable from outside.
        for path in ["/", "/internal/orders/1/payment-status", "/metrics", "//me"] {
            check("GET", path, None);
        }
    }

    #[test]
    fn flags_of_an_operation() {
        let routes = Routes::of_the_shop().unwrap();
        let flags = |method: &str, path: &str| routes.find(method, path).unwrap().feature_flags.join(" ");
        assert_eq!(flags("POST", "/payments/wechat/create"), "paymentEnabled wechatPayEnabled");
        assert_eq!(flags("POST", "/payments/alipay/create"), "paymentEnabled alipayPayEnabled");
        assert_eq!(flags("GET", "/payments/alipay/create"), "");
        assert_eq!(flags("POST", "/payments/wechat/notify"), "");
    }

    #[test]
    fn literal_segments_win_and_dead_ends_are_left() {
        let routes = Routes::of(&[
            ("identity", r#"paths: { "/a/{x}/c": { get: {} } }"#),
            ("commerce", "paths: { /a/b: { get: {} } }"),
        ])
        .unwrap();
        let find = |path: &str| routes.find("GET", path).map(|d| d.boundary);
        assert_eq!(find("/a/b"), Some(Boundary::Commerce));
        assert_eq!(
            find("/a/b/c"),
            Some(Boundary::Identity),
            "the literal b leads nowhere, the parameter does"
        );
        assert_eq!(find("/a/z/c"), Some(Boundary::Identity));
        assert_eq!(find("/a"), None);
    }

    #[test]
    fn contradictions() {
        let check = |contracts: &[(&str, &str)], expect: &str| {
            assert_eq!(Routes::of(contracts).unwrap_err().to_string(), expect);
        };
        check(
            &[("identity", "paths: { /a: { get: {} } }"), ("commerce", "paths: { /a: { post: {} } }")],
            "/a is claimed by identity and by commerce; nothing was started. Take it out of one of the contracts",
        );
        check(
            &[("admin", "paths: { /a: { get: { x-served-by: orders } } }")],
            "GET /a in contract admin is served by `orders`, which is no boundary of the gateway; nothing was \
             started. Set x-served-by to identity, commerce, payment, admin, ai or gateway",
        );
    }
}
