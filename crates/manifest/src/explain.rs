//! What a key of the manifest means, from its schema: `fairway explain services.health`.

use crate::{
    schema,
    shape::{choices, inline, types},
    suggest,
};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// What there is to know about one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The key with everything above it; `services.<name>.health`. Empty for the whole file.
    pub path: String,
    /// What may stand there, in words.
    pub kind: String,
    /// The description.
    pub description: String,
    /// It must be written.
    pub required: bool,
    /// What counts when it is left out, as YAML.
    pub default: Option<String>,
    /// An example, as YAML.
    pub example: Option<String>,
    /// The keys below it.
    pub children: Vec<Child>,
}

/// A key below the one that is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Child {
    /// The key; `<name>` where people choose it.
    pub name: String,
    /// What may stand there, in words.
    pub kind: String,
    /// The first sentence of the description.
    pub summary: String,
    /// It must be written.
    pub required: bool,
}

/// There is no such key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no key `{key}` in {parent}{}", help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct ExplainError {
    /// The part of the path that is unknown.
    pub key: String,
    /// Where it was looked for.
    pub parent: String,
    /// A suggestion, or the keys that there are.
    pub help: Option<String>,
}

/// Placeholder for keys that people choose.
const ANY: &str = "<name>";

/// Explains a key. Names that people choose may be left out: `services.health` and `services.identity.health` are the
/// same. The empty path, or `.`, is the whole file.
///
/// # Errors
/// [`ExplainError`] when there is no such key.
pub fn explain(path: &str) -> Result<Explanation, ExplainError> {
    let root = schema::root();
    let mut here = At { own: root, schema: root, required: true, path: Vec::new() };
    for key in path.split('.').filter(|key| !key.is_empty()) {
        here = here.step(root, key)?;
    }
    Ok(here.explanation(root))
}

/// A place in the schema.
struct At<'s> {
    /// The schema at the key itself: its description is about this use.
    own: &'s Value,
    /// The schema that it refers to.
    schema: &'s Value,
    required: bool,
    path: Vec<String>,
}

impl<'s> At<'s> {
    fn new(root: &'s Value, own: &'s Value, required: bool, path: Vec<String>) -> Self {
        Self { own, schema: deref(root, own), required, path }
    }

    fn step(self, root: &'s Value, key: &str) -> Result<At<'s>, ExplainError> {
        let fixed = keys(root, self.schema);
        if let Some((_, inner, required)) = fixed.iter().find(|(name, ..)| *name == key) {
            let mut path = self.path;
            path.push(key.to_owned());
            return Ok(At::new(root, inner, *required, path));
        }
        if let Some(inner) = free(self.schema) {
            let mut path = self.path;
            path.push(ANY.to_owned());
            let value = At::new(root, inner, false, path);
            // The name may be left out when what follows is a key of the value.
            let skipped = keys(root, value.schema).iter().any(|(name, ..)| *name == key);
            return if skipped { value.step(root, key) } else { self_or_near(root, value, key) };
        }
        let parent = if self.path.is_empty() {
            "the manifest".to_owned()
        } else {
            format!("`{}`", self.path.join("."))
        };
        let help = suggest::did_you_mean(key, fixed.iter().map(|(name, ..)| *name));
        Err(ExplainError { key: key.to_owned(), parent, help })
    }

    fn explanation(self, root: &'s Value) -> Explanation {
        let text = |keyword: &str| self.own.get(keyword).or_else(|| self.schema.get(keyword));
        let mut children: Vec<Child> = keys(root, self.schema)
            .into_iter()
            .map(|(name, inner, required)| Child {
                name: name.to_owned(),
                kind: kind(root, inner),
                summary: summary(&description(root, inner)),
                required,
            })
            .collect();
        if let Some(inner) = free(self.schema) {
            children.push(Child {
                name: ANY.to_owned(),
                kind: kind(root, inner),
                summary: summary(&description(root, inner)),
                required: false,
            });
        }
        Explanation {
            kind: kind(root, self.own),
            description: description(root, self.own),
            required: self.required,
            default: text("default").filter(|value| !is_hollow(value)).map(inline),
            example: text("examples").and_then(|examples| examples.get(0)).map(inline),
            children,
            path: self.path.join("."),
        }
    }
}

/// A name that people choose, unless it looks like a key that was meant.
fn self_or_near<'s>(root: &'s Value, value: At<'s>, key: &str) -> Result<At<'s>, ExplainError> {
    let known = keys(root, value.schema);
    match suggest::nearest(key, known.iter().map(|(name, ..)| *name)) {
        Some(near) => Err(ExplainError {
            key: key.to_owned(),
            parent: format!("`{}`", value.path.join(".")),
            help: Some(format!("did you mean `{near}`?")),
        }),
        None => Ok(value),
    }
}

fn deref<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let target = |schema: &'s Value| {
        schema.get("$ref")?.as_str()?.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    };
    let mut schema = schema;
    while let Some(next) = target(schema) {
        schema = next;
    }
    schema
}

