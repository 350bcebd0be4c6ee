//! The checker: goes through a tree along a JSON Schema, collects everything that does not fit, and gives back the
//! same content as JSON that does.
//!
//! It knows the part of JSON Schema that our schemas use. Unlike a general validator it goes on after a
//! mistake, chooses the alternative that was probably meant before it complains, and knows places.

use crate::{
    Path, Places, Problem, Span,
    place::NodePlace,
    schema::EXTENSION,
    shape::{
        accepts, alternatives, choices, describe, example, has_property, key_text, pointer, properties,
        required, shorten, types,
    },
    suggest,
    yaml::{Kind, Meaning, Node, Scalar},
};
use serde_json::{Map, Value};

/// What is wrong with a text of some format, with advice.
pub(crate) struct FormatError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

pub(crate) type FormatCheck = fn(format: &str, text: &str) -> Result<(), FormatError>;

pub(crate) struct Walker<'a> {
    file: &'a str,
    root: &'a Value,
    format: FormatCheck,
    path: Path,
    problems: Vec<Problem>,
    places: Places,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(file: &'a str, schema: &'a Value, format: FormatCheck) -> Self {
        Self {
            file,
            root: schema,
            format,
            path: Path::new(),
            problems: Vec::new(),
            places: Places::default(),
        }
    }

    pub(crate) fn walk(&mut self, node: &Node) -> Value {
        self.node(self.root, node, Span::FILE)
    }

    pub(crate) fn finish(self) -> (Vec<Problem>, Places) {
        (self.problems, self.places)
    }

    fn node(&mut self, schema: &'a Value, node: &Node, key: Span) -> Value {
        self.places.0.insert(self.path.clone(), NodePlace { key, value: node.span });
        let usage = schema;
        let schema = self.deref(schema);
        if let Some(branches) = alternatives(schema) {
            return self.alternative(usage, schema, branches, node, key);
        }
        let expected = types(schema);
        match &node.kind {
            Kind::Scalar(scalar) => self.scalar(usage, schema, &expected, scalar, node.span),
            Kind::Sequence(items) if expected.contains(&"array") => self.sequence(schema, items, node.span),
            Kind::Mapping(entries) if expected.contains(&"object") => {
                self.mapping(schema, &[], entries, if key == Span::FILE { Span::FILE } else { key })
            }
            Kind::Sequence(_) | Kind::Mapping(_) => self.wrong_type(usage, schema, node),
        }
    }

    fn deref(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            match reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                Some(target) => schema = target,
                None => return schema,
            }
        }
        schema
    }

    /// Chooses the alternative that was probably meant and goes on with it.
    fn alternative(
        &mut self,
        usage: &'a Value,
        schema: &'a Value,
        branches: &'a [Value],
        node: &Node,
        key: Span,
    ) -> Value {
        let branches: Vec<&'a Value> = branches.iter().map(|branch| self.deref(branch)).collect();
        let fitting: Vec<&'a Value> =
            branches.iter().copied().filter(|branch| accepts(branch, node)).collect();
        match (&node.kind, fitting.as_slice()) {
            (Kind::Mapping(entries), fitting) if !fitting.is_empty() => {
                self.mapping_alternative(schema, fitting, entries, key)
            }
            (_, [branch, ..]) => self.node(branch, node, key),
            (_, []) => self.wrong_type(usage, schema, node),
        }
    }

    fn mapping_alternative(
        &mut self,
        schema: &'a Value,
        branches: &[&'a Value],
        entries: &[(Node, Node)],
        key: Span,
    ) -> Value {
        if let Some(reserved) = schema.get("x-reserved").and_then(Value::as_object) {
            let mut refused = false;
            for (name, _) in entries {
                if let Some((text, reason)) =
                    key_text(name).and_then(|text| Some((text, reserved.get(text)?.as_str()?)))
                {
                    self.error(name.span, "unsupported", format!("`{text}` {reason}"), None);
                    refused = true;
                }
            }
            if refused {
                return Value::Null;
            }
        }
        let written: Vec<&str> = entries.iter().filter_map(|(name, _)| key_text(name)).collect();
        let score = |branch: &Value| {
            let known = written.iter().filter(|name| has_property(branch, name)).count();
            let complete = required(branch).all(|name| written.contains(&name));
            (known, complete)
        };
        // The first of the best, as people read the schema from the top.
        let best = branches
            .iter()
            .copied()
            .reduce(|best, branch| if score(branch) > score(best) { branch } else { best });
        let Some(best) = best else { return Value::Null };
        // What they all have does not tell them apart.
        let tied = branches.iter().all(|branch| score(branch) == score(best)) && branches.len() > 1;
        if !score(best).1 && (score(best).0 == 0 || tied) {
            self.no_alternative(branches, entries, key);
            return Value::Null;
        }
        let others: Vec<&'a Value> =
            branches.iter().copied().filter(|branch| !std::ptr::eq(*branch, best)).collect();
        self.mapping(best, &others, entries, key)
    }

    /// None of the keys that tell the alternatives apart is there.
    fn no_alternative(&mut self, branches: &[&'a Value], entries: &[(Node, Node)], key: Span) {
        let what = self.name();
        let known: Vec<&str> = branches.iter().flat_map(|branch| properties(branch)).collect();
        for (name, _) in entries.iter() {
            let Some(text) = key_text(name) else { continue };
            if let Some(near) = suggest::nearest(text, known.iter().copied()) {
                let message = format!("unknown key `{text}` in {what}");
                self.error(name.span, "unknown-key", message, Some(format!("did you mean `{near}`?")));
                return;
            }
        }
        let choices: Vec<String> = branches
            .iter()
            .map(|branch| suggest::list(&required(branch).collect::<Vec<_>>(), "and"))
            .collect();
        let message = format!("{what} has none of the keys that it needs");
        self.error(key, "missing-key", message, Some(format!("write {}", choices.join(", or "))));
    }

    fn mapping(
        &mut self,
        schema: &'a Value,
        others: &[&'a Value],
        entries: &[(Node, Node)],
        key: Span,
    ) -> Value {
        let mut out = Map::new();
        let mut seen: Vec<(String, Span)> = Vec::new();
        let mut strangers: Vec<(&str, Span)> = Vec::new();
        for (name_node, value) in self.merged(entries) {
            let Some(name) = key_text(name_node) else {
                self.error(name_node.span, "bad-key", "a key must be text".to_owned(), None);
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(seen, _)| seen == name) {
                let help = format!("the first one is in line {}; keep one of them", first.line);
                self.error(name_node.span, "duplicate-key", format!("`{name}` is written twice"), Some(help));
                continue;
            }
            seen.push((name.to_owned(), name_node.span));
            if let Some(inner) = schema.pointer(&pointer("properties", name)) {
                let value = self.below(name, |walker| walker.node(inner, value, name_node.span));
                out.insert(name.to_owned(), value);
            } else if name.starts_with(EXTENSION) {
                // Somebody's notes, or an anchor that is used elsewhere.
            } else if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
                let fits = self.property_name(schema, name, name_node.span);
                let value = self.below(name, |walker| walker.node(inner, value, name_node.span));
                if fits {
                    out.insert(name.to_owned(), value);
                }
            } else {
                strangers.push((name, name_node.span));
            }
        }
        let meant = self.unknown_keys(schema, others, entries, &strangers);
        // A key that was misspelt is not missing as well.
        for name in required(schema)
            .filter(|name| !seen.iter().any(|(seen, _)| seen == name) && !meant.contains(name))
        {
            let message = match self.path.as_slice() {
                [] => format!("`{name}` is missing"),
                _ => format!("{} has no `{name}`", self.name()),
            };
            let help = schema
                .pointer(&pointer("properties", name))
                .and_then(|inner| example(name, self.deref(inner)));
            self.error(key, "missing-key", message, help);
        }
        if let Some(least) = schema.get("minProperties").and_then(Value::as_u64)
            && (seen.iter().filter(|(name, _)| !name.starts_with(EXTENSION)).count() as u64) < least
        {
            let what = self.name();
            self.error(key, "empty", format!("{what} is empty"), Some("write at least one entry".to_owned()));
        }
        Value::Object(out)
    }

    /// The entries of a mapping with those of its merge keys (`<<`) that it does not have itself.
    fn merged<'n>(&mut self, entries: &'n [(Node, Node)]) -> Vec<(&'n Node, &'n Node)> {
        let is_merge =
            |key: &Node| matches!(&key.kind, Kind::Scalar(scalar) if !scalar.quoted && scalar.text == "<<");
        let mut all: Vec<(&Node, &Node)> =
            entries.iter().filter(|(key, _)| !is_merge(key)).map(|(key, value)| (key, value)).collect();
        for (key, value) in entries.iter().filter(|(key, _)| is_merge(key)) {
            let sources: Vec<&Node> = match &value.kind {
                Kind::Sequence(items) => items.iter().collect(),
                Kind::Mapping(_) | Kind::Scalar(_) => vec![value],
            };
            for source in sources {
                let Kind::Mapping(entries) = &source.kind else {
                    let help = "write an alias of a mapping, such as `<<: *common`".to_owned();
                    self.error(key.span, "bad-merge", "`<<` merges mappings only".to_owned(), Some(help));
                    continue;
                };
                for (key, value) in entries.iter() {
                    if !all.iter().any(|(have, _)| key_text(have) == key_text(key)) {
                        all.push((key, value));
                    }
                }
            }
        }
        all
    }

    fn property_name(&mut self, schema: &'a Value, name: &str, span: Span) -> bool {
        let format = schema.pointer("/propertyNames/format").and_then(Value::as_str);
        match format.map(|format| (self.format)(format, name)) {
            Some(Err(error)) => {
                self.error(span, "bad-name", error.message, error.help);
                false
            }
            Some(Ok(())) | None => true,
        }
    }

    /// Names the keys that are not known here, and gives back the ones that were probably meant.
    fn unknown_keys(
        &mut self,
        schema: &'a Value,
        others: &[&'a Value],
        entries: &[(Node, Node)],
        strangers: &[(&str, Span)],
    ) -> Vec<&'a str> {
        let known: Vec<&'a str> = properties(schema).collect();
        let mut meant = Vec::new();
        let mut listed = false;
        for (name, span) in strangers {
            if others.iter().any(|other| has_property(other, name)) {
                let together: Vec<&str> = entries
                    .iter()
                    .filter_map(|(key, _)| key_text(key))
                    .filter(|key| has_property(schema, key))
                    .collect();
                let message =
                    format!("`{name}` does not go together with {}", suggest::list(&together, "and"));
                self.error(*span, "conflicting-keys", message, Some("write one or the other".to_owned()));
                continue;
            }
            let help = if let Some(near) = suggest::nearest(name, known.iter().copied()) {
                meant.push(near);
                Some(format!("did you mean `{near}`?"))
            } else if let Some(ours) = suggest::synonym(name, &known) {
                meant.push(ours);
                Some(format!("this is called `{ours}` here; `fairway explain` describes it"))
            } else if !listed {
                listed = true;
                Some(format!(
                    "the keys here are {}; keys that begin with `x-` are ignored",
                    suggest::list(&known, "and")
                ))
            } else {
                None
            };
            let message = match self.path.as_slice() {
                [] => format!("unknown key `{name}`"),
                _ => format!("unknown key `{name}` in {}", self.name()),
            };
            self.error(*span, "unknown-key", message, help);
        }
        meant
    }

    fn sequence(&mut self, schema: &'a Value, items: &[Node], span: Span) -> Value {
        let mut out = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let Some(inner) = schema.get("items") {
                let value = self.below(&index.to_string(), |walker| walker.node(inner, item, item.span));
                if schema.get("uniqueItems") == Some(&Value::Bool(true))
                    && out.contains(&value)
                    && !value.is_null()
                {
                    self.error(
                        item.span,
                        "duplicate-item",
                        format!("{value} is in the list already").replace('"', "`"),
                        None,
                    );
                }
                out.push(value);
            }
        }
        if let Some(least) = schema.get("minItems").and_then(Value::as_u64)
            && (items.len() as u64) < least
        {
            let what = self.name();
            self.error(span, "empty", format!("{what} is an empty list"), None);
        }
        Value::Array(out)
    }

    fn scalar(
        &mut self,
        usage: &'a Value,
        schema: &'a Value,
        expected: &[&str],
        scalar: &Scalar,
        span: Span,
    ) -> Value {
        let meaning = scalar.meaning();
        let has = |name: &str| expected.contains(&name);
        match meaning {
            Meaning::Null => self.no_value(usage, schema, expected, span),
            Meaning::Bool(value) if has("boolean") && !has("string") => Value::Bool(value),
            Meaning::Integer if has("integer") && !has("string") => self.integer(schema, &scalar.text, span),
            Meaning::Text if has("string") => self.text(schema, &scalar.text, span),
            // Where numbers are welcome beside text, they are text in the spelling that people chose.
            Meaning::Bool(_) if has("string") && has("boolean") => self.text(schema, &scalar.text, span),
            Meaning::Integer if has("string") && (has("integer") || has("number")) => {
                self.text(schema, &scalar.text, span)
            }
            Meaning::Float if has("string") && has("number") => self.text(schema, &scalar.text, span),
            Meaning::Bool(_) | Meaning::Integer | Meaning::Float | Meaning::Text => {
                self.wrong_scalar(usage, schema, expected, scalar, span)
            }
        }
    }

    fn integer(&mut self, schema: &'a Value, text: &str, span: Span) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let (least, most) =
            (bound("minimum").unwrap_or(i64::MIN), bound("maximum").unwrap_or(i64::from(u32::MAX)));
        match text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Value::from(number),
            Ok(_) | Err(_) => {
                let what = self.name();
                self.error(
                    span,
                    "out-of-range",
                    format!("{what} must be between {least} and {most}, not {text}"),
                    None,
                );
                Value::Null
            }
        }
    }

    fn text(&mut self, schema: &'a Value, text: &str, span: Span) -> Value {
        if let Some(choices) = choices(schema)
            && !choices.contains(&text)
        {
            let what = self.name();
            let help = suggest::nearest(text, choices.iter().copied()).map_or_else(
                || format!("write {}", suggest::list(&choices, "or")),
                |near| format!("did you mean `{near}`?"),
            );
            self.error(span, "bad-value", format!("{what} cannot be `{text}`"), Some(help));
            return Value::Null;
        }
        if schema
            .get("minLength")
            .and_then(Value::as_u64)
            .is_some_and(|least| (text.chars().count() as u64) < least)
        {
            let what = self.name();
            self.error(span, "empty", format!("{what} is empty"), None);
            return Value::Null;
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && let Err(error) = (self.format)(format, text)
        {
            self.error(span, "bad-value", error.message, error.help);
            return Value::Null;
        }
        Value::String(text.to_owned())
    }

    fn no_value(&mut self, usage: &'a Value, schema: &'a Value, expected: &[&str], span: Span) -> Value {
        let what = self.name();
        let help = if expected.contains(&"string")
            && schema.get("format").and_then(Value::as_str) == Some("variable-text")
        {
            "write `\"\"` for an empty value, or remove the line".to_owned()
        } else {
            self.example(usage, schema).unwrap_or_else(|| format!("write {}", describe(schema)))
        };
        self.error(span, "no-value", format!("{what} has no value"), Some(help));
        Value::Null
    }

    fn wrong_scalar(
        &mut self,
        usage: &'a Value,
        schema: &'a Value,
        expected: &[&str],
        scalar: &Scalar,
        span: Span,
    ) -> Value {
        let found = match scalar.meaning() {
            Meaning::Integer | Meaning::Float => format!("the number {}", scalar.text),
            Meaning::Bool(_) => format!("`{}`", scalar.text),
            Meaning::Null | Meaning::Text => format!("the text `{}`", shorten(&scalar.text)),
        };
        let numeric = matches!(scalar.meaning(), Meaning::Integer | Meaning::Float);
        let help = if expected == ["boolean"] && ["yes", "on", "Yes", "On"].contains(&scalar.text.as_str()) {
            Some("write `true`".to_owned())
        } else if expected == ["boolean"] && ["no", "off", "No", "Off"].contains(&scalar.text.as_str()) {
            Some("write `false`".to_owned())
        } else if schema.get("format").and_then(Value::as_str) == Some("duration-text") && numeric {
            Some(format!("write a unit, such as `{}s`", scalar.text))
        } else if expected == ["string"] && schema.get("format").is_none() {
            Some("put it in quotes if it is meant as text".to_owned())
        } else if scalar.quoted && expected == ["integer"] && scalar.text.parse::<i64>().is_ok() {
            Some("remove the quotes".to_owned())
        } else if expected == ["array"] {
            let words: Vec<&str> = scalar.text.split_whitespace().collect();
            Some(format!("write `[{}]`", words.join(", ")))
        } else {
            self.example(usage, schema)
        };
        let what = self.name();
        self.error(span, "wrong-type", format!("{what} must be {}, not {found}", describe(schema)), help);
        Value::Null
    }

    fn wrong_type(&mut self, usage: &'a Value, schema: &'a Value, node: &Node) -> Value {
        let found = match &node.kind {
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar(scalar) if scalar.meaning() == Meaning::Null => "empty".to_owned(),
            Kind::Scalar(scalar) => format!("`{}`", shorten(&scalar.text)),
        };
        let expected = match alternatives(schema) {
            Some(branches) => {
                let mut words: Vec<String> =
                    branches.iter().map(|branch| describe(self.deref(branch))).collect();
                words.dedup();
                words.join(" or ")
            }
            None => describe(schema),
        };
        let help = self.example(usage, schema);
        let what = self.name();
        self.error(node.span, "wrong-type", format!("{what} must be {expected}, not {found}"), help);
        Value::Null
    }

    /// `for example …`, from the schema of this use or of the type.
    fn example(&self, usage: &'a Value, schema: &'a Value) -> Option<String> {
        let key = self.path.last().filter(|key| key.parse::<usize>().is_err())?;
        example(key, usage).or_else(|| example(key, schema))
    }

    fn below<T>(&mut self, key: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let out = inner(self);
        self.path.pop();
        out
    }

    /// What the current node is called: its key, or which item of which list.
    fn name(&self) -> String {
        match self.path.as_slice() {
            [] => "the file".to_owned(),
            [.., list, index] if index.parse::<usize>().is_ok() => {
                let number = index.parse::<usize>().unwrap_or_default() + 1;
                format!("item {number} of `{list}`")
            }
            [.., key] => format!("`{key}`"),
        }
    }

    fn error(&mut self, span: Span, rule: &str, message: String, help: Option<String>) {
        self.problems.push(Problem::error(self.file, span, rule, message).maybe_help(help));
    }
}
