//! The contracts as the generator sees them: definitions with a name, and who uses them in which direction.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use serde_json::Value;

use super::names::{pascal, singular};

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Uuid,
    Time,
    Integer {
        bits: u8,
    },
    Boolean,
    /// Any JSON value.
    Any,
    Map(Box<Shape>),
    List(Box<Shape>),
    Named(Id),
}

/// A definition: the contract that has it, and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) module: String,
    pub(crate) name: String,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// As it is called on the wire.
    pub(crate) name: String,
    pub(crate) doc: Option<String>,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) nullable: bool,
    /// In requests it is read as text, and the handler says what is wrong with it (`x-unchecked`).
    pub(crate) unchecked: bool,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Object(Vec<Field>),
    /// Value on the wire, and what it is called in Rust.
    Enum(Vec<(String, String)>),
}

/// A named part of a contract.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) id: Id,
    pub(crate) doc: Option<String>,
    pub(crate) content: Content,
}

/// An operation, as far as a client needs it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) doc: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) served_by: String,
    /// Which services call it (`x-called-by`); a client is made for these only.
    pub(crate) called_by: Vec<String>,
    /// May be asked twice (`x-idempotent`, or by its method).
    pub(crate) idempotent: bool,
    /// Parameters in the path: name, and whether it is a UUID.
    pub(crate) path_parameters: Vec<(String, bool)>,
    pub(crate) has_query: bool,
    pub(crate) request: Option<Shape>,
    pub(crate) response: Option<Shape>,
}

/// Everything the contracts say, in their order.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) definitions: Vec<Definition>,
    pub(crate) operations: Vec<Operation>,
    /// Used in requests.
    pub(crate) inputs: BTreeSet<Id>,
    /// Used in responses, or nowhere.
    pub(crate) outputs: BTreeSet<Id>,
    /// Used in requests of PATCH, where absent and null are different things.
    pub(crate) changes: BTreeSet<Id>,
    /// Sent by a client of ours.
    pub(crate) sent: BTreeSet<Id>,
}

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Reads the contracts, given by name (without `.yaml`) and content.
pub(crate) fn read(documents: &BTreeMap<String, Value>) -> anyhow::Result<Model> {
    let mut reader = Reader { documents, model: Model::default() };
    for (module, document) in documents {
        for (name, schema) in entries(document, "/components/schemas") {
            let id = Id { module: module.clone(), name: pascal(name) };
            reader.define(id, schema).with_context(|| format!("{module}.yaml: schema {name}"))?;
        }
    }
    for (module, document) in documents {
        for (path, item) in entries(document, "/paths") {
            for method in METHODS {
                let Some(operation) = item.get(method) else { continue };
                let read = reader.operation(module, path, method, item, operation);
                reader
                    .model
                    .operations
                    .push(read.with_context(|| format!("{module}.yaml: {} {path}", method.to_uppercase()))?);
            }
        }
    }
    reader.model.mark();
    reader.model.check()?;
    Ok(reader.model)
}

fn entries<'a>(document: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    document.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

struct Reader<'a> {
    documents: &'a BTreeMap<String, Value>,
    model: Model,
}

