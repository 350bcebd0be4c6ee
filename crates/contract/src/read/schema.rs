use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Dialect, Reader, nearest};
use crate::ProblemKind;
use crate::node::{Node, Value};
use crate::number::Number;
use crate::schema::{Bound, Discriminator, Limit, RawId, RawProperty, RawSchema, Types};

/// Words for people; they change nothing on the wire.
const PROSE: [&str; 10] = [
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
const READ: [&str; 34] = [
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
const ONE: [&str; 9] = [
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
const MANY: [&str; 3] = ["prefixItems", "patternProperties", "dependentSchemas"];
/// Keywords that 3.0 does not have, apart from those above.
const SINCE_31: [&str; 6] =
    ["const", "contentEncoding", "contentMediaType", "dependentRequired", "minContains", "maxContains"];

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

    fn types(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
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

    fn values(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
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

    fn numbers(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
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

    fn unions(&mut self, node: &Arc<Node>, raw: &mut RawSchema) {
        let all_of = self.branches(node, "allOf");
        raw.all_of.extend(all_of);
        raw.one_of = self.branches(node, "oneOf");
        raw.any_of = self.branches(node, "anyOf");
        raw.not = node.get("not").cloned().map(|value| self.schema(&value));
        if let Some(value) = node.get("discriminator").cloned()
            && self.mapping(&value, "`discriminator`")
        {
            match self.text(&value, "propertyName") {
                Some(property) => {
                    let mut mapping = std::collections::BTreeMap::new();
                    for (name, _, target) in self.entries(&value, "mapping") {
                        if let Some(id) = self.mapped(&target) {
                            mapping.insert(name, id);
                        }
                    }
                    raw.discriminator = Some(Discriminator { property, mapping });
                }
                None => self.report(
                    ProblemKind::Missing,
                    &value.place,
                    "the discriminator does not say which property it looks at",
                    Some("add `propertyName`"),
                ),
            }
        }
    }

    fn branches(&mut self, node: &Arc<Node>, key: &str) -> Vec<RawId> {
        let Some(value) = node.get(key).cloned() else { return Vec::new() };
        match value.list() {
            Some([]) => {
                let message = format!("`{key}` lists no schema");
                self.report(
                    ProblemKind::InvalidValue,
                    &value.place,
                    message,
                    Some("list at least one, or remove it"),
                );
                Vec::new()
            }
            Some(items) => items.iter().map(|item| self.schema(item)).collect(),
            None => {
                self.shape(&value, &format!("`{key}`"), "a list of schemas");
                Vec::new()
            }
        }
    }

    /// The schema that a discriminator's mapping names: a component of the same file, or a reference.
    fn mapped(&mut self, node: &Arc<Node>) -> Option<RawId> {
        let Some(text) = node.text() else {
            self.shape(node, "a discriminator's mapping", "the name of a schema or a reference to one");
            return None;
        };
        let file = node.place.file.clone();
        let component = self
            .document(&file, &node.place)
            .and_then(|root| root.get("components")?.get("schemas")?.get(text).cloned());
        match component {
            Some(component) => {
                let id = self.schema(&component);
                let raw = &mut self.raws[id.0 as usize];
                if id != RawId::ANY && id != RawId::NEVER && raw.name.is_none() {
                    raw.name = Some(text.to_owned());
                }
                Some(id)
            }
            None => {
                let target = self.target(text, &node.place)?;
                Some(self.schema(&target.node))
            }
        }
    }

    /// Everything that is not read above: kept for comparison, or refused where it would be ignored.
    fn keywords(&mut self, node: &Arc<Node>, dialect: Dialect, raw: &mut RawSchema) {
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
