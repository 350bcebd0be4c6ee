mod keyword;
mod union;
mod value;

use std::sync::Arc;

pub(super) use keyword::PROSE;
use keyword::READ;

use super::{Dialect, Reader};
use crate::node::{Node, Value};
use crate::schema::{RawId, RawProperty, RawSchema};

impl Reader<'_> {
    /// The id of the schema at `node`. Its content is read later, by [`Reader::read_schemas`].
    pub(super) fn schema(&mut self, node: &Arc<Node>) -> RawId {
        if let Some(id) = self.known.get(&Arc::as_ptr(node)) {
            return *id;
        }
        let id = match &node.value {
            Value::Bool(fits) if self.dialect(node) == Dialect::V31 => {
                if *fits {
                    RawId::ANY
                } else {
                    RawId::NEVER
                }
            }
            Value::Map(map) if map.contains_key("$ref") => {
                let refines = map.keys().any(|key| !PROSE.contains(&key.as_str()) && !key.starts_with("x-"));
                if refines && self.dialect(node) == Dialect::V31 {
                    self.enqueue(node)
                } else {
                    self.lone_reference(node);
                    self.referred(node)
                }
            }
            Value::Map(_) => self.enqueue(node),
            _ => {
                self.shape(node, "the schema", "a mapping");
                RawId::ANY
            }
        };
        self.known.insert(Arc::as_ptr(node), id);
        id
    }

    /// The schema that the reference at `node` leads to.
    fn referred(&mut self, node: &Arc<Node>) -> RawId {
        let Some(target) = self.resolve(node) else { return RawId::ANY };
        let refers_again = target.node.entry("$ref").is_some();
        let id = if refers_again { RawId::ANY } else { self.schema(&target.node) };
        let raw = &mut self.raws[id.0 as usize];
        if id != RawId::ANY && id != RawId::NEVER && raw.name.is_none() {
            raw.name = target.name;
        }
        id
    }

    fn enqueue(&mut self, node: &Arc<Node>) -> RawId {
        let id = RawId(u32::try_from(self.raws.len()).expect("documents are limited in size"));
        self.raws.push(RawSchema::empty(node.place.clone()));
        self.queue.push_back((id, node.clone()));
        id
    }

    /// Reads every schema that has been met, and those met on the way.
    pub(super) fn read_schemas(&mut self) {
        while let Some((id, node)) = self.queue.pop_front() {
            let mut raw = self.raw(&node);
            raw.name = self.raws[id.0 as usize].name.take();
            self.raws[id.0 as usize] = raw;
        }
    }

    fn raw(&mut self, node: &Arc<Node>) -> RawSchema {
        let dialect = self.dialect(node);
        let mut raw = RawSchema::empty(node.place.clone());
        for key in READ {
            if let Some(entry) = node.entry(key) {
                raw.at.insert(key, entry.place.clone());
            }
        }
        if node.entry("$ref").is_some() {
            raw.all_of.push(self.referred(node));
        }
        self.types(node, dialect, &mut raw);
        self.values(node, dialect, &mut raw);
        self.numbers(node, dialect, &mut raw);
        self.parts(node, &mut raw);
        self.unions(node, &mut raw);
        self.keywords(node, dialect, &mut raw);
        let facets = &mut raw.facets;
        facets.formats.extend(self.text(node, "format"));
        facets.patterns.extend(self.text(node, "pattern"));
        facets.unique_items = self.flag(node, "uniqueItems").unwrap_or(false);
        facets.read_only = self.flag(node, "readOnly").unwrap_or(false);
        facets.write_only = self.flag(node, "writeOnly").unwrap_or(false);
        facets.deprecated = self.flag(node, "deprecated").unwrap_or(false);
        facets.default = node.get("default").map(|value| value.canonical());
        raw
    }

    fn parts(&mut self, node: &Arc<Node>, raw: &mut RawSchema) {
        for (name, place, value) in self.entries(node, "properties") {
            let schema = self.schema(&value);
            raw.properties.insert(name, RawProperty { schema, place });
        }
        for (name, place) in self.texts(node, "required") {
            raw.required.entry(name).or_insert(place);
        }
        if let Some(value) = node.get("additionalProperties").cloned() {
            raw.additional = match value.value {
                Value::Bool(true) => RawId::ANY,
                Value::Bool(false) => RawId::NEVER,
                _ => self.schema(&value),
            };
        }
        if let Some(value) = node.get("items").cloned() {
            raw.items = self.schema(&value);
        }
    }
}
