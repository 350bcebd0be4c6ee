use std::collections::{BTreeMap, BTreeSet};

use crate::operation::Operation;
use crate::problem::Problems;
use crate::schema::Schemas;
use crate::{Method, Place, Sources, digest, read};

/// An OpenAPI document with everything it refers to, read without a fault.
#[derive(Debug, Clone)]
pub struct Contract {
    parts: Parts,
    files: BTreeSet<String>,
    digest: String,
}

/// What the reader hands over.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) openapi: String,
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) version_place: Place,
    /// By path and method.
    pub(crate) operations: Vec<Operation>,
    pub(crate) webhooks: BTreeMap<String, Vec<Operation>>,
    pub(crate) schemas: Schemas,
    /// The top of the entry file.
    pub(crate) entry: Place,
}

impl Contract {
    /// Reads the document at `entry` and every file it refers to.
    ///
    /// # Errors
    /// All faults that were found, by file and line. A contract with any fault is not returned.
    pub fn parse(entry: &str, sources: &dyn Sources) -> Result<Contract, Problems> {
        read::read(entry, sources)
    }

    pub(crate) fn new(parts: Parts, files: BTreeSet<String>) -> Contract {
        let digest = digest::digest(&parts);
        Contract { parts, files, digest }
    }

    /// `info.title`.
    pub fn title(&self) -> &str {
        &self.parts.title
    }

    /// `info.version`, as it is spelt.
    pub fn version(&self) -> &str {
        &self.parts.version
    }

    /// The OpenAPI version the entry document is written in: `3.0.3`.
    pub fn openapi(&self) -> &str {
        &self.parts.openapi
    }

    /// All operations, by path and then method.
    pub fn operations(&self) -> &[Operation] {
        &self.parts.operations
    }

    /// The operation with this method and this path template, as the contract writes it.
    pub fn operation(&self, method: Method, path: &str) -> Option<&Operation> {
        self.operations().iter().find(|o| o.method == method && o.path.as_str() == path)
    }

    /// Every file that was read, the entry included, under the paths that the sources know.
    pub fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// SHA-256 over what the contract means, in hex.
    ///
    /// It changes with anything a caller or a generated client could notice: the version, methods, paths
    /// and base paths, operation ids, parameters, bodies, media types, statuses, headers, schemas, defaults,
    /// security, deprecation, callbacks and webhooks. It does not change with the order of keys, of lists whose
    /// order says nothing (`required`, `enum`, `tags`, `oneOf`), with formatting, comments, YAML or JSON, with the
    /// file a schema lives in or the name it is referred to by, with components nobody uses, with the spelling of
    /// path parameters' names, with `allOf` written out, with OpenAPI 3.0 against 3.1, or with words for people:
    /// title, descriptions, summaries, examples, tags, links, `x-` keys.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) fn schemas(&self) -> &Schemas {
        &self.parts.schemas
    }
}