impl Reader<'_> {
    fn define(&mut self, id: Id, schema: &Value) -> anyhow::Result<()> {
        if self.model.definitions.iter().any(|d| d.id == id) {
            bail!("{} is defined twice", id.name);
        }
        let content = if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let names = schema.get("x-enum-varnames").and_then(Value::as_array);
            let values = values.iter().enumerate().map(|(index, value)| {
                let wire = value.as_str().context("only enums of strings are understood")?;
                let name = names.and_then(|names| names.get(index)?.as_str());
                Ok((wire.to_owned(), name.map_or_else(|| pascal(wire), str::to_owned)))
            });
            Content::Enum(values.collect::<anyhow::Result<_>>()?)
        } else {
            Content::Object(self.fields(&id, schema)?)
        };
        self.model.definitions.push(Definition { id, doc: text(schema, "description"), content });
        Ok(())
    }

    fn fields(&mut self, owner: &Id, schema: &Value) -> anyhow::Result<Vec<Field>> {
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let mut fields = Vec::new();
            for part in parts {
                let (module, part) = self.follow(&owner.module, part)?;
                let owner = Id { module, name: owner.name.clone() };
                fields.extend(self.fields(&owner, &part)?);
            }
            return Ok(fields);
        }
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            bail!("a named schema is an object or an enum; write other types where they are used");
        }
        let required: BTreeSet<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Vec::new();
        for (name, property) in entries(schema, "/properties") {
            let hint = Id { module: owner.module.clone(), name: format!("{}{}", owner.name, pascal(name)) };
            fields.push(Field {
                name: name.clone(),
                doc: text(property, "description"),
                shape: self.shape(&hint, property).with_context(|| format!("property {name}"))?,
                required: required.contains(name.as_str()),
                nullable: flag(property, "nullable"),
                unchecked: flag(property, "x-unchecked"),
            });
        }
        Ok(fields)
    }

    /// The shape of a schema; `hint` names it when it has to become a definition.
    fn shape(&mut self, hint: &Id, schema: &Value) -> anyhow::Result<Shape> {
        if let Some(reference) = text(schema, "$ref") {
            return Ok(Shape::Named(named(&hint.module, &reference)?));
        }
        if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.shape(hint, only);
        }
        if schema.get("enum").is_some() || schema.get("properties").is_some() || schema.get("allOf").is_some()
        {
            self.define(hint.clone(), schema)?;
            return Ok(Shape::Named(hint.clone()));
        }
        Ok(match (text(schema, "type").as_deref(), text(schema, "format").as_deref()) {
            (Some("string"), Some("uuid")) => Shape::Uuid,
            (Some("string"), Some("date-time")) => Shape::Time,
            (Some("string"), _) => Shape::Text,
            (Some("integer"), Some("int32")) => Shape::Integer { bits: 32 },
            (Some("integer"), _) => Shape::Integer { bits: 64 },
            (Some("boolean"), _) => Shape::Boolean,
            (Some("array"), _) => {
                let items = schema.get("items").context("an array says what its items are")?;
                let hint = Id { module: hint.module.clone(), name: singular(&hint.name) };
                Shape::List(Box::new(self.shape(&hint, items)?))
            }
            (Some("object"), _) => match schema.get("additionalProperties") {
                Some(values) if values.is_object() => Shape::Map(Box::new(self.shape(hint, values)?)),
                _ => Shape::Map(Box::new(Shape::Any)),
            },
            (None, _) => Shape::Any,
            (Some(other), _) => bail!("type {other} is not understood"),
        })
    }

    fn operation(
        &mut self,
        module: &str,
        path: &str,
        method: &str,
        item: &Value,
        operation: &Value,
    ) -> anyhow::Result<Operation> {
        let id = text(operation, "operationId").context("has no operationId")?;
        let hint = |suffix: &str| Id { module: module.to_owned(), name: format!("{}{suffix}", pascal(&id)) };
        let request = operation.pointer("/requestBody/content/application~1json/schema");
        let request = request.map(|schema| self.shape(&hint("Request"), schema)).transpose()?;
        let mut response = None;
        for (status, answer) in entries(operation, "/responses") {
            let (module, answer) = self.follow(module, answer)?;
            let Some(schema) = answer.pointer("/content/application~1json/schema") else { continue };
            let hint = Id { module, ..hint("Response") };
            let shape = self.shape(&hint, schema)?;
            if status.starts_with('2') {
                response = Some(shape);
            }
        }
        let parameters = [item, operation]
            .into_iter()
            .flat_map(|of| of.get("parameters").and_then(Value::as_array).into_iter().flatten());
        let (mut path_parameters, mut has_query) = (Vec::new(), false);
        for parameter in parameters {
            let (_, parameter) = self.follow(module, parameter)?;
            match text(&parameter, "in").as_deref() {
                Some("path") => {
                    let name = text(&parameter, "name").context("a parameter has no name")?;
                    let uuid = parameter.pointer("/schema/format").and_then(Value::as_str) == Some("uuid");
                    path_parameters.push((name, uuid));
                }
                Some("query") => has_query = true,
                _ => {}
            }
        }
        let called_by = operation.get("x-called-by").and_then(Value::as_array);
        Ok(Operation {
            doc: text(operation, "summary").context("has no summary")?,
            method: method.to_uppercase(),
            path: path.to_owned(),
            served_by: text(operation, "x-served-by")
                .or_else(|| text(item, "x-served-by"))
                .unwrap_or_else(|| module.to_owned()),
            called_by: called_by.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
            idempotent: matches!(method, "get" | "put" | "delete") || flag(operation, "x-idempotent"),
            path_parameters,
            has_query,
            request,
            response,
            id,
        })
    }

    /// What a `$ref` leads to and the contract it stands in, or the value itself.
    fn follow(&self, module: &str, value: &Value) -> anyhow::Result<(String, Value)> {
        let Some(reference) = text(value, "$ref") else { return Ok((module.to_owned(), value.clone())) };
        let (file, pointer) = reference.split_once('#').with_context(|| format!("{reference} has no #"))?;
        let module = if file.is_empty() { module } else { file.trim_end_matches(".yaml") };
        let target = self.documents.get(module).and_then(|document| document.pointer(pointer));
        let target = target.with_context(|| format!("{reference} leads nowhere"))?;
        self.follow(module, target)
    }
}

