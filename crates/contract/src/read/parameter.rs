use std::sync::Arc;

use super::Reader;
use crate::node::Node;
use crate::operation::{Parameter, ParameterIn};
use crate::schema::{RawId, SchemaId};
use crate::{Place, ProblemKind};

const KEYS: [&str; 13] = [
    "name",
    "in",
    "description",
    "required",
    "deprecated",
    "allowEmptyValue",
    "style",
    "explode",
    "allowReserved",
    "schema",
    "example",
    "examples",
    "content",
];

impl Reader<'_> {
    /// The parameters listed at `node`, each name once per location.
    pub(super) fn parameters(&mut self, node: &Arc<Node>) -> Vec<Parameter> {
        let Some(value) = node.get("parameters").cloned() else { return Vec::new() };
        let Some(items) = value.list() else {
            self.shape(&value, "`parameters`", "a list");
            return Vec::new();
        };
        let mut parameters: Vec<Parameter> = Vec::new();
        for item in items {
            let Some(parameter) = self.parameter(item) else { continue };
            // OpenAPI: these three are described elsewhere, and ignored as parameters.
            let ignored = ["accept", "content-type", "authorization"];
            if parameter.location == ParameterIn::Header
                && ignored.contains(&parameter.name.to_lowercase().as_str())
            {
                let message = format!("a header parameter `{}` is ignored by OpenAPI", parameter.name);
                let hint = "describe it with `security`, `requestBody` or `responses` instead";
                self.report(ProblemKind::InvalidValue, &parameter.place, message, Some(hint));
                continue;
            }
            let twice =
                parameters.iter().find(|p| p.location == parameter.location && p.name == parameter.name);
            if let Some(first) = twice {
                let message = format!(
                    "the {} parameter `{}` is already listed at {}",
                    parameter.location, parameter.name, first.place
                );
                self.report(ProblemKind::Duplicate, &item.place, message, Some("keep one of the two"));
                continue;
            }
            parameters.push(parameter);
        }
        parameters
    }

    pub(super) fn parameter(&mut self, node: &Arc<Node>) -> Option<Parameter> {
        self.lone_reference(node);
        let node = self.resolve(node)?.node;
        if !self.mapping(&node, "a parameter") {
            return None;
        }
        self.known_keys(&node, "a parameter", &KEYS);
        let name = self.required_text(&node, "name");
        let location = self.required_text(&node, "in");
        let (name, location) = (name?, location?);
        let location = match location.as_str() {
            "path" => ParameterIn::Path,
            "query" => ParameterIn::Query,
            "header" => ParameterIn::Header,
            "cookie" => ParameterIn::Cookie,
            other => {
                let place = node.get("in").map_or(&node.place, |n| &n.place).clone();
                let hint = match other {
                    "body" | "formData" => "describe the body with `requestBody`",
                    _ => "a parameter is in `path`, `query`, `header` or `cookie`",
                };
                let message = format!("the parameter `{name}` cannot be in `{other}`");
                self.report(ProblemKind::InvalidValue, &place, message, Some(hint));
                return None;
            }
        };
        let required = self.flag(&node, "required").unwrap_or(false);
        if location == ParameterIn::Path && !required {
            let message =
                format!("the path parameter `{name}` is not required, and a path cannot leave it out");
            self.report(ProblemKind::PathParameter, &node.place, message, Some("add `required: true`"));
        }
        Some(self.value(name, location, required, &node))
    }

    /// A response header: a parameter without name and place.
    pub(super) fn header(&mut self, name: &str, node: &Arc<Node>) -> Option<Parameter> {
        self.lone_reference(node);
        let node = self.resolve(node)?.node;
        if !self.mapping(&node, &format!("the header `{name}`")) {
            return None;
        }
        self.known_keys(&node, "a header", &KEYS[2..]);
        let required = self.flag(&node, "required").unwrap_or(false);
        Some(self.value(name.to_owned(), ParameterIn::Header, required, &node))
    }

    /// What parameters and headers have in common.
    fn value(&mut self, name: String, location: ParameterIn, required: bool, node: &Arc<Node>) -> Parameter {
        let (schema, serialization) = match (node.get("schema").cloned(), node.get("content").is_some()) {
            (Some(schema), false) => {
                let default_style = match location {
                    ParameterIn::Query | ParameterIn::Cookie => "form",
                    ParameterIn::Path | ParameterIn::Header => "simple",
                };
                let style = self.style(node, location).unwrap_or_else(|| default_style.to_owned());
                let explode = self.flag(node, "explode").unwrap_or(style == "form");
                let serialization = if explode { format!("{style}, exploded") } else { style };
                (self.schema(&schema), serialization)
            }
            (None, true) => {
                let content = self.content(node, "a parameter's `content`");
                if content.len() > 1 {
                    let place = node.get("content").map_or(&node.place, |n| &n.place).clone();
                    let message = format!("`{name}` has more than one media type");
                    self.report(ProblemKind::InvalidValue, &place, message, Some("keep one"));
                }
                let first = content.into_iter().next();
                first.map_or((RawId::ANY, String::new()), |(media, m)| (RawId(m.schema.0), media))
            }
            (None, false) => {
                let message = format!("`{name}` has no schema");
                self.report(ProblemKind::Missing, &node.place, message, Some("add `schema: {type: string}`"));
                (RawId::ANY, String::new())
            }
            (Some(_), true) => {
                let message = format!("`{name}` has both `schema` and `content`");
                self.report(ProblemKind::InvalidValue, &node.place, message, Some("keep one of the two"));
                (RawId::ANY, String::new())
            }
        };
        Parameter {
            name,
            location,
            required,
            deprecated: self.flag(node, "deprecated").unwrap_or(false),
            serialization,
            liberties: (
                self.flag(node, "allowEmptyValue").unwrap_or(false),
                self.flag(node, "allowReserved").unwrap_or(false),
            ),
            schema: SchemaId(schema.0),
            place: node.place.clone(),
        }
    }

    fn style(&mut self, node: &Arc<Node>, location: ParameterIn) -> Option<String> {
        let style = self.text(node, "style")?;
        let styles: &[&str] = match location {
            ParameterIn::Path => &["simple", "label", "matrix"],
            ParameterIn::Query => &["form", "spaceDelimited", "pipeDelimited", "deepObject"],
            ParameterIn::Header => &["simple"],
            ParameterIn::Cookie => &["form"],
        };
        if !styles.contains(&style.as_str()) {
            let place: Place = node.get("style").map_or(&node.place, |n| &n.place).clone();
            let message = format!("`{style}` is not a style for something in the {location}");
            let hint = format!("the styles there are {}", styles.join(", "));
            self.report(ProblemKind::InvalidValue, &place, message, Some(&hint));
            return None;
        }
        Some(style)
    }

    fn required_text(&mut self, node: &Arc<Node>, key: &str) -> Option<String> {
        if node.get(key).is_none() {
            let message = format!("a parameter has no `{key}`");
            self.report(ProblemKind::Missing, &node.place, message, Some(&format!("add `{key}`")));
        }
        self.text(node, key)
    }
}
