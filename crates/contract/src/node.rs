use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::Place;
use crate::number::Number;

/// A piece of a YAML or JSON document that remembers where it is written.
///
/// Subtrees are shared, so that an alias costs nothing; `size` and `depth` count what it unfolds to.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    pub(crate) size: usize,
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// The number and its spelling: an unquoted `version: 1.10` still means `1.10`.
    Number(Number, String),
    Text(String),
    List(Vec<Arc<Node>>),
    /// Sorted, because nothing in OpenAPI depends on the order of keys.
    Map(BTreeMap<String, Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where the key is written.
    pub(crate) place: Place,
    pub(crate) node: Arc<Node>,
}

impl Node {
    pub(crate) fn new(place: Place, value: Value) -> Node {
        let (size, depth) = match &value {
            Value::List(items) => items
                .iter()
                .fold((1_usize, 1), |(size, depth), n| (size.saturating_add(n.size), depth.max(n.depth + 1))),
            Value::Map(entries) => entries.values().fold((1_usize, 1), |(size, depth), e| {
                (size.saturating_add(e.node.size), depth.max(e.node.depth + 1))
            }),
            _ => (1, 1),
        };
        Node { place, value, size, depth }
    }

    pub(crate) fn map(&self) -> Option<&BTreeMap<String, Entry>> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Arc<Node>]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.map()?.get(key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Arc<Node>> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// What the node is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(..) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The content as JSON with sorted keys and canonical numbers: equal content, equal text.
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(number, _) => {
                let _ = write!(out, "{number}");
            }
            Value::Text(text) => out.push_str(&quote(text)),
            Value::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (index, (key, entry)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&quote(key));
                    out.push(':');
                    entry.node.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// `text` as a JSON string, so that no content can look like structure.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