fn branches<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        Some(branches) if choices(schema).is_none() => branches
            .iter()
            .map(|branch| deref(root, branch))
            .flat_map(|branch| branches_or_self(root, branch))
            .collect(),
        _ => vec![schema],
    }
}

fn branches_or_self<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    branches(root, schema)
}

/// The fixed keys of a mapping, of every alternative and of the items of a list.
fn keys<'s>(root: &'s Value, schema: &'s Value) -> Vec<(&'s str, &'s Value, bool)> {
    let mut all: Vec<(&str, &Value, bool)> = Vec::new();
    let alternatives = branches(root, schema);
    let alone = alternatives.len() == 1;
    for branch in alternatives {
        if let Some(items) = branch.get("items") {
            for (name, inner, required) in keys(root, deref(root, items)) {
                if !all.iter().any(|(have, ..)| *have == name) {
                    all.push((name, inner, alone && required));
                }
            }
        }
        let required: Vec<&str> = branch
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, inner) in branch.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if !all.iter().any(|(have, ..)| have == name) {
                all.push((name, inner, alone && required.contains(&name.as_str())));
            }
        }
    }
    all
}

/// The schema under the keys that people choose.
fn free(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|inner| inner.is_object())
}

fn description(root: &Value, schema: &Value) -> String {
    let own = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
    own(schema).or_else(|| own(deref(root, schema))).unwrap_or_default().replace('\n', " ")
}

fn summary(description: &str) -> String {
    match description.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => description.to_owned(),
    }
}

/// What may stand somewhere, in words.
fn kind(root: &Value, schema: &Value) -> String {
    let schema = deref(root, schema);
    let mut words: Vec<String> = Vec::new();
    for branch in branches(root, schema) {
        let word = if let Some(choices) = choices(branch) {
            suggest::list(&choices, "or")
        } else {
            let types = types(branch);
            match branch.get("format").and_then(Value::as_str) {
                Some("duration-text") => "duration".to_owned(),
                Some("memory") => "amount of memory".to_owned(),
                Some("size") => "size".to_owned(),
                Some("network") => "address or network".to_owned(),
                Some("tls-version") => "version of TLS".to_owned(),
                Some("password-hash") => "hash".to_owned(),
                Some("host-name" | "host-template") => "name of a host".to_owned(),
                Some("server-name") => "name or address of a host".to_owned(),
                Some("absolute-path") => "path on the host".to_owned(),
                Some("cpu") => "amount of CPU".to_owned(),
                Some("probe") => "path or `none`".to_owned(),
                Some("probe-path" | "route-path") => "path".to_owned(),
                Some("variable-name") => "name of a variable".to_owned(),
                Some("file" | "directory" | "relative-path") => "path in the repository".to_owned(),
                _ if types.contains(&"array") => {
                    let item = branch.get("items").map(|item| kind(root, item)).unwrap_or_default();
                    format!("list of {item}")
                }
                _ if types.contains(&"object") => "mapping".to_owned(),
                _ if types.contains(&"string") => "text".to_owned(),
                _ if types.contains(&"integer") => "whole number".to_owned(),
                _ if types.contains(&"boolean") => "`true` or `false`".to_owned(),
                _ => "anything".to_owned(),
            }
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", or ")
}

/// A default that says nothing: empty lists and mappings, or mappings that only repeat the defaults inside.
fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, description, required, default, example, children } = self;
        if path.is_empty() {
            writeln!(f, "fairway.yaml")?;
        } else {
            let required = if *required { ", required" } else { "" };
            writeln!(f, "{path} ({kind}{required})")?;
        }
        wrap(f, description, 2)?;
        if let Some(default) = default {
            writeln!(f, "\n  default: {default}")?;
        }
        if let Some(example) = example {
            let key = path.rsplit('.').next().unwrap_or_default();
            writeln!(f, "\n  example: {key}: {example}")?;
        }
        if !children.is_empty() {
            writeln!(f, "\n  keys:")?;
            let width = children.iter().map(|child| child.name.chars().count()).max().unwrap_or_default();
            for Child { name, kind: _, summary, required } in children {
                let required = if *required { " (required)" } else { "" };
                writeln!(f, "    {name:width$}  {summary}{required}")?;
            }
        }
        Ok(())
    }
}

fn wrap(f: &mut fmt::Formatter<'_>, text: &str, indent: usize) -> fmt::Result {
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 96 {
            writeln!(f)?;
            column = 0;
        }
        if column == 0 {
            write!(f, "{:indent$}{word}", "")?;
            column = indent + length;
        } else {
            write!(f, " {word}")?;
            column += 1 + length;
        }
    }
    writeln!(f)
}
