use std::sync::Arc;

use super::Reader;
use crate::node::Node;
use crate::source::Unreadable;
use crate::{Place, Problem, ProblemKind, yaml};

/// The two versions of OpenAPI that differ in how schemas are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    V30,
    V31,
}

/// A file that has been read.
pub(super) struct Document {
    pub(super) root: Arc<Node>,
    /// What the file says of itself; a fragment says nothing and is read as the file that refers to it.
    pub(super) dialect: Option<Dialect>,
}

impl Reader<'_> {
    /// The root of `path`, read at most once. `asked` is the reference that wants it.
    pub(super) fn document(&mut self, path: &Arc<str>, asked: &Place) -> Option<Arc<Node>> {
        if let Some(document) = self.documents.get(path) {
            return document.as_ref().map(|d| d.root.clone());
        }
        let root = match self.sources.read(path) {
            Ok(text) => yaml::read(path, &text, &mut self.problems),
            Err(error) => {
                self.unreadable(path, asked, &error);
                None
            }
        };
        let document = root.map(|root| {
            let dialect = version(&root).and_then(|version| dialect(&version));
            Document { root, dialect }
        });
        let root = document.as_ref().map(|d| d.root.clone());
        self.documents.insert(path.clone(), document);
        root
    }

    /// The dialect in which `node` is written.
    pub(super) fn dialect(&self, node: &Node) -> Dialect {
        let own = |path: &str| self.documents.get(path).and_then(|d| d.as_ref()).and_then(|d| d.dialect);
        own(&node.place.file).or_else(|| own(&self.entry)).unwrap_or(Dialect::V30)
    }

    fn unreadable(&mut self, path: &Arc<str>, asked: &Place, error: &Unreadable) {
        let hint = match error {
            Unreadable::NotFound if *path == self.entry => "create it, or correct the path in the manifest",
            Unreadable::NotFound => "references are relative to the file that holds them",
            Unreadable::Failed(_) => "make the file readable and try again",
        };
        let message = format!("cannot read `{path}`: {error}");
        self.problems.push(Problem {
            place: asked.clone(),
            kind: ProblemKind::Unreadable,
            message,
            hint: Some(hint.to_owned()),
        });
    }
}

/// What stands after `openapi:`, whether or not it is quoted.
pub(super) fn version(root: &Node) -> Option<String> {
    use crate::node::Value;
    match &root.get("openapi")?.value {
        Value::Text(text) | Value::Number(_, text) => Some(text.clone()),
        _ => None,
    }
}

/// `3.0.3` → 3.0. Versions that do not exist yet are not guessed at.
pub(super) fn dialect(version: &str) -> Option<Dialect> {
    let mut parts = version.trim().split('.');
    match (parts.next(), parts.next()) {
        (Some("3"), Some("0")) => Some(Dialect::V30),
        (Some("3"), Some("1")) => Some(Dialect::V31),
        _ => None,
    }
}
