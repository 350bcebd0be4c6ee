use std::collections::BTreeMap;
use std::sync::Arc;

use super::Reader;
use crate::ProblemKind;
use crate::node::Node;
use crate::operation::{Media, RequestBody, Response};
use crate::schema::{RawId, SchemaId};

impl Reader<'_> {
    pub(super) fn request_body(&mut self, node: &Arc<Node>) -> Option<RequestBody> {
        self.lone_reference(node);
        let node = self.resolve(node)?.node;
        if !self.mapping(&node, "`requestBody`") {
            return None;
        }
        self.known_keys(&node, "a request body", &["description", "content", "required"]);
        if node.get("content").is_none() {
            let message = "the request body does not say which media type it has";
            let hint = "add `content: {application/json: {schema: …}}`";
            self.report(ProblemKind::Missing, &node.place, message, Some(hint));
        }
        Some(RequestBody {
            required: self.flag(&node, "required").unwrap_or(false),
            content: self.content(&node, "a request body's `content`"),
            place: node.place.clone(),
        })
    }

    pub(super) fn response(&mut self, node: &Arc<Node>) -> Option<Response> {
        self.lone_reference(node);
        let node = self.resolve(node)?.node;
        if !self.mapping(&node, "a response") {
            return None;
        }
        self.known_keys(&node, "a response", &["description", "summary", "headers", "content", "links"]);
        let mut headers = BTreeMap::new();
        for (name, _, header) in self.entries(&node, "headers") {
            // OpenAPI: described by the media type.
            if name.eq_ignore_ascii_case("content-type") {
                continue;
            }
            if let Some(header) = self.header(&name, &header) {
                headers.insert(name.to_lowercase(), header);
            }
        }
        Some(Response {
            headers,
            content: self.content(&node, "a response's `content`"),
            place: node.place.clone(),
        })
    }

    /// The media types under `content`. Their schema ids are raw until [`Operation::settle`].
    ///
    /// [`Operation::settle`]: crate::operation::Operation
    pub(super) fn content(&mut self, node: &Arc<Node>, what: &str) -> BTreeMap<String, Media> {
        let mut content = BTreeMap::new();
        for (name, place, media) in self.entries(node, "content") {
            let kind = name.split(';').next().unwrap_or_default().trim().to_lowercase();
            if !kind.contains('/') {
                let message = format!("`{name}` is not a media type in {what}");
                self.report(
                    ProblemKind::InvalidValue,
                    &place,
                    message,
                    Some("write for example `application/json`"),
                );
                continue;
            }
            if !self.mapping(&media, &format!("`{name}`")) {
                continue;
            }
            self.known_keys(&media, "a media type", &["schema", "example", "examples", "encoding"]);
            let schema = media.get("schema").cloned().map_or(RawId::ANY, |schema| self.schema(&schema));
            let encoding = media.get("encoding").map(|e| e.canonical()).unwrap_or_default();
            let media = Media { schema: SchemaId(schema.0), encoding, place: place.clone() };
            if content.insert(kind.clone(), media).is_some() {
                let message = format!("`{kind}` is listed twice, apart from parameters such as charset");
                self.report(ProblemKind::Duplicate, &place, message, Some("keep one of the two"));
            }
        }
        content
    }
}
