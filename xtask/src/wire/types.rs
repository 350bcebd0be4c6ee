//! Writes a contract's definitions as Rust types. What the types promise stands in the documentation of the
//! crate they go to.

use std::fmt::Write;

use super::model::{Content, Definition, Field, Id, Model, Shape};
use super::names::{camel, pascal, snake};

/// The source of one contract's module, not yet formatted.
pub(crate) fn module(model: &Model, module: &str, title: &str) -> String {
    let mut out =
        format!("//! {title}\n//!\n//! Generated from `{module}.yaml` by `cargo xtask generate`.\n\n");
    for definition in model.definitions.iter().filter(|d| d.id.module == module) {
        match &definition.content {
            // Requests read words as text, so an enum that only they have is not needed.
            Content::Enum(values) if model.outputs.contains(&definition.id) => {
                enumeration(&mut out, definition, values);
            }
            Content::Enum(_) => {}
            Content::Object(fields) if list_of(fields).is_some() => list(&mut out, definition, fields),
            Content::Object(fields) => {
                if model.outputs.contains(&definition.id) {
                    output(&mut out, model, definition, fields);
                }
                if model.inputs.contains(&definition.id) {
                    input(&mut out, model, definition, fields);
                }
            }
        }
    }
    out
}

fn doc(out: &mut String, indent: &str, text: &str) {
    for line in text.trim().lines() {
        let _string = writeln!(out, "{indent}/// {}", line.trim());
    }
}

fn heading(out: &mut String, indent: &str, definition: &Definition) {
    let Id { module, name } = &definition.id;
    match &definition.doc {
        Some(text) => doc(out, indent, text),
        None => doc(out, indent, &format!("`{name}` of `{module}.yaml`.")),
    }
}

fn enumeration(out: &mut String, definition: &Definition, values: &[(String, String)]) {
    out.push_str("wire_enum! {\n");
    heading(out, "    ", definition);
    let _string = writeln!(out, "    pub enum {} {{", definition.id.name);
    for (wire, name) in values {
        let _string = writeln!(out, "        {name} = {wire:?},");
    }
    out.push_str("    }\n}\n\n");
}

/// The generic list that an object is, and what it is a list of: everything there is, or a page.
fn list_of(fields: &[Field]) -> Option<(&'static str, &Shape)> {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let kind = match names.as_slice() {
        ["items"] => "Items",
        ["items", "page", "pageSize", "total"] => "Page",
        _ => return None,
    };
    let Shape::List(item) = &fields.first()?.shape else { return None };
    fields.iter().all(|field| field.required && !field.nullable).then_some((kind, &**item))
}

fn list(out: &mut String, definition: &Definition, fields: &[Field]) {
    let Some((kind, item)) = list_of(fields) else { return };
    heading(out, "", definition);
    let (name, item) = (&definition.id.name, output_type(&definition.id, item));
    let _string = writeln!(out, "pub type {name} = {kind}<{item}>;\n");
}

fn output(out: &mut String, model: &Model, definition: &Definition, fields: &[Field]) {
    heading(out, "", definition);
    out.push_str(
        "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]\n\
         #[cfg_attr(feature = \"sqlx\", derive(sqlx::FromRow))]\n#[serde(rename_all = \"camelCase\")]\n",
    );
    let _string = writeln!(out, "pub struct {} {{", definition.id.name);
    for field in fields {
        let plain = output_type(&definition.id, &field.shape);
        let (list, map) = (matches!(field.shape, Shape::List(_)), matches!(field.shape, Shape::Map(_)));
        let mut notes = Vec::new();
        let kind = if field.nullable {
            format!("Option<{plain}>")
        } else if field.required {
            plain
        } else if list || map {
            notes.push("default".to_owned());
            let empty = match () {
                () if list => "Vec::is_empty",
                () if field.shape == Shape::Map(Box::new(Shape::Any)) => "Map::is_empty",
                () => "BTreeMap::is_empty",
            };
            notes.push(format!("skip_serializing_if = {empty:?}"));
            plain
        } else {
            notes.push("default".to_owned());
            notes.push("skip_serializing_if = \"Option::is_none\"".to_owned());
            format!("Option<{plain}>")
        };
        if field.shape == Shape::Time {
            let optional = if kind.starts_with("Option") { "::option" } else { "" };
            notes.push(format!("with = \"time::serde::rfc3339{optional}\""));
        }
        let column = match (field.shape.is_document(model), kind.starts_with("Option")) {
            (false, _) => None,
            (true, false) => Some("json"),
            (true, true) => Some("json(nullable)"),
        };
        write_field(out, field, notes, column, &kind);
    }
    out.push_str("}\n\n");
}

