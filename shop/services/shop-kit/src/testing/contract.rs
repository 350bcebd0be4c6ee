//! Compares answers with what the contract says: every field by name and kind, nothing left out that is
//! required, nothing there that is not described.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::Reply;
use crate::contract::{Operation, fits, operations};

/// The OpenAPI files of the shop, which refer to each other.
#[derive(Debug)]
pub struct Contracts {
    documents: BTreeMap<String, Value>,
    texts: BTreeMap<String, String>,
}

/// A value in a file: what a `$ref` in it is relative to.
#[derive(Clone, Copy)]
struct At<'a> {
    file: &'a str,
    value: &'a Value,
}

impl Contracts {
    /// Reads every `*.yaml` of a directory.
    ///
    /// # Panics
    /// When one can't be read; the test is over then.
    pub fn in_directory(directory: &Path) -> Self {
        let (mut documents, mut texts) = (BTreeMap::new(), BTreeMap::new());
        for entry in std::fs::read_dir(directory).expect("the directory of the contracts") {
            let path = entry.expect("a readable directory").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            if !name.ends_with(".yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a readable contract");
            let document = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            documents.insert(name.clone(), document);
            texts.insert(name, text);
        }
        Self { documents, texts }
    }

    /// The operations of one file.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn operations(&self, file: &str) -> Vec<Operation> {
        operations(file, &self.texts[file]).expect("a contract that was read already")
    }

    /// The operations that a boundary answers, in its own contract and in others.
    pub fn served_by(&self, boundary: &str) -> Vec<Operation> {
        let own = |file: &str, o: &Operation| {
            o.served_by.as_deref().unwrap_or(file.trim_end_matches(".yaml")) == boundary
        };
        let files = self.texts.keys();
        files.flat_map(|file| self.operations(file).into_iter().filter(move |o| own(file, o))).collect()
    }

    /// Checks an answer to `method path` against the operation that the path belongs to.
    ///
    /// # Panics
    /// With everything that is not as described; the test is over then.
    pub fn check(&self, method: &str, path: &str, reply: &Reply) {
        let path = path.split('?').next().unwrap_or_default();
        let (file, operation) = self.operation(method, path);
        let at = At { file, value: operation };
        let responses = at.get("responses");
        let response = responses
            .try_get(&reply.status.to_string())
            .or_else(|| responses.try_get("default"))
            .unwrap_or_else(|| panic!("{method} {path} does not describe {}", reply.status));
        let response = self.follow(response);
        let Some(content) = response.try_get("content") else {
            assert_eq!(reply.text, "", "{method} {path} describes no body for {}", reply.status);
            return;
        };
        let kind = reply.header("content-type").split(';').next().unwrap_or_default();
        let media =
            content.try_get(kind).unwrap_or_else(|| panic!("{method} {path}: {kind} is not described"));
        let body = if kind == "application/json" { reply.json() } else { Value::from(reply.text.as_str()) };
        let mut wrong = Vec::new();
        self.compare(media.get("schema"), &body, "body", &mut wrong);
        assert!(wrong.is_empty(), "{method} {path} {}: {}\n{body:#}", reply.status, wrong.join("; "));
    }

    fn operation(&self, method: &str, path: &str) -> (&str, &Value) {
        let mut found = None;
        for (file, document) in &self.documents {
            for (template, item) in document["paths"].as_object().into_iter().flatten() {
                let literal = template == path;
                if let Some(operation) = item.get(method.to_ascii_lowercase())
                    && fits(template, path)
                    && (literal || found.is_none())
                {
                    found = Some((file.as_str(), operation));
                }
            }
        }
        found.unwrap_or_else(|| panic!("no contract has {method} {path}"))
    }

    /// What a `$ref` points to, or the value itself.
    fn follow<'a>(&'a self, at: At<'a>) -> At<'a> {
        let Some(target) = at.value.get("$ref").and_then(Value::as_str) else { return at };
        let (file, pointer) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { at.file } else { file };
        let value = self.documents.get(file).and_then(|document| document.pointer(pointer));
        self.follow(At {
            file,
            value: value.unwrap_or_else(|| panic!("{target} in {} leads nowhere", at.file)),
        })
    }

    fn compare(&self, schema: At<'_>, value: &Value, place: &str, wrong: &mut Vec<String>) {
        let schema = self.follow(schema);
        if value.is_null() {
            if schema.value.get("nullable") != Some(&Value::Bool(true)) {
                wrong.push(format!("{place} is null"));
            }
            return;
        }
        if let Some(all) = schema.value.get("allOf").and_then(Value::as_array) {
            self.compare_union(schema.file, all, value, place, wrong);
            return;
        }
        let kind = schema.value.get("type").and_then(Value::as_str).unwrap_or("object");
        let fits = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            other => panic!("{place}: the checker does not know type {other}"),
        };
        if !fits {
            wrong.push(format!("{place} is {value}, not of type {kind}"));
            return;
        }
        if let Some(allowed) = schema.value.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            wrong.push(format!("{place} is {value}, not one of {allowed:?}"));
        }
        if let Some(text) = value.as_str() {
            self.compare_format(schema, text, place, wrong);
        }
        if let (Some(items), Some(item_schema)) = (value.as_array(), schema.try_get("items")) {
            for (index, item) in items.iter().enumerate() {
                self.compare(item_schema, item, &format!("{place}[{index}]"), wrong);
            }
        }
        if let Some(object) = value.as_object() {
            self.compare_fields(schema, object, place, wrong);
        }
    }

    /// An object made of several: each part knows its own fields, and what none of them knows is not described.
    fn compare_union(
        &self,
        file: &str,
        parts: &[Value],
        value: &Value,
        place: &str,
        wrong: &mut Vec<String>,
    ) {
        if let [only] = parts {
            self.compare(At { file, value: only }, value, place, wrong);
            return;
        }
        let Some(object) = value.as_object() else {
            wrong.push(format!("{place} is {value}, not of type object"));
            return;
        };
        let parts: Vec<At<'_>> = parts.iter().map(|value| self.follow(At { file, value })).collect();
        let knows = |part: &At<'_>, name: &str| {
            part.value.pointer("/properties").is_some_and(|p| p.get(name).is_some())
        };
        for name in object.keys().filter(|name| !parts.iter().any(|part| knows(part, name))) {
            wrong.push(format!("{place}.{name} is not described"));
        }
        for part in parts {
            let own = object.iter().filter(|(name, _)| knows(&part, name));
            self.compare_fields(part, &own.map(|(k, v)| (k.clone(), v.clone())).collect(), place, wrong);
        }
    }

    fn compare_format(&self, schema: At<'_>, text: &str, place: &str, wrong: &mut Vec<String>) {
        let good = match schema.value.get("format").and_then(Value::as_str) {
            Some("uuid") => uuid::Uuid::parse_str(text).is_ok(),
            Some("date-time") => {
                time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
            }
            _ => true,
        };
        if !good {
            wrong.push(format!("{place} is {text:?}, which is not in its format"));
        }
    }

    fn compare_fields(
        &self,
        schema: At<'_>,
        object: &Map<String, Value>,
        place: &str,
        wrong: &mut Vec<String>,
    ) {
        for name in schema.value.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap_or_default()) {
                wrong.push(format!("{place} has no {name}"));
            }
        }
        let known = schema.try_get("properties");
        let others =
            schema.value.get("additionalProperties").is_some_and(|other| *other != Value::Bool(false));
        for (name, value) in object {
            match known.and_then(|known| known.try_get(name)) {
                Some(schema) => self.compare(schema, value, &format!("{place}.{name}"), wrong),
                None if others => {}
                None => wrong.push(format!("{place}.{name} is not described")),
            }
        }
    }
}

impl<'a> At<'a> {
    fn try_get(self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| Self { file: self.file, value })
    }

    fn get(self, key: &str) -> Self {
        self.try_get(key).unwrap_or_else(|| panic!("{}: no {key} in {}", self.file, self.value))
    }
}
