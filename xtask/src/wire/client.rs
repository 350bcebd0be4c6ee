//! Writes a typed client for the operations that other services call (`x-called-by`).

use std::fmt::Write;

use super::model::{Id, Model, Operation};
use super::names::{pascal, snake};
use super::types::{input_type, output_type};

/// The source of one boundary's client, not yet formatted; nothing when nobody calls it.
pub(crate) fn module(model: &Model, boundary: &str) -> Option<String> {
    let called: Vec<&Operation> =
        model.operations.iter().filter(|o| o.served_by == boundary && !o.called_by.is_empty()).collect();
    if called.is_empty() {
        return None;
    }
    let name = format!("{}Client", pascal(boundary));
    let mut out = format!(
        "//! What other services ask of {boundary}.\n//!\n//! Generated from the operations with `x-called-by` by \
         `cargo xtask generate`.\n\n"
    );
    let _string = write!(
        out,
        "/// Asks {boundary}.\n#[derive(Debug, Clone)]\npub struct {name} {{\n    caller: Caller,\n}}\n\n\
         impl {name} {{\n    /// A client that asks through `caller`.\n    \
         pub fn new(caller: Caller) -> Self {{\n        Self {{ caller }}\n    }}\n"
    );
    for operation in called {
        function(&mut out, model, operation);
    }
    out.push_str("}\n");
    Some(out)
}

fn function(out: &mut String, model: &Model, operation: &Operation) {
    // Nothing is defined in this module, so every name is written with its module.
    let here = Id { module: String::new(), name: String::new() };
    let mut arguments = String::from("&self, headers: &HeaderMap");
    let mut path = operation.path.clone();
    for (name, uuid) in &operation.path_parameters {
        let argument = snake(name);
        let kind = if *uuid { "Uuid" } else { "&str" };
        let _string = write!(arguments, ", {argument}: {kind}");
        let written = if *uuid { argument } else { format!("segment({argument})") };
        path = path.replace(&format!("{{{name}}}"), &format!("{{{written}}}"));
    }
    // Format strings take names only; a written segment becomes an argument.
    let (mut template, mut values) = (String::new(), String::new());
    for piece in path.split_inclusive('}') {
        match piece.split_once('{') {
            Some((before, value)) => {
                let value = value.trim_end_matches('}');
                if value.contains('(') {
                    let _string = write!(template, "{before}{{}}");
                    let _string = write!(values, ", {value}");
                } else {
                    let _string = write!(template, "{before}{{{value}}}");
                }
            }
            None => template.push_str(piece),
        }
    }
    let path = if template.contains('{') {
        format!("format!({template:?}{values})")
    } else {
        format!("{template:?}.to_owned()")
    };
    if operation.has_query {
        arguments.push_str(", query: &[(&str, &str)]");
    }
    if let Some(request) = &operation.request {
        let _string = write!(arguments, ", body: &{}", input_type(model, &here, request));
    }
    let answer = match &operation.response {
        Some(shape) => output_type(&here, shape),
        None => "()".to_owned(),
    };
    let method = &operation.method;
    let _string = write!(
        out,
        "\n    /// {summary}: `{method} {template}`. Called by {callers}.\n    ///\n    /// # Errors\n    \
         /// When there is no answer, a refusal, or an answer that is not as the contract says.\n    \
         pub async fn {name}({arguments}) -> Result<{answer}, CallFailure> {{\n        \
         let call = Call::new(Method::{method}, {path}, headers)",
        summary = operation.doc,
        template = operation.path,
        callers = operation.called_by.join(", "),
        name = snake(&operation.id),
    );
    if operation.has_query {
        out.push_str(".query(query)");
    }
    if operation.request.is_some() {
        out.push_str(".body(body)?");
    }
    if operation.idempotent {
        out.push_str(".idempotent()");
    }
    let end = if operation.response.is_none() { "done" } else { "answer" };
    let _string = write!(out, ";\n        self.caller.{end}(call).await\n    }}\n");
}
