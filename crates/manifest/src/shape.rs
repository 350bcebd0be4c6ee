//! Questions to a JSON Schema: which keys, which types, and how to say that to people.

use crate::{
    suggest,
    yaml::{Kind, Meaning, Node, Scalar},
};
use serde_json::{Map, Value};

/// The alternatives of a schema that has several.
pub(crate) fn alternatives(schema: &Value) -> Option<&[Value]> {
    ["anyOf", "oneOf"]
        .iter()
        .find_map(|keyword| schema.get(keyword)?.as_array())
        .map(Vec::as_slice)
        .filter(|branches| !branches.iter().all(|branch| branch.get("const").is_some()))
}

/// The texts that are allowed, when they can be counted.
pub(crate) fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return Some(choices.iter().filter_map(Value::as_str).collect());
    }
    if let Some(only) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![only]);
    }
    let branches = schema.get("oneOf")?.as_array()?;
    branches.iter().map(|branch| branch.get("const")?.as_str()).collect()
}

/// The JSON types that a schema allows.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ if choices(schema).is_some() => vec!["string"],
        _ => Vec::new(),
    }
}

pub(crate) fn accepts(schema: &Value, node: &Node) -> bool {
    let types = types(schema);
    match &node.kind {
        Kind::Sequence(_) => types.contains(&"array"),
        Kind::Mapping(_) => types.contains(&"object"),
        Kind::Scalar(_) => types.iter().any(|name| !["array", "object"].contains(name)),
    }
}

pub(crate) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

pub(crate) fn properties<'v>(schema: &'v Value) -> impl Iterator<Item = &'v str> + Clone {
    let properties: Option<&'v Map<String, Value>> = schema.get("properties").and_then(Value::as_object);
    let keys: Vec<&'v str> =
        properties.map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
    keys.into_iter()
}

pub(crate) fn has_property(schema: &Value, name: &str) -> bool {
    schema.pointer(&pointer("properties", name)).is_some()
}

pub(crate) fn pointer(keyword: &str, name: &str) -> String {
    format!("/{keyword}/{}", name.replace('~', "~0").replace('/', "~1"))
}

pub(crate) fn key_text(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(&scalar.text),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

/// What is expected, in words.
pub(crate) fn describe(schema: &Value) -> String {
    if let Some(choices) = choices(schema) {
        return suggest::list(&choices, "or");
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("duration-text") => return "a duration such as `30s`".to_owned(),
        Some("memory") => return "an amount of memory such as `512Mi`".to_owned(),
        Some("size") => return "a size such as `10Mi`".to_owned(),
        Some("network") => return "an address or a network".to_owned(),
        Some("tls-version") => return "a version of TLS".to_owned(),
        Some("password-hash") => return "a hash".to_owned(),
        Some("cpu") => return "an amount of CPU such as `\"0.5\"`".to_owned(),
        Some("probe") => return "a path or `none`".to_owned(),
        Some("variable-name") => return "the name of a variable".to_owned(),
        Some("socket-address") => return "an address and a port".to_owned(),
        _ => {}
    }
    let words: Vec<&str> = types(schema)
        .into_iter()
        .map(|name| match name {
            "object" => "a mapping",
            "array" => "a list",
            "boolean" => "`true` or `false`",
            "integer" => "a whole number",
            "number" => "a number",
            _ => "text",
        })
        .collect();
    if words.is_empty() { "something else".to_owned() } else { words.join(" or ") }
}

/// `write …`, from the first example of a schema.
pub(crate) fn example(name: &str, schema: &Value) -> Option<String> {
    let example = schema.get("examples")?.get(0)?;
    Some(format!("for example `{name}: {}`", inline(example)))
}

/// A JSON value on one line of YAML.
pub(crate) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let scalar = Scalar { text: text.clone(), quoted: false };
            let plain = scalar.meaning() == Meaning::Text
                && !text.starts_with(|c: char| "{}[],&*#?|-<>=!%@`\"'".contains(c))
                && !text.contains(": ")
                && !text.contains(" #");
            if plain { text.clone() } else { format!("\"{text}\"") }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A text that fits into a message.
pub(crate) fn shorten(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.chars().count() > 60 || text.lines().count() > 1 {
        format!("{}…", first.chars().take(60).collect::<String>())
    } else {
        first.to_owned()
    }
}
