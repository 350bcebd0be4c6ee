use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::document::{dialect, version};
use super::path_item::Defaults;
use super::{Dialect, Reader};
use crate::contract::{Contract, Parts};
use crate::node::Node;
use crate::operation::Operation;
use crate::path::PathTemplate;
use crate::problem::Problems;
use crate::schema::Merger;
use crate::{Place, ProblemKind, Sources};

const KEYS: [&str; 10] = [
    "openapi",
    "info",
    "jsonSchemaDialect",
    "servers",
    "paths",
    "webhooks",
    "components",
    "security",
    "tags",
    "externalDocs",
];

const COMPONENTS: [&str; 10] = [
    "schemas",
    "responses",
    "parameters",
    "examples",
    "requestBodies",
    "headers",
    "securitySchemes",
    "links",
    "callbacks",
    "pathItems",
];

/// Reads the contract that starts at `entry`, or says everything that is wrong with it.
pub(crate) fn read(entry: &str, sources: &dyn Sources) -> Result<Contract, Problems> {
    let mut reader = Reader::new(sources, entry);
    let parts = reader.contract();
    if let Some(problems) = Problems::collect(std::mem::take(&mut reader.problems)) {
        return Err(problems);
    }
    Ok(Contract::new(parts.expect("a contract that could not be read has left a problem"), reader.files()))
}

