//! OpenAPI documents: parse, list operations, compare two versions with a rule for each finding, derive routes.
//!
//! A [`Contract`] is read in one go from an entry file and whatever it refers to; the caller hands out the text
//! ([`Sources`]), this crate never touches a disk. Reading ends either in a contract without any fault or in
//! [`Problems`]: all faults, each with its place and, where possible, what to write instead. Nothing is accepted
//! and then ignored, apart from words for people (descriptions, examples, links, `x-` keys).
//!
//! From a contract come three things. [`Contract::digest`] says whether two contracts mean the same. [`compare`] says
//! what is different and whom it hurts, each [`Finding`] with a [`Rule`] and the places in both files. [`routes`] and
//! [`Matcher`] say which operation of which contract a request is meant for, and [`conflicts`] where two contracts
//! would both answer.
//!
//! ```
//! use std::collections::BTreeMap;
//! use fairway_contract::{Contract, Match, Matcher, Summary, compare};
//!
//! let text = "
//! openapi: 3.0.3
//! info: {title: Orders, version: '1'}
//! paths:
//!   /orders/{id}:
//!     get:
//!       parameters: [{name: id, in: path, required: true, schema: {type: string}}]
//!       responses: {'200': {description: The order}}
//! ";
//! let read = |text: &str| {
//!     let sources = BTreeMap::from([("orders.yaml".to_owned(), text.to_owned())]);
//!     Contract::parse("orders.yaml", &sources)
//! };
//! let old = read(text)?;
//! let new = read(&text.replace("schema: {type: string}", "schema: {type: integer}"))?;
//!
//! let findings = compare(&old, &new);
//! assert_eq!(findings[0].rule.id(), "request-type-changed");
//! assert_eq!(Summary::of(&findings).breaking, 1);
//!
//! let matcher = Matcher::new([("orders", &new)]).expect("one contract does not conflict");
//! let Match::Found(found) = matcher.find("GET", "/orders/7") else { panic!("it is known") };
//! assert_eq!((found.boundary, found.parameters["id"].as_str()), ("orders", "7"));
//! # Ok::<(), fairway_contract::Problems>(())
//! ```
//!
//! How a contract is understood, where OpenAPI leaves a choice or people write otherwise:
//!
//! - A schema without `type` that lists properties is an object, and one with `items` an array.
//! - `nullable: true` of 3.0 allows `null` whatever stands beside it: without `type`, with `allOf`, with an `enum` that
//!   does not list `null`.
//! - Only the paths of `servers` count; where a service runs is not the contract's affair.
//! - Of a media type only the type counts, not its parameters: `application/json; charset=utf-8` is `application/json`.
//! - Security schemes are looked up in the entry document and then in the file that names them; two that are defined
//!   alike are the same.
//! - What the entry document says for all operations (`servers`, `security`) holds for path items in other files too;
//!   what those files say at their own top does not.
//! - References lead to files by relative path and JSON pointer. References to other machines, to anchors and out of the
//!   folder are faults.
//! - `allOf` is merged. `not`, `if`, `prefixItems` and whatever else is not understood in depth is compared for equality,
//!   and a difference in it is [`Verdict::Unknown`].

mod compare;
mod contract;
mod digest;
mod method;
mod node;
mod number;
mod operation;
mod path;
mod place;
mod problem;
mod read;
mod route;
mod schema;
mod security;
mod settle;
mod source;
mod yaml;

pub use compare::{Affected, Finding, Rule, Summary, Verdict, compare};
pub use contract::Contract;
pub use method::{Method, UnknownMethod};
pub use operation::{Media, Operation, OperationKey, Parameter, ParameterIn, RequestBody, Response, Status};
pub use path::{PathTemplate, TemplateError};
pub use place::Place;
pub use problem::{Problem, ProblemKind, Problems};
pub use route::{Claim, Conflict, Conflicts, Found, Match, Matcher, RoutePattern, conflicts, routes};
pub use security::Security;
pub use source::{FromFn, Sources, Unreadable};
