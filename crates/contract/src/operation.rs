use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::schema::SchemaId;
use crate::security::Security;
use crate::{Method, PathTemplate, Place};

/// One thing a caller can ask of a service.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The HTTP method.
    pub method: Method,
    /// The path as the contract writes it, below the base paths.
    pub path: PathTemplate,
    /// The paths of the servers that answer it, without a trailing slash; `""` for the root. Never empty.
    pub base_paths: BTreeSet<String>,
    /// `operationId`; unique within the contract.
    pub id: Option<String>,
    /// The short description for people.
    pub summary: Option<String>,
    /// Documentation groups.
    pub tags: Vec<String>,
    /// Path, query, header and cookie parameters, those of the path item included.
    pub parameters: Vec<Parameter>,
    /// What is sent, if anything.
    pub request_body: Option<RequestBody>,
    /// What comes back, by status.
    pub responses: BTreeMap<Status, Response>,
    /// What a caller has to show.
    pub security: Security,
    /// The contract advises against new use.
    pub deprecated: bool,
    /// Requests that the service makes in turn, by callback name and expression.
    pub callbacks: BTreeMap<String, Vec<Operation>>,
    /// Where the operation is written.
    pub place: Place,
}

/// How an operation is named in findings and answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationKey {
    /// The path template as the contract writes it.
    pub path: String,
    /// The HTTP method.
    pub method: Method,
}

impl fmt::Display for OperationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Operation {
    /// Method and path.
    pub fn key(&self) -> OperationKey {
        OperationKey { path: self.path.as_str().to_owned(), method: self.method }
    }
}

/// Where a parameter travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ParameterIn {
    Path,
    Query,
    Header,
    Cookie,
}

impl ParameterIn {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ParameterIn::Path => "path",
            ParameterIn::Query => "query",
            ParameterIn::Header => "header",
            ParameterIn::Cookie => "cookie",
        }
    }
}

impl fmt::Display for ParameterIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A value beside the body.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// As the contract spells it; header names are matched without regard to case.
    pub name: String,
    /// Where it travels.
    pub location: ParameterIn,
    /// Whether it may be left out. Path parameters never may.
    pub required: bool,
    /// The contract advises against new use.
    pub deprecated: bool,
    /// How the value becomes text: `form explode`, or a media type.
    pub(crate) serialization: String,
    /// Whether `?name=` is accepted, and whether reserved characters are.
    pub(crate) liberties: (bool, bool),
    pub(crate) schema: SchemaId,
    /// Where it is written.
    pub place: Place,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct RequestBody {
    /// Whether it may be left out.
    pub required: bool,
    /// The forms it may take, by media type in lower case without parameters.
    pub content: BTreeMap<String, Media>,
    /// Where it is written.
    pub place: Place,
}

/// One form of a body.
#[derive(Debug, Clone)]
pub struct Media {
    pub(crate) schema: SchemaId,
    /// How the parts of a form are encoded, as canonical JSON.
    pub(crate) encoding: String,
    /// Where it is written.
    pub place: Place,
}

/// The key of a response: a code, a class of codes, or the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Status {
    /// `200`.
    Code(u16),
    /// `4XX`, by its first digit.
    Class(u8),
    /// `default`: whatever is not listed.
    Default,
}

impl Status {
    pub(crate) fn parse(text: &str) -> Option<Status> {
        if text == "default" {
            return Some(Status::Default);
        }
        let bytes = text.as_bytes();
        match bytes {
            [first @ b'1'..=b'5', b'X' | b'x', b'X' | b'x'] => Some(Status::Class(first - b'0')),
            [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => text.parse().ok().map(Status::Code),
            _ => None,
        }
    }

    /// The first digit; none for the rest.
    pub(crate) fn class(self) -> Option<u8> {
        match self {
            Status::Code(code) => u8::try_from(code / 100).ok(),
            Status::Class(class) => Some(class),
            Status::Default => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Code(code) => write!(f, "{code}"),
            Status::Class(class) => write!(f, "{class}XX"),
            Status::Default => f.write_str("default"),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> String {
        status.to_string()
    }
}

/// What comes back.
#[derive(Debug, Clone)]
pub struct Response {
    /// Headers by name in lower case.
    pub(crate) headers: BTreeMap<String, Parameter>,
    /// The forms it may take, by media type in lower case without parameters; empty without a body.
    pub content: BTreeMap<String, Media>,
    /// Where it is written.
    pub place: Place,
}