fn named(module: &str, reference: &str) -> anyhow::Result<Id> {
    let (file, pointer) = reference.split_once('#').with_context(|| format!("{reference} has no #"))?;
    let name = pointer
        .strip_prefix("/components/schemas/")
        .with_context(|| format!("{reference} is not a schema of components"))?;
    let module = if file.is_empty() { module } else { file.trim_end_matches(".yaml") };
    Ok(Id { module: module.to_owned(), name: pascal(name) })
}

impl Shape {
    /// Whether a column of a database can hold it only as JSON; an enum is a text.
    pub(crate) fn is_document(&self, model: &Model) -> bool {
        match self {
            Self::Any | Self::Map(_) => true,
            Self::Named(id) => {
                !matches!(model.definition(id), Ok(Definition { content: Content::Enum(_), .. }))
            }
            Self::List(inner) => inner.target().is_some() || inner.is_document(model),
            _ => false,
        }
    }

    /// The definition that this holds, directly or in a list or a map.
    pub(crate) fn target(&self) -> Option<&Id> {
        match self {
            Self::Named(id) => Some(id),
            Self::List(inner) | Self::Map(inner) => inner.target(),
            _ => None,
        }
    }
}

impl Model {
    /// The definition of a name.
    pub(crate) fn definition(&self, id: &Id) -> anyhow::Result<&Definition> {
        let found = self.definitions.iter().find(|d| d.id == *id);
        found.with_context(|| format!("{}.yaml has no schema {}", id.module, id.name))
    }

    fn mark(&mut self) {
        let (mut inputs, mut changes) = (BTreeSet::new(), BTreeSet::new());
        let (mut outputs, mut sent) = (BTreeSet::new(), BTreeSet::new());
        for operation in &self.operations {
            let request = operation.request.as_ref().and_then(Shape::target);
            self.reach(request, &mut inputs);
            if operation.method == "PATCH" {
                self.reach(request, &mut changes);
            }
            if !operation.called_by.is_empty() {
                self.reach(request, &mut sent);
            }
            self.reach(operation.response.as_ref().and_then(Shape::target), &mut outputs);
        }
        for definition in &self.definitions {
            if !inputs.contains(&definition.id) {
                self.reach(Some(&definition.id), &mut outputs);
            }
        }
        (self.inputs, self.outputs, self.changes, self.sent) = (inputs, outputs, changes, sent);
    }

    fn reach(&self, from: Option<&Id>, into: &mut BTreeSet<Id>) {
        let Some(from) = from else { return };
        if !into.insert(from.clone()) {
            return;
        }
        let Ok(Definition { content: Content::Object(fields), .. }) = self.definition(from) else { return };
        for field in fields {
            self.reach(field.shape.target(), into);
        }
    }

    /// What can't be generated without guessing.
    fn check(&self) -> anyhow::Result<()> {
        for definition in &self.definitions {
            let Content::Object(fields) = &definition.content else { continue };
            let Id { module, name } = &definition.id;
            for field in fields {
                if let Some(target) = field.shape.target() {
                    self.definition(target)?;
                }
                let answered_only = !self.inputs.contains(&definition.id);
                if answered_only && field.nullable && !field.required {
                    bail!(
                        "{module}.yaml: {name}.{field} is nullable and not required. An answer holds it always, as \
                         null when it is unset (add it to `required`), or leaves it out (take `nullable` away)",
                        field = field.name
                    );
                }
                if self.changes.contains(&definition.id) && field.nullable && field.shape == Shape::Time {
                    bail!(
                        "{module}.yaml: {name}.{} is a time that a change can clear; not understood",
                        field.name
                    );
                }
            }
        }
        Ok(())
    }
}
