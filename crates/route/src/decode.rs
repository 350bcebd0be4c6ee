//! Reading a stored table entry by entry, so that one unreadable entry does not take the others down.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::check::{Entry, Fault, Problem};
use crate::table::{FORMAT, Service, Table};

/// A table and what had to be left out of it.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// What could be read. A service that could not is there without instances, so that its routes answer 503
    /// and not 404.
    pub table: Table,
    /// One for each entry that could not be read. Call [`Table::check`] for what is readable and wrong.
    pub problems: Vec<Problem>,
}

/// Why nothing of a document can be used.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not an object with the head of a table.
    #[error("the document is not a route table: {0}")]
    Shape(#[from] serde_json::Error),
    /// Written by a version that knows more.
    #[error("route table format {0} is not known here (this version reads format {FORMAT})")]
    Format(u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(default)]
    format: Option<u32>,
    environment: String,
    generation: u64,
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    listeners: BTreeMap<String, Value>,
    #[serde(default)]
    tls: BTreeMap<String, Value>,
    #[serde(default)]
    certificates: Vec<Value>,
    #[serde(default)]
    secrets: Option<PathBuf>,
    #[serde(default)]
    options: Option<Value>,
    #[serde(default)]
    services: BTreeMap<String, Value>,
    #[serde(default)]
    routes: Vec<Value>,
}

/// Reads a table from JSON.
pub fn decode(json: &[u8]) -> Result<Decoded, DecodeError> {
    let value: Value = serde_json::from_slice(json)?;
    // Before the shape: another format may have another shape.
    if let Some(format) = value.get("format").and_then(Value::as_u64)
        && format != u64::from(FORMAT)
    {
        return Err(DecodeError::Format(u32::try_from(format).unwrap_or(u32::MAX)));
    }
    let head: Head = serde_json::from_value(value)?;
    let mut table = Table::empty(head.environment, head.generation, head.revision);
    table.format = head.format.unwrap_or(FORMAT);
    let mut problems = Vec::new();
    for (name, value) in head.listeners {
        if let Some(address) = entry(value, || Entry::Listener(name.clone()), &mut problems) {
            table.listeners.insert(name, address);
        }
    }
    for (name, value) in head.tls {
        match entry(value, || Entry::Tls(name.clone()), &mut problems) {
            Some(tls) => _ = table.tls.insert(name, tls),
            // What was to be encrypted is not served in plain text instead.
            None => _ = table.listeners.remove(&name),
        }
    }
    for (index, value) in head.certificates.into_iter().enumerate() {
        table.certificates.extend(entry(value, || Entry::Certificate(index), &mut problems));
    }
    table.secrets = head.secrets;
    if let Some(value) = head.options {
        table.options = entry(value, || Entry::Options, &mut problems).unwrap_or_default();
    }
    for (name, value) in head.services {
        let service = entry(value, || Entry::Service(name.clone()), &mut problems);
        table.services.insert(name, service.unwrap_or_else(Service::default));
    }
    for (index, value) in head.routes.into_iter().enumerate() {
        table.routes.extend(entry(value, || Entry::Route(index), &mut problems));
    }
    Ok(Decoded { table, problems })
}

fn entry<T: DeserializeOwned>(
    value: Value,
    name: impl FnOnce() -> Entry,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    serde_json::from_value(value)
        .map_err(|error| problems.push(Problem { entry: name(), fault: Fault::Shape(error.to_string()) }))
        .ok()
}
