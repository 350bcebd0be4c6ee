//! From documents to the parts of a contract.
//!
//! Reading never stops at the first fault: every part that cannot be read is reported and left out,
//! and the rest is read on. Schemas are not followed recursively. Whoever meets one gets its id at
//! once and the schema joins a queue, so neither recursion nor length of a chain matters.

mod body;
mod document;
mod operation;
mod parameter;
mod path_item;
mod reference;
mod root;
mod schema;
mod security;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

pub(crate) use document::Dialect;
use document::Document;
pub(crate) use root::read;

use crate::node::{Node, Value};
use crate::schema::{RawId, RawSchema};
use crate::{Place, Problem, ProblemKind, Sources};

/// What is known while a contract is read.
struct Reader<'s> {
    sources: &'s dyn Sources,
    entry: Arc<str>,
    /// `None` for a file that could not be read; said once.
    documents: BTreeMap<Arc<str>, Option<Document>>,
    problems: Vec<Problem>,
    raws: Vec<RawSchema>,
    /// The id of each schema met, by the node that holds it.
    known: HashMap<*const Node, RawId>,
    queue: VecDeque<(RawId, Arc<Node>)>,
    operation_ids: BTreeMap<String, Place>,
    /// Callbacks hold operations, which may hold callbacks.
    callback_depth: usize,
}

impl<'s> Reader<'s> {
    fn new(sources: &'s dyn Sources, entry: &str) -> Reader<'s> {
        Reader {
            sources,
            entry: entry.into(),
            documents: BTreeMap::new(),
            problems: Vec::new(),
            raws: vec![RawSchema::any(), RawSchema::never()],
            known: HashMap::new(),
            queue: VecDeque::new(),
            operation_ids: BTreeMap::new(),
            callback_depth: 0,
        }
    }

    fn report(&mut self, kind: ProblemKind, place: &Place, message: impl Into<String>, hint: Option<&str>) {
        self.problems.push(Problem {
            place: place.clone(),
            kind,
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    /// Says that `node` should have been something else.
    fn shape(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} is {}, and should be {wanted}", node.describe());
        self.report(ProblemKind::WrongShape, &node.place, message, None);
    }

    /// Reports keys that OpenAPI does not have here. What nobody reads must not look as if it counted.
    fn known_keys(&mut self, node: &Node, what: &str, keys: &[&str]) {
        let Some(map) = node.map() else { return };
        let unknown: Vec<(String, Place)> = map
            .iter()
            .filter(|(key, _)| !keys.contains(&key.as_str()) && !key.starts_with("x-"))
            .map(|(key, entry)| (key.clone(), entry.place.clone()))
            .collect();
        for (key, place) in unknown {
            let hint = match nearest(&key, keys) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it, or give it a name that starts with `x-`".to_owned(),
            };
            let message = format!("{what} has no key `{key}`");
            self.report(ProblemKind::UnknownKey, &place, message, Some(&hint));
        }
    }

    /// A mapping, or a report.
    fn mapping(&mut self, node: &Arc<Node>, what: &str) -> bool {
        if node.map().is_none() {
            self.shape(node, what, "a mapping");
        }
        node.map().is_some()
    }

    /// A text under `key`; numbers and booleans count by their spelling (`version: 1.10`).
    fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        let value = node.get(key)?;
        match &value.value {
            Value::Text(text) | Value::Number(_, text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            _ => {
                self.shape(value, &format!("`{key}`"), "a text");
                None
            }
        }
    }

    fn flag(&mut self, node: &Node, key: &str) -> Option<bool> {
        let value = node.get(key)?;
        match value.value {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.shape(value, &format!("`{key}`"), "`true` or `false`");
                None
            }
        }
    }

    fn texts(&mut self, node: &Node, key: &str) -> Vec<(String, Place)> {
        let Some(value) = node.get(key).cloned() else { return Vec::new() };
        let Some(items) = value.list() else {
            self.shape(&value, &format!("`{key}`"), "a list of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) | Value::Number(_, text) => texts.push((text.clone(), item.place.clone())),
                _ => self.shape(item, &format!("an entry of `{key}`"), "a text"),
            }
        }
        texts
    }

    /// The entries of the mapping under `key`, in alphabetical order.
    fn entries(&mut self, node: &Node, key: &str) -> Vec<(String, Place, Arc<Node>)> {
        let Some(value) = node.get(key).cloned() else { return Vec::new() };
        match value.map() {
            Some(map) => map
                .iter()
                .map(|(name, entry)| (name.clone(), entry.place.clone(), entry.node.clone()))
                .collect(),
            None => {
                self.shape(&value, &format!("`{key}`"), "a mapping");
                Vec::new()
            }
        }
    }

    /// Every file that was asked for and read.
    fn files(&self) -> BTreeSet<String> {
        self.documents.iter().filter(|(_, d)| d.is_some()).map(|(path, _)| path.to_string()).collect()
    }
}

/// The entry of `known` that `text` was probably meant to be.
fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let text = text.to_lowercase();
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&text, &k.to_lowercase()), *k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 5)
        .min()
        .map(|(_, k)| k)
}
