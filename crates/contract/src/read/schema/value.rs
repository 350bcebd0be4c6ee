//! What a schema says about the value itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ProblemKind;
use crate::node::{Node, Value};
use crate::number::Number;
use crate::read::{Dialect, Reader, nearest};
use crate::schema::{Bound, Limit, RawSchema, Types};

impl Reader<'_> {
    pub(super) fn types(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
        match node.get("type").cloned() {
            None => raw.facets.types = implied_types(node),
            Some(value) => match &value.value {
                Value::Text(name) => raw.facets.types = self.named_type(name, &value, dialect),
                Value::List(items) if dialect == Dialect::V31 => {
                    raw.facets.types = Types::NONE;
                    for item in items {
                        // `[string, null]` without quotes is a null, and everybody means the type.
                        let name = match &item.value {
                            Value::Text(name) => name.as_str(),
                            Value::Null => "null",
                            _ => {
                                self.shape(item, "an entry of `type`", "the name of a type");
                                continue;
                            }
                        };
                        raw.facets.types = raw.facets.types.or(self.named_type(name, item, dialect));
                    }
                }
                Value::List(_) => self.report(
                    ProblemKind::InvalidValue,
                    &value.place,
                    "OpenAPI 3.0 knows only one type for a schema",
                    Some("write `nullable: true` for a type that may be null, or `oneOf` for several types"),
                ),
                Value::Null => raw.facets.types = self.named_type("null", &value, dialect),
                _ => self.shape(&value, "`type`", "the name of a type"),
            },
        }
        if let Some(entry) = node.entry("nullable") {
            let place = entry.place.clone();
            let nullable = self.flag(node, "nullable") == Some(true);
            if dialect == Dialect::V31 {
                self.report(
                    ProblemKind::InvalidValue,
                    &place,
                    "OpenAPI 3.1 has no `nullable`, so it would be ignored",
                    Some("write `type: [string, \"null\"]` with the type you mean"),
                );
            }
            raw.force_null = nullable;
        }
    }

    fn named_type(&mut self, name: &str, node: &Node, dialect: Dialect) -> Types {
        match Types::named(name) {
            Some(Types::NULL) if dialect == Dialect::V30 => {
                self.report(
                    ProblemKind::InvalidValue,
                    &node.place,
                    "OpenAPI 3.0 has no type `null`",
                    Some("write `nullable: true` beside the type"),
                );
                Types::ANY
            }
            Some(types) => types,
            None => {
                let near = match name.to_lowercase().as_str() {
                    "int" | "long" | "int32" | "int64" => Some("integer"),
                    "float" | "double" | "decimal" => Some("number"),
                    "bool" => Some("boolean"),
                    "date" | "datetime" | "date-time" | "uuid" | "file" | "binary" => Some("string"),
                    "map" | "dict" => Some("object"),
                    "list" => Some("array"),
                    other => nearest(other, &Types::NAMES),
                };
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the types are {}", Types::NAMES.join(", ")),
                };
                let message = format!("`{name}` is not a type");
                self.report(ProblemKind::InvalidValue, &node.place, message, Some(&hint));
                Types::ANY
            }
        }
    }

    pub(super) fn values(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
        if let Some(value) = node.get("enum").cloned() {
            match value.list() {
                Some([]) => self.report(
                    ProblemKind::InvalidValue,
                    &value.place,
                    "`enum` lists no value, so nothing would ever fit",
                    Some("list the values, or remove `enum`"),
                ),
                Some(items) => {
                    raw.facets.values = Some(items.iter().map(|item| item.canonical()).collect());
                }
                None => self.shape(&value, "`enum`", "a list of values"),
            }
        }
        if dialect == Dialect::V31
            && let Some(value) = node.get("const")
        {
            let only = BTreeSet::from([value.canonical()]);
            raw.facets.values = Some(match raw.facets.values.take() {
                Some(values) => values.intersection(&only).cloned().collect(),
                None => only,
            });
        }
    }

    pub(super) fn numbers(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
        let ends = [("minimum", "exclusiveMinimum", true), ("maximum", "exclusiveMaximum", false)];
        for (key, exclusive_key, is_lower) in ends {
            let mut bound = self.number(node, key).map(|value| Bound { value, exclusive: false });
            if let Some(value) = node.get(exclusive_key).cloned() {
                match (dialect, &value.value) {
                    (Dialect::V30, Value::Bool(exclusive)) => {
                        if let Some(bound) = &mut bound {
                            bound.exclusive = *exclusive;
                        }
                    }
                    (Dialect::V31, Value::Number(number, _)) => {
                        let other = Bound { value: *number, exclusive: true };
                        bound = Some(match bound {
                            Some(bound) if is_lower => bound.highest(other),
                            Some(bound) => bound.lowest(other),
                            None => other,
                        });
                    }
                    (Dialect::V30, _) => {
                        let what = format!("`{exclusive_key}` in OpenAPI 3.0");
                        self.shape(&value, &what, &format!("`true` or `false` beside `{key}`"));
                    }
                    (Dialect::V31, _) => {
                        self.shape(&value, &format!("`{exclusive_key}` in OpenAPI 3.1"), "the bound itself");
                    }
                }
            }
            if is_lower {
                raw.facets.lower = bound;
            } else {
                raw.facets.upper = bound;
            }
        }
        raw.facets.multiples.extend(self.number(node, "multipleOf"));
        for limit in Limit::ALL {
            let Some(number) = self.number(node, limit.key()) else { continue };
            match number.as_size() {
                Some(size) => {
                    raw.facets.limits.insert(limit, size);
                }
                None => {
                    let place = node.get(limit.key()).map_or(&node.place, |n| &n.place).clone();
                    let message =
                        format!("`{}` is {number}, and should be a whole number from 0 up", limit.key());
                    self.report(ProblemKind::InvalidValue, &place, message, None);
                }
            }
        }
    }

    fn number(&mut self, node: &Node, key: &str) -> Option<Number> {
        let value = node.get(key)?;
        match value.value {
            Value::Number(number, _) => Some(number),
            _ => {
                self.shape(value, &format!("`{key}`"), "a number");
                None
            }
        }
    }
}

/// A schema that lists properties means an object, and one with `items` an array, even when
/// it does not say so. Every generator reads it like that.
fn implied_types(node: &Node) -> Types {
    let has = |keys: &[&str]| keys.iter().any(|key| node.entry(key).is_some());
    if has(&["enum", "const"]) {
        return Types::ANY;
    }
    let object = has(&[
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
    ]);
    let array = has(&["items", "minItems", "maxItems", "uniqueItems", "prefixItems", "contains"]);
    match (object, array) {
        (true, false) => Types::OBJECT,
        (false, true) => Types::ARRAY,
        _ => Types::ANY,
    }
}
