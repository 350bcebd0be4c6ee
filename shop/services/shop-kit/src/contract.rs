//! Which operations an OpenAPI file declares.
//!
//! Only what routing needs is read: paths, methods, and the shop's own notes on them. The YAML text is part
//! of the program, so a service and its contract can't drift apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::error::ApiError;

/// A contract that can't be read.
#[derive(Debug, Error)]
pub enum ContractError {
    /// Not YAML, or not the shape of an OpenAPI document.
    #[error("contract {name} can't be read: {reason}; the service was not started")]
    Document {
        /// The file.
        name: String,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A handler for something the contracts do not promise of this boundary.
    #[error(
        "{boundary} has a handler for {operation}, which no contract promises of it; the service was not started"
    )]
    Unpromised {
        /// The boundary.
        boundary: &'static str,
        /// The operation's id.
        operation: String,
    },
}

/// One path and method of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// `operationId`; empty when it has none.
    pub id: String,
    /// Upper-case method, e.g. `GET`.
    pub method: String,
    /// Path template, e.g. `/catalog/products/{spuId}`.
    pub path: String,
    /// The boundary that answers it when that is not the contract's own (`x-served-by`).
    pub served_by: Option<String>,
    /// Feature flags that must all be on (`x-feature-flags`).
    pub feature_flags: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    paths: BTreeMap<String, BTreeMap<String, Value>>,
}

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The operations of one OpenAPI file, sorted by path and method. Paths given by `$ref` are left out: they
/// belong to the file they point to.
///
/// # Errors
/// When the text is not an OpenAPI document.
pub fn operations(name: &str, text: &str) -> Result<Vec<Operation>, ContractError> {
    let document: Document = serde_saphyr::from_str(text)
        .map_err(|e| ContractError::Document { name: name.to_owned(), reason: e.to_string() })?;
    let mut found = Vec::new();
    for (path, item) in document.paths {
        let of_path = text_of(item.get("x-served-by"));
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let flags = operation.get("x-feature-flags").and_then(Value::as_array);
            found.push(Operation {
                id: text_of(operation.get("operationId")).unwrap_or_default(),
                method: method.to_ascii_uppercase(),
                path: path.clone(),
                served_by: text_of(operation.get("x-served-by")).or_else(|| of_path.clone()),
                feature_flags: flags.into_iter().flatten().filter_map(|f| text_of(Some(f))).collect(),
            });
        }
    }
    Ok(found)
}

fn text_of(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// Whether a path fits a template: `{name}` stands for one non-empty segment.
pub fn fits(template: &str, path: &str) -> bool {
    let mut template = template.split('/');
    let mut path = path.split('/');
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(t), Some(p)) if is_parameter(t) && !p.is_empty() => {}
            (Some(t), Some(p)) if t == p => {}
            _ => return false,
        }
    }
}

/// Whether a template segment stands for any value.
pub fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// The operations a service's contract promises; those without a handler answer 501 instead of pretending
/// that they do not exist.
#[derive(Debug, Clone)]
pub struct Unbuilt {
    boundary: &'static str,
    operations: Arc<[Operation]>,
}

impl Unbuilt {
    /// Reads what contracts, given by name and text, promise of a boundary: what its own contract has, and what
    /// others have that it serves.
    ///
    /// # Errors
    /// When a contract can't be read.
    pub fn of(boundary: &'static str, contracts: &[(&str, &str)]) -> Result<Self, ContractError> {
        let mut promised = Vec::new();
        for (name, text) in contracts {
            let all = operations(name, text)?;
            promised.extend(all.into_iter().filter(|o| o.served_by.as_deref().unwrap_or(name) == boundary));
        }
        Ok(Self { boundary, operations: promised.into() })
    }

    /// What is promised of the boundary.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Which boundary this is about.
    pub fn boundary(&self) -> &'static str {
        self.boundary
    }

    /// Makes this the answer for everything the router has no handler for.
    pub fn attach(self, router: Router) -> Router {
        let for_paths = self.clone();
        router
            .fallback(async move |request: Request| for_paths.answer(request.method(), request.uri().path()))
            .method_not_allowed_fallback(async move |request: Request| {
                self.answer(request.method(), request.uri().path())
            })
    }

    /// 501 for what the contract promises, 405 for another method of such a path, else 404.
    pub fn answer(&self, method: &Method, path: &str) -> ApiError {
        let mut same_path = self.operations.iter().filter(|o| fits(&o.path, path)).peekable();
        if same_path.peek().is_none() {
            return ApiError::not_found("page not found");
        }
        match same_path.find(|o| o.method == method.as_str()) {
            Some(o) => ApiError::not_implemented(format!(
                "{} {} is promised by the contract and not built in {} yet",
                o.method, o.path, self.boundary
            )),
            None => ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method not allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_operations_and_notes() {
        let text = "
openapi: 3.0.3
paths:
  /b/{id}:
    parameters: []
    x-served-by: commerce
    get: {}
    post: { x-served-by: identity, x-feature-flags: [a, b] }
  /a:
    $ref: other.yaml#/paths/~1a
";
        let got: Vec<_> = operations("t", text)
            .unwrap()
            .into_iter()
            .map(|o| format!("{} {} {:?} {:?}", o.method, o.path, o.served_by, o.feature_flags))
            .collect();
        assert_eq!(
            got,
            [r#"GET /b/{id} Some("commerce") []"#, r#"POST /b/{id} Some("identity") ["a", "b"]"#]
        );
        assert!(
            operations("t", "paths: [1]").unwrap_err().to_string().starts_with("contract t can't be read: ")
        );
    }

    #[test]
    fn what_is_promised_and_not_built_says_so() {
        let own = r#"paths: { "/orders/{id}": { get: {} }, /me: { get: { x-served-by: identity } } }"#;
        let admin = "paths: { /admin/jobs: { x-served-by: commerce, post: {} }, /admin/users: { get: {} } }";
        let unbuilt = Unbuilt::of("commerce", &[("commerce", own), ("admin", admin)]).unwrap();
        let check = |method: Method, path: &str, expect: &str| {
            assert_eq!(unbuilt.answer(&method, path).to_string(), expect, "{method} {path}");
        };
        let promised = |what: &str| {
            format!("501 not_implemented: {what} is promised by the contract and not built in commerce yet")
        };
        check(Method::GET, "/orders/1", &promised("GET /orders/{id}"));
        check(Method::POST, "/admin/jobs", &promised("POST /admin/jobs"));
        for served_elsewhere in ["/me", "/admin/users"] {
            check(Method::GET, served_elsewhere, "404 not_found: page not found");
        }
        check(Method::PUT, "/orders/1", "405 method_not_allowed: method not allowed");
        check(Method::GET, "/orders", "404 not_found: page not found");
    }

    #[test]
    fn templates() {
        let check =
            |template: &str, path: &str, expect: bool| assert_eq!(fits(template, path), expect, "{path}");
        check("/a/{id}", "/a/1", true);
        check("/a/{id}", "/a/", false);
        check("/a/{id}", "/a", false);
        check("/a/{id}", "/a/1/b", false);
        check("/a", "/a", true);
        check("/a", "/b", false);
    }
}
