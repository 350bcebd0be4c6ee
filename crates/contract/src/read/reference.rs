use std::sync::Arc;

use super::Reader;
use super::schema::PROSE;
use crate::node::{Node, Value};
use crate::path::decode;
use crate::{Place, ProblemKind, source};

/// Where a chain of references ends.
pub(super) struct Resolved {
    pub(super) node: Arc<Node>,
    /// The last word of the last pointer: `#/components/schemas/Order` → `Order`.
    pub(super) name: Option<String>,
}

impl Reader<'_> {
    /// Follows `$ref` until something else is found. Faults are reported where the reference is written.
    pub(super) fn resolve(&mut self, start: &Arc<Node>) -> Option<Resolved> {
        let mut at = Resolved { node: start.clone(), name: None };
        let mut seen: Vec<*const Node> = Vec::new();
        while let Some(entry) = at.node.entry("$ref") {
            if seen.contains(&Arc::as_ptr(&at.node)) {
                let place = start.entry("$ref").map_or_else(|| start.place.clone(), |e| e.place.clone());
                self.report(
                    ProblemKind::BrokenReference,
                    &place,
                    "the reference leads back to itself and never to a definition",
                    Some("let one of the references in the circle hold the definition"),
                );
                return None;
            }
            seen.push(Arc::as_ptr(&at.node));
            let target = entry.node.clone();
            let Some(text) = target.text() else {
                self.shape(&target, "`$ref`", "a text such as `#/components/schemas/Order`");
                return None;
            };
            at = self.target(text, &target.place)?;
        }
        Some(at)
    }

    /// The last part of the entry's path.
    fn entry_name(&self) -> &str {
        self.entry.rsplit('/').next().unwrap_or_default()
    }

    /// Reports what stands beside a `$ref` and is ignored there.
    pub(super) fn lone_reference(&mut self, node: &Node) {
        let (Some(map), Some(_)) = (node.map(), node.entry("$ref")) else { return };
        for (key, entry) in map {
            if PROSE.contains(&key.as_str()) || key.starts_with("x-") {
                continue;
            }
            let message = format!("`{key}` stands beside a `$ref` and is ignored there");
            let hint = "in a schema write `allOf` with the reference in it; elsewhere move it to what is referred to";
            self.report(ProblemKind::InvalidValue, &entry.place, message, Some(hint));
        }
    }

    /// The node that the reference `text`, written at `place`, names.
    pub(super) fn target(&mut self, text: &str, place: &Place) -> Option<Resolved> {
        let (file, pointer) = text.split_once('#').unwrap_or((text, ""));
        if file.contains("://") || file.starts_with("//") || file.starts_with("urn:") {
            self.report(
                ProblemKind::RemoteReference,
                place,
                format!("`{text}` refers to another machine, and a contract may only depend on files"),
                Some("save the document beside this one and refer to it by a relative path"),
            );
            return None;
        }
        let path: Arc<str> = if file.is_empty() {
            place.file.clone()
        } else {
            match source::beside(&place.file, &decode(file)) {
                // Back to the entry is back to the path that the caller wrote.
                Some(path) if Some(&path) == source::beside(&self.entry, self.entry_name()).as_ref() => {
                    self.entry.clone()
                }
                Some(path) => path.into(),
                None => {
                    self.report(
                        ProblemKind::BrokenReference,
                        place,
                        format!("`{text}` leads out of the folder that the contract was read from"),
                        Some("move the file inside, or start from a path further up"),
                    );
                    return None;
                }
            }
        };
        let root = self.document(&path, place)?;
        match walk(&root, pointer) {
            Ok(resolved) => Some(resolved),
            Err(fault) => {
                let hint = match &fault {
                    Fault::Anchor => "write the way to it: `#/components/schemas/Name`".to_owned(),
                    Fault::Missing { near: Some(near), .. } => format!("did you mean `{near}`?"),
                    Fault::Missing { near: None, .. } => {
                        "correct the reference, or add what it names".to_owned()
                    }
                };
                let why = match &fault {
                    Fault::Anchor => "names an anchor, which is not supported".to_owned(),
                    Fault::Missing { part, .. } => format!("leads nowhere: there is no `{part}` in `{path}`"),
                };
                self.report(ProblemKind::BrokenReference, place, format!("`{text}` {why}"), Some(&hint));
                None
            }
        }
    }
}

enum Fault {
    /// `#Order` instead of `#/components/schemas/Order`.
    Anchor,
    /// The part of the pointer that does not exist, and its nearest neighbour.
    Missing { part: String, near: Option<String> },
}

/// Follows a JSON pointer: percent-decoded, then `~1` is `/` and `~0` is `~`.
fn walk(root: &Arc<Node>, pointer: &str) -> Result<Resolved, Fault> {
    if pointer.is_empty() {
        return Ok(Resolved { node: root.clone(), name: None });
    }
    let Some(rest) = pointer.strip_prefix('/') else { return Err(Fault::Anchor) };
    let mut node = root.clone();
    let mut name = None;
    for token in rest.split('/') {
        let token = decode(token).replace("~1", "/").replace("~0", "~");
        let next = match &node.value {
            Value::Map(entries) => entries.get(&token).map(|entry| entry.node.clone()),
            Value::List(items) => token.parse::<usize>().ok().and_then(|index| items.get(index).cloned()),
            _ => None,
        };
        let Some(next) = next else {
            let near = node.map().and_then(|map| {
                let keys: Vec<&str> = map.keys().map(String::as_str).collect();
                super::nearest(&token, &keys).map(str::to_owned)
            });
            return Err(Fault::Missing { part: token, near });
        };
        node = next;
        name = Some(token);
    }
    Ok(Resolved { node, name })
}