impl Reader<'_> {
    fn contract(&mut self) -> Option<Parts> {
        let top = Place::new(self.entry.clone(), 1, 1);
        let root = self.document(&self.entry.clone(), &top)?;
        if !self.mapping(&root, "the document") {
            return None;
        }
        let openapi = self.version(&root)?;
        self.known_keys(&root, "an OpenAPI document", &KEYS);
        let (title, version, version_place) = self.info(&root);
        let defaults = self.defaults(&root);
        let operations = self.paths(&root, &defaults);
        let webhooks = self.webhooks(&root, &defaults);
        self.components(&root, &defaults);
        self.read_schemas();
        if !self.problems.is_empty() {
            return None;
        }

        // Operations hold the ids of raw schemas until here.
        let mut merger = Merger::new(std::mem::take(&mut self.raws));
        let mut operations = operations;
        let mut webhooks = webhooks;
        for operation in operations.iter_mut().chain(webhooks.values_mut().flatten()) {
            operation.settle(&mut merger);
        }
        match merger.finish() {
            Ok(schemas) => Some(Parts {
                openapi,
                title,
                version,
                version_place,
                operations,
                webhooks,
                schemas,
                entry: top,
            }),
            Err(place) => {
                self.report(
                    ProblemKind::TooLarge,
                    &place,
                    "the schemas combine through `allOf` into more than can be compared",
                    Some("write the combined schema out"),
                );
                None
            }
        }
    }

    /// The version, if it is one that can be read. Nothing else is looked at when it is not.
    fn version(&mut self, root: &Arc<Node>) -> Option<String> {
        if let Some(entry) = root.entry("swagger") {
            let place = entry.place.clone();
            self.report(
                ProblemKind::UnsupportedVersion,
                &place,
                "this is a Swagger 2.0 document; contracts are OpenAPI 3.0 or 3.1",
                Some("convert it once, for example with `npx swagger2openapi`, and keep the result"),
            );
            return None;
        }
        let Some(entry) = root.entry("openapi") else {
            self.report(
                ProblemKind::Missing,
                &root.place,
                "the document does not say which OpenAPI version it is",
                Some("begin with `openapi: 3.0.3` or `openapi: 3.1.0`"),
            );
            return None;
        };
        let place = entry.node.place.clone();
        let text = version(root).unwrap_or_default();
        if dialect(&text).is_none() {
            let message =
                format!("OpenAPI version `{text}` is not supported; contracts are OpenAPI 3.0 or 3.1");
            let hint = "write `openapi: 3.0.3` or `openapi: 3.1.0` if the document is one";
            self.report(ProblemKind::UnsupportedVersion, &place, message, Some(hint));
            return None;
        }
        Some(text)
    }

    fn info(&mut self, root: &Arc<Node>) -> (String, String, Place) {
        let nothing = (String::new(), String::new(), root.place.clone());
        let Some(info) = root.get("info").cloned() else {
            let hint = "add `info: {title: …, version: …}`";
            self.report(ProblemKind::Missing, &root.place, "the document has no `info`", Some(hint));
            return nothing;
        };
        if !self.mapping(&info, "`info`") {
            return nothing;
        }
        let keys = ["title", "version", "description", "summary", "termsOfService", "contact", "license"];
        self.known_keys(&info, "`info`", &keys);
        let mut required = |key: &str| match info.get(key) {
            Some(_) => self.text(&info, key).unwrap_or_default(),
            None => {
                let place = root.entry("info").map_or(&root.place, |e| &e.place);
                let message = format!("`info` has no `{key}`");
                self.report(ProblemKind::Missing, place, message, Some(&format!("add `{key}`")));
                String::new()
            }
        };
        let (title, version) = (required("title"), required("version"));
        let place = info.get("version").map_or(&info.place, |n| &n.place).clone();
        (title, version, place)
    }

    fn defaults(&mut self, root: &Arc<Node>) -> Defaults {
        let base_paths = self.base_paths(root).unwrap_or_else(|| BTreeSet::from([String::new()]));
        let security = self
            .security(root, root)
            .unwrap_or_else(|| crate::Security { alternatives: Vec::new(), place: root.place.clone() });
        Defaults { base_paths, security, root: root.clone() }
    }

    fn paths(&mut self, root: &Arc<Node>, defaults: &Defaults) -> Vec<Operation> {
        if root.get("paths").is_none() {
            let optional = root.get("webhooks").is_some() || root.get("components").is_some();
            if !(self.dialect(root) == Dialect::V31 && optional) {
                let hint = "add `paths: {}` and describe the operations in it";
                self.report(ProblemKind::Missing, &root.place, "the document has no `paths`", Some(hint));
            }
            return Vec::new();
        }
        let mut operations = Vec::new();
        let mut shapes: BTreeMap<String, (String, Place)> = BTreeMap::new();
        for (text, place, node) in self.entries(root, "paths") {
            if text.starts_with("x-") {
                continue;
            }
            let template = match PathTemplate::parse(&text) {
                Ok(template) => template,
                Err(error) => {
                    let message = format!("`{text}` is not a path: {error}");
                    self.report(
                        ProblemKind::InvalidValue,
                        &place,
                        message,
                        Some("write for example `/orders/{orderId}`"),
                    );
                    continue;
                }
            };
            if let Some((other, at)) = shapes.get(&template.shape()) {
                let message = format!("`{text}` matches the same paths as `{other}` at {at}");
                let hint = "put the operations of both under one path";
                self.report(ProblemKind::Duplicate, &place, message, Some(hint));
            } else {
                shapes.insert(template.shape(), (text, place.clone()));
            }
            operations.extend(self.path_item(&node, &place, Some(&template), defaults));
        }
        operations.sort_by_key(Operation::key);
        operations
    }

    fn webhooks(&mut self, root: &Arc<Node>, defaults: &Defaults) -> BTreeMap<String, Vec<Operation>> {
        let mut webhooks = BTreeMap::new();
        for (name, place, node) in self.entries(root, "webhooks") {
            if self.dialect(root) == Dialect::V30 {
                let hint = "write `openapi: 3.1.0`, or remove it";
                self.report(ProblemKind::UnknownKey, &place, "OpenAPI 3.0 has no `webhooks`", Some(hint));
                break;
            }
            let operations = self.path_item(&node, &place, None, defaults);
            webhooks.insert(name, operations);
        }
        webhooks
    }

    /// Reads what nobody may be using, so that faults in it come out now and not with its first user.
    fn components(&mut self, root: &Arc<Node>, defaults: &Defaults) {
        let Some(components) = root.get("components").cloned() else { return };
        if !self.mapping(&components, "`components`") {
            return;
        }
        self.known_keys(&components, "`components`", &COMPONENTS);
        for (name, _, node) in self.entries(&components, "schemas") {
            let id = self.schema(&node);
            let raw = &mut self.raws[id.0 as usize];
            if node.entry("$ref").is_none() && raw.name.is_none() && id.0 > 1 {
                raw.name = Some(name);
            }
        }
        for (_, _, node) in self.entries(&components, "parameters") {
            self.parameter(&node);
        }
        for (_, _, node) in self.entries(&components, "requestBodies") {
            self.request_body(&node);
        }
        for (_, _, node) in self.entries(&components, "responses") {
            self.response(&node);
        }
        for (name, _, node) in self.entries(&components, "headers") {
            self.header(&name, &node);
        }
        for (name, place, _) in self.entries(&components, "securitySchemes") {
            self.scheme(&name, &place, &defaults.root, root);
        }
    }
}
