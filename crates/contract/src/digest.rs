//! A fingerprint of what a contract means.
//!
//! Each operation is written as one line in which schemas stand as their fingerprints; the same line, with
//! classes common to two contracts in their place, tells a comparison whether an operation has changed at all.

use sha2::{Digest, Sha256};

use crate::contract::Parts;
use crate::node::quote;
use crate::operation::{Media, Operation, Parameter, ParameterIn, RequestBody, Response};
use crate::schema::{Class, Fingerprint, SchemaId, fingerprints};

pub(crate) fn digest(parts: &Parts) -> String {
    let Parts { openapi: _, title: _, version, version_place: _, operations, webhooks, schemas, entry: _ } =
        parts;
    let prints = fingerprints(schemas);
    let mut lines: Vec<String> = operations.iter().map(|o| signature(o, &prints)).collect();
    for (name, operations) in webhooks {
        lines.extend(operations.iter().map(|o| format!("webhook {} {}", quote(name), signature(o, &prints))));
    }
    lines.sort();
    let mut hash = Sha256::new();
    hash.update(format!("fairway contract 1\nversion {}\n", quote(version)));
    for line in lines {
        hash.update(line);
        hash.update("\n");
    }
    hex::encode(hash.finalize())
}

/// Equal exactly when two operations cannot be told apart by a caller or a generated client.
pub(crate) fn signature(operation: &Operation, tokens: &[impl Token]) -> String {
    let Operation {
        method,
        path,
        base_paths,
        id,
        summary: _,
        tags: _,
        parameters,
        request_body,
        responses,
        security,
        deprecated,
        callbacks,
        place: _,
    } = operation;
    let mut out = format!("{method} {} {base_paths:?} {id:?} {deprecated}", quote(&path.shape()));
    let holes = path.parameters();
    let mut values: Vec<String> = parameters
        .iter()
        .map(|p| {
            // Callers see where in the path a value stands, not what it is called.
            let hole = match p.location {
                ParameterIn::Path => holes.iter().position(|name| *name == p.name),
                _ => None,
            };
            let name = match (hole, p.location) {
                (Some(index), _) => index.to_string(),
                (None, ParameterIn::Header) => p.name.to_lowercase(),
                (None, _) => p.name.clone(),
            };
            format!("{} {} {}", p.location, quote(&name), value(p, tokens))
        })
        .collect();
    values.sort();
    for value in values {
        out.push_str(" [");
        out.push_str(&value);
        out.push(']');
    }
    if let Some(RequestBody { required, content, place: _ }) = request_body {
        out.push_str(&format!(" body {required}{}", media(content, tokens)));
    }
    for (status, Response { headers, content, place: _ }) in responses {
        out.push_str(&format!(" {status}{}", media(content, tokens)));
        for (name, header) in headers {
            out.push_str(&format!(" header {} {}", quote(name), value(header, tokens)));
        }
    }
    out.push_str(&format!(" security {}", quote(&security.signature())));
    for (name, operations) in callbacks {
        for operation in operations {
            out.push_str(&format!(" callback {} <{}>", quote(name), signature(operation, tokens)));
        }
    }
    out
}

fn value(parameter: &Parameter, tokens: &[impl Token]) -> String {
    let Parameter { name: _, location: _, required, deprecated, serialization, liberties, schema, place: _ } =
        parameter;
    format!("{required} {deprecated} {} {liberties:?} {}", quote(serialization), class(*schema, tokens))
}

fn media(content: &std::collections::BTreeMap<String, Media>, tokens: &[impl Token]) -> String {
    let mut out = String::new();
    for (name, Media { schema, encoding, place: _ }) in content {
        out.push_str(&format!(" {} {} {}", quote(name), class(*schema, tokens), quote(encoding)));
    }
    out
}

fn class(id: SchemaId, tokens: &[impl Token]) -> String {
    tokens[id.0 as usize].show()
}

/// What stands for a schema in a signature.
pub(crate) trait Token {
    fn show(&self) -> String;
}

impl Token for Class {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Token for Fingerprint {
    fn show(&self) -> String {
        hex::encode(self)
    }
}
