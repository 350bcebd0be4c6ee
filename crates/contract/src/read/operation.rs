use std::collections::BTreeMap;
use std::sync::Arc;

use super::path_item::Context;
use super::{Dialect, Reader};
use crate::node::{Entry, Node};
use crate::operation::{Operation, Parameter, ParameterIn, Response, Status};
use crate::{Place, ProblemKind};

const KEYS: [&str; 12] = [
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "deprecated",
    "security",
    "servers",
];

/// Callbacks of callbacks of callbacks are a mistake or a circle.
const DEEPEST_CALLBACK: usize = 3;

impl Reader<'_> {
    pub(super) fn operation(&mut self, entry: &Entry, context: &Context<'_>) -> Option<Operation> {
        let node = &entry.node;
        let name = format!("{} {}", context.method, context.template);
        if !self.mapping(node, &format!("the operation {name}")) {
            return None;
        }
        self.known_keys(node, "an operation", &KEYS);
        let id = self.text(node, "operationId");
        if let Some(id) = &id {
            let place = node.get("operationId").map_or(&node.place, |n| &n.place).clone();
            self.operation_id(id, place);
        }
        let own = self.parameters(node);
        let parameters = self.effective(own, context);
        if context.is_path {
            self.check_path_parameters(&parameters, &entry.place, context);
        }
        let request_body = node.get("requestBody").cloned().and_then(|body| self.request_body(&body));
        let responses = self.responses(node, &entry.place, &name);
        let security = self.security(node, &context.defaults.root);
        let callbacks = self.callbacks(node, context);
        Some(Operation {
            method: context.method,
            path: context.template.clone(),
            base_paths: self.base_paths(node).unwrap_or_else(|| context.base_paths.clone()),
            id,
            summary: self.text(node, "summary"),
            tags: self.texts(node, "tags").into_iter().map(|(tag, _)| tag).collect(),
            parameters,
            request_body,
            responses,
            security: security.unwrap_or_else(|| context.defaults.security.clone()),
            deprecated: self.flag(node, "deprecated").unwrap_or(false),
            callbacks,
            place: entry.place.clone(),
        })
    }

    fn operation_id(&mut self, id: &str, place: Place) {
        match self.operation_ids.get(id) {
            // A path item that is referred to twice is read twice.
            Some(first) if *first == place => {}
            Some(first) => {
                let message = format!("the operationId `{id}` is already taken at {first}");
                let hint = "generated clients need a name of its own for each operation";
                self.report(ProblemKind::Duplicate, &place, message, Some(hint));
            }
            None => {
                self.operation_ids.insert(id.to_owned(), place);
            }
        }
    }

    /// The operation's parameters and those of the path item that it does not replace.
    fn effective(&self, own: Vec<Parameter>, context: &Context<'_>) -> Vec<Parameter> {
        let key = |p: &Parameter| {
            let name = if p.location == ParameterIn::Header { p.name.to_lowercase() } else { p.name.clone() };
            (p.location, name)
        };
        let mut all: BTreeMap<_, Parameter> = context.shared.iter().map(|p| (key(p), p.clone())).collect();
        all.extend(own.into_iter().map(|p| (key(&p), p)));
        all.into_values().collect()
    }

    fn check_path_parameters(&mut self, parameters: &[Parameter], place: &Place, context: &Context<'_>) {
        let names = context.template.parameters();
        let declared: Vec<&Parameter> =
            parameters.iter().filter(|p| p.location == ParameterIn::Path).collect();
        for name in &names {
            if !declared.iter().any(|p| p.name == *name) {
                let message = format!(
                    "{} {} does not declare the path parameter `{name}`",
                    context.method, context.template
                );
                let hint = format!(
                    "add `- {{name: {name}, in: path, required: true, schema: {{type: string}}}}` to its `parameters`"
                );
                self.report(ProblemKind::PathParameter, place, message, Some(&hint));
            }
        }
        for parameter in declared {
            if !names.contains(&parameter.name.as_str()) {
                let hint = match super::nearest(&parameter.name, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the path is written at {}", context.path_place),
                };
                let message = format!(
                    "the path `{}` has no place for the parameter `{}`",
                    context.template, parameter.name
                );
                self.report(ProblemKind::PathParameter, &parameter.place, message, Some(&hint));
            }
        }
    }

    fn responses(&mut self, node: &Arc<Node>, place: &Place, name: &str) -> BTreeMap<Status, Response> {
        let mut responses = BTreeMap::new();
        let Some(value) = node.get("responses").cloned() else {
            if self.dialect(node) == Dialect::V30 {
                let hint =
                    "add `responses` with at least one status, for example `\"204\": {description: Done}`";
                self.report(
                    ProblemKind::Missing,
                    place,
                    format!("{name} does not say what it answers"),
                    Some(hint),
                );
            }
            return responses;
        };
        if value.map().is_some_and(|map| map.keys().all(|key| key.starts_with("x-"))) {
            let at = node.entry("responses").map_or(place, |e| &e.place).clone();
            let hint = "list at least one status, for example `\"204\": {description: Done}`";
            self.report(ProblemKind::Missing, &at, format!("{name} answers with no status"), Some(hint));
        }
        for (key, at, response) in self.entries(node, "responses") {
            if key.starts_with("x-") {
                continue;
            }
            let Some(status) = Status::parse(&key) else {
                let message = format!("`{key}` is not a status");
                let hint = "a status is a code such as `200`, a class such as `4XX`, or `default`";
                self.report(ProblemKind::InvalidValue, &at, message, Some(hint));
                continue;
            };
            if let Some(mut response) = self.response(&response) {
                response.place = at;
                responses.insert(status, response);
            }
        }
        responses
    }

    fn callbacks(&mut self, node: &Arc<Node>, context: &Context<'_>) -> BTreeMap<String, Vec<Operation>> {
        let mut callbacks = BTreeMap::new();
        for (name, place, callback) in self.entries(node, "callbacks") {
            if self.callback_depth >= DEEPEST_CALLBACK {
                let message = "callbacks are nested too deeply, or in a circle";
                self.report(
                    ProblemKind::TooLarge,
                    &place,
                    message,
                    Some("describe the inner one on its own"),
                );
                break;
            }
            let Some(callback) = self.resolve(&callback).map(|r| r.node) else { continue };
            let Some(map) = callback.map() else {
                self.shape(
                    &callback,
                    &format!("the callback `{name}`"),
                    "a mapping from expression to path item",
                );
                continue;
            };
            self.callback_depth += 1;
            for (expression, entry) in map {
                if !expression.starts_with("x-") {
                    let operations = self.path_item(&entry.node, &entry.place, None, context.defaults);
                    callbacks.insert(format!("{name} {expression}"), operations);
                }
            }
            self.callback_depth -= 1;
        }
        callbacks
    }
}