fn input(out: &mut String, model: &Model, definition: &Definition, fields: &[Field]) {
    heading(out, "", definition);
    out.push_str(
        "///\n/// As it is read: what is missing is `None`, and the handler says what is required.\n",
    );
    let sent = model.sent.contains(&definition.id);
    let derives = if sent { "Serialize, Deserialize" } else { "Deserialize" };
    let _string = writeln!(
        out,
        "#[derive(Debug, Clone, Default, PartialEq, {derives})]\n#[serde(rename_all = \"camelCase\", default)]"
    );
    let _string = writeln!(out, "pub struct {} {{", input_name(model, &definition.id));
    for field in fields {
        let plain = if field.unchecked {
            "String".to_owned()
        } else {
            input_type(model, &definition.id, &field.shape)
        };
        let clears = field.nullable && model.changes.contains(&definition.id);
        let (kind, unset) = if clears {
            (format!("Change<{plain}>"), "Change::is_keep")
        } else {
            (format!("Option<{plain}>"), "Option::is_none")
        };
        let mut notes = Vec::new();
        if sent {
            notes.push(format!("skip_serializing_if = {unset:?}"));
        }
        if field.shape == Shape::Time && !field.unchecked {
            notes.push("with = \"time::serde::rfc3339::option\"".to_owned());
        }
        write_field(out, field, notes, None, &kind);
    }
    out.push_str("}\n\n");
}

fn write_field(out: &mut String, field: &Field, mut notes: Vec<String>, column: Option<&str>, kind: &str) {
    let name = snake(&field.name);
    if let Some(text) = &field.doc {
        doc(out, "    ", text);
    }
    if camel(&name) != field.name {
        notes.insert(0, format!("rename = {:?}", field.name));
    }
    if !notes.is_empty() {
        let _string = writeln!(out, "    #[serde({})]", notes.join(", "));
    }
    if let Some(column) = column {
        let _string = writeln!(out, "    #[cfg_attr(feature = \"sqlx\", sqlx({column}))]");
    }
    let escaped = if matches!(name.as_str(), "type" | "use" | "ref" | "move" | "self") { "r#" } else { "" };
    let _string = writeln!(out, "    pub {escaped}{name}: {kind},");
}

fn path(from: &Id, to: &Id, name: &str) -> String {
    if from.module == to.module { name.to_owned() } else { format!("crate::{}::{name}", to.module) }
}

/// The type of an answer's part.
pub(crate) fn output_type(from: &Id, shape: &Shape) -> String {
    match shape {
        Shape::Named(id) => path(from, id, &id.name),
        Shape::List(inner) => format!("Vec<{}>", output_type(from, inner)),
        Shape::Map(inner) if **inner == Shape::Any => "Map<String, Value>".to_owned(),
        Shape::Map(inner) => format!("BTreeMap<String, {}>", output_type(from, inner)),
        scalar => scalar_type(scalar).to_owned(),
    }
}

/// The type of a request's part. Enums are text: which words are allowed, and what is said about others, is the
/// handler's business.
pub(crate) fn input_type(model: &Model, from: &Id, shape: &Shape) -> String {
    match shape {
        Shape::Named(id) => match model.definition(id).map(|d| &d.content) {
            Ok(Content::Enum(_)) => "String".to_owned(),
            _ => path(from, id, &input_name(model, id)),
        },
        Shape::List(inner) => format!("Vec<{}>", input_type(model, from, inner)),
        Shape::Map(inner) if **inner == Shape::Any => "Map<String, Value>".to_owned(),
        Shape::Map(inner) => format!("BTreeMap<String, {}>", input_type(model, from, inner)),
        scalar => scalar_type(scalar).to_owned(),
    }
}

fn scalar_type(shape: &Shape) -> &'static str {
    match shape {
        Shape::Uuid => "Uuid",
        Shape::Time => "OffsetDateTime",
        Shape::Integer { bits: 32 } => "i32",
        Shape::Integer { .. } => "i64",
        Shape::Boolean => "bool",
        Shape::Any => "Value",
        _ => "String",
    }
}

/// What a definition is called where it is read: an object that is answered as well has two types.
fn input_name(model: &Model, id: &Id) -> String {
    if model.outputs.contains(id) { format!("{}Input", pascal(&id.name)) } else { id.name.clone() }
}
