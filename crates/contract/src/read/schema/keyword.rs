//! Which keywords there are, and what becomes of those that are not looked into.

use std::sync::Arc;

use crate::ProblemKind;
use crate::node::{Node, Value};
use crate::read::{Dialect, Reader, nearest};
use crate::schema::RawSchema;

/// Words for people; they change nothing on the wire.
pub(in crate::read) const PROSE: [&str; 10] = [
    "title",
    "description",
    "example",
    "examples",
    "externalDocs",
    "$comment",
    "$schema",
    "$defs",
    "definitions",
    "$ref",
];

/// Keywords that are read one by one.
pub(super) const READ: [&str; 34] = [
    "type",
    "nullable",
    "format",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "uniqueItems",
    "pattern",
    "allOf",
    "oneOf",
    "anyOf",
    "not",
    "discriminator",
    "readOnly",
    "writeOnly",
    "deprecated",
    "default",
    "xml",
    "contentEncoding",
    "contentMediaType",
];

/// Keywords of 3.1 that hold one schema and are compared only for equality.
pub(super) const ONE: [&str; 9] = [
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
    "contentSchema",
];
/// The same, holding a list of schemas or schemas by name.
pub(super) const MANY: [&str; 3] = ["prefixItems", "patternProperties", "dependentSchemas"];
/// Keywords that 3.0 does not have, apart from those above.
pub(super) const SINCE_31: [&str; 6] =
    ["const", "contentEncoding", "contentMediaType", "dependentRequired", "minContains", "maxContains"];

impl Reader<'_> {
    /// Everything that is not read above: kept for comparison, or refused where it would be ignored.
    pub(super) fn keywords(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
        let Some(map) = node.map() else { return };
        let known: Vec<&str> =
            READ.iter().chain(&PROSE).chain(&ONE).chain(&MANY).chain(&SINCE_31).copied().collect();
        for (key, entry) in map {
            let key = key.as_str();
            let since_31 = ONE.contains(&key) || MANY.contains(&key) || SINCE_31.contains(&key);
            if dialect == Dialect::V30 && since_31 {
                let message =
                    format!("OpenAPI 3.0 has no keyword `{key}` in schemas, so it would be ignored");
                let hint = "write `openapi: 3.1.0`, or say it with keywords of 3.0";
                self.report(ProblemKind::UnknownKey, &entry.place, message, Some(hint));
                continue;
            }
            if ONE.contains(&key) {
                let id = self.schema(&entry.node);
                raw.other.insert(key.to_owned(), id);
            } else if MANY.contains(&key) {
                let parts: Vec<(String, Arc<Node>)> = match &entry.node.value {
                    Value::List(items) => {
                        items.iter().enumerate().map(|(i, n)| (i.to_string(), n.clone())).collect()
                    }
                    Value::Map(map) => map.iter().map(|(name, e)| (name.clone(), e.node.clone())).collect(),
                    _ => {
                        self.shape(&entry.node, &format!("`{key}`"), "a collection of schemas");
                        continue;
                    }
                };
                for (name, part) in parts {
                    let id = self.schema(&part);
                    raw.other.insert(format!("{key}/{name}"), id);
                }
            } else if key == "xml" || (SINCE_31.contains(&key) && key != "const") {
                raw.facets.other.insert(key.to_owned(), entry.node.canonical());
            } else if !known.contains(&key) && !key.starts_with("x-") {
                // A schema of 3.1 may use any vocabulary, but not a misspelt keyword.
                match nearest(key, &known) {
                    None if dialect == Dialect::V31 => {
                        raw.facets.other.insert(key.to_owned(), entry.node.canonical());
                    }
                    near => {
                        let hint = match near {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => "remove it, or give it a name that starts with `x-`".to_owned(),
                        };
                        let message = format!("a schema has no keyword `{key}`");
                        self.report(ProblemKind::UnknownKey, &entry.place, message, Some(&hint));
                    }
                }
            }
        }
    }
}
