//! How a schema is put together from others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ProblemKind;
use crate::node::Node;
use crate::read::Reader;
use crate::schema::{Discriminator, RawId, RawSchema};

impl Reader<'_> {
    pub(super) fn unions(&mut self, node: &Arc<Node>, raw: &mut RawSchema) {
        let all_of = self.branches(node, "allOf");
        raw.all_of.extend(all_of);
        raw.one_of = self.branches(node, "oneOf");
        raw.any_of = self.branches(node, "anyOf");
        raw.not = node.get("not").cloned().map(|value| self.schema(&value));
        if let Some(value) = node.get("discriminator").cloned()
            && self.mapping(&value, "`discriminator`")
        {
            match self.text(&value, "propertyName") {
                Some(property) => {
                    let mut mapping = BTreeMap::new();
                    for (name, _, target) in self.entries(&value, "mapping") {
                        if let Some(id) = self.mapped(&target) {
                            mapping.insert(name, id);
                        }
                    }
                    raw.discriminator = Some(Discriminator { property, mapping });
                }
                None => self.report(
                    ProblemKind::Missing,
                    &value.place,
                    "the discriminator does not say which property it looks at",
                    Some("add `propertyName`"),
                ),
            }
        }
    }

    fn branches(&mut self, node: &Arc<Node>, key: &str) -> Vec<RawId> {
        let Some(value) = node.get(key).cloned() else { return Vec::new() };
        match value.list() {
            Some([]) => {
                let message = format!("`{key}` lists no schema");
                self.report(
                    ProblemKind::InvalidValue,
                    &value.place,
                    message,
                    Some("list at least one, or remove it"),
                );
                Vec::new()
            }
            Some(items) => items.iter().map(|item| self.schema(item)).collect(),
            None => {
                self.shape(&value, &format!("`{key}`"), "a list of schemas");
                Vec::new()
            }
        }
    }

    /// The schema that a discriminator's mapping names: a component of the same file, or a reference.
    fn mapped(&mut self, node: &Arc<Node>) -> Option<RawId> {
        let Some(text) = node.text() else {
            self.shape(node, "a discriminator's mapping", "the name of a schema or a reference to one");
            return None;
        };
        let file = node.place.file.clone();
        let component = self
            .document(&file, &node.place)
            .and_then(|root| root.get("components")?.get("schemas")?.get(text).cloned());
        match component {
            Some(component) => {
                let id = self.schema(&component);
                let raw = &mut self.raws[id.0 as usize];
                if id != RawId::ANY && id != RawId::NEVER && raw.name.is_none() {
                    raw.name = Some(text.to_owned());
                }
                Some(id)
            }
            None => {
                let target = self.target(text, &node.place)?;
                Some(self.schema(&target.node))
            }
        }
    }
}
