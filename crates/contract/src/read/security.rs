use std::collections::BTreeMap;
use std::sync::Arc;

use super::Reader;
use crate::node::{Node, Value, quote};
use crate::security::{Alternative, Scheme};
use crate::{Place, ProblemKind, Security};

const KEYS: [&str; 8] =
    ["type", "description", "name", "in", "scheme", "bearerFormat", "flows", "openIdConnectUrl"];

impl Reader<'_> {
    /// What `node` asks of callers, or `None` when it says nothing. Schemes are declared in `root`,
    /// or in the file that names them.
    pub(super) fn security(&mut self, node: &Arc<Node>, root: &Arc<Node>) -> Option<Security> {
        let entry = node.entry("security")?.clone();
        let Some(list) = entry.node.list() else {
            self.shape(&entry.node, "`security`", "a list");
            return None;
        };
        let mut alternatives = Vec::new();
        for item in list {
            let Some(map) = item.map() else {
                self.shape(item, "an entry of `security`", "a mapping from scheme to scopes");
                continue;
            };
            let mut alternative = Alternative::new();
            for (name, scheme) in map {
                let scopes = self.texts(item, name).into_iter().map(|(scope, _)| scope).collect();
                if let Some(scheme) = self.scheme(name, &scheme.place, root, item) {
                    alternative.insert(scheme, scopes);
                }
            }
            alternatives.push(alternative);
        }
        Some(Security { alternatives, place: entry.place })
    }

    /// The scheme `name`, asked for at `place`.
    pub(super) fn scheme(
        &mut self,
        name: &str,
        place: &Place,
        root: &Arc<Node>,
        user: &Node,
    ) -> Option<Scheme> {
        let declared = |root: &Arc<Node>| root.get("components")?.get("securitySchemes")?.get(name).cloned();
        let here = self.document(&user.place.file.clone(), place)?;
        let Some(node) = declared(root).or_else(|| declared(&here)) else {
            let names: Vec<String> = root
                .get("components")
                .and_then(|c| c.get("securitySchemes"))
                .and_then(|s| s.map())
                .map(|map| map.keys().cloned().collect())
                .unwrap_or_default();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let hint = match super::nearest(name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare it under `components/securitySchemes`".to_owned(),
            };
            let message = format!("the security scheme `{name}` is not declared");
            self.report(ProblemKind::UnknownSecurityScheme, place, message, Some(&hint));
            return None;
        };
        let node = self.resolve(&node)?.node;
        if !self.mapping(&node, &format!("the security scheme `{name}`")) {
            return None;
        }
        self.known_keys(&node, "a security scheme", &KEYS);
        let kind = self.text(&node, "type");
        let needs: &[&str] = match kind.as_deref() {
            Some("apiKey") => &["name", "in"],
            Some("http") => &["scheme"],
            Some("oauth2") => &["flows"],
            Some("openIdConnect") => &["openIdConnectUrl"],
            Some("mutualTLS") => &[],
            other => {
                let other = other.unwrap_or("nothing");
                let message = format!("the security scheme `{name}` has the type `{other}`");
                let hint = "the types are apiKey, http, oauth2, openIdConnect and mutualTLS";
                let at = node.get("type").map_or(&node.place, |n| &n.place).clone();
                self.report(ProblemKind::InvalidValue, &at, message, Some(hint));
                return None;
            }
        };
        for key in needs {
            if node.get(key).is_none() {
                let message = format!("the security scheme `{name}` has no `{key}`");
                self.report(ProblemKind::Missing, &node.place, message, Some(&format!("add `{key}`")));
            }
        }
        Some(Scheme { definition: definition(&node), name: name.to_owned() })
    }
}

/// The scheme without words for people. `http` schemes are named without regard to case, and
/// `bearerFormat` is documentation.
fn definition(node: &Node) -> String {
    let mut parts = BTreeMap::new();
    for (key, entry) in node.map().into_iter().flatten() {
        if key == "description" || key == "bearerFormat" || key.starts_with("x-") {
            continue;
        }
        let content = match (key.as_str(), &entry.node.value) {
            ("scheme", Value::Text(text)) => quote(&text.to_lowercase()),
            ("flows", _) => flows(&entry.node),
            _ => entry.node.canonical(),
        };
        parts.insert(key, content);
    }
    format!("{parts:?}")
}

/// The flows with the names of their scopes; what a scope means is told to people.
fn flows(node: &Node) -> String {
    let mut parts = BTreeMap::new();
    for (flow, entry) in node.map().into_iter().flatten() {
        for (key, value) in entry.node.map().into_iter().flatten() {
            if key.starts_with("x-") {
                continue;
            }
            let content = match value.node.map() {
                Some(scopes) if key == "scopes" => format!("{:?}", scopes.keys().collect::<Vec<_>>()),
                _ => value.node.canonical(),
            };
            parts.insert(format!("{flow} {key}"), content);
        }
    }
    format!("{parts:?}")
}
