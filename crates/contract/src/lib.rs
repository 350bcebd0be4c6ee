//! OpenAPI documents: parse, list operations, compare two versions with a rule for each finding, derive routes.
//!
//! A [`Contract`] is read in one go from an entry file and whatever it refers to; the caller hands out the text
//! ([`Sources`]), this crate never touches a disk. Reading ends either in a contract without any fault or in
//! [`Problems`]: all faults, each with its place and, where possible, what to write instead. Nothing is accepted
//! and then ignored.

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
