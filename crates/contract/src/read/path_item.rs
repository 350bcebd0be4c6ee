use std::collections::BTreeSet;
use std::sync::Arc;

use super::Reader;
use crate::node::Node;
use crate::operation::Operation;
use crate::{Method, PathTemplate, Place, ProblemKind, Security};

const KEYS: [&str; 13] = [
    "$ref",
    "summary",
    "description",
    "servers",
    "parameters",
    "get",
    "put",
    "post",
    "delete",
    "options",
    "head",
    "patch",
    "trace",
];

/// What the document says for all operations that say nothing themselves.
pub(super) struct Defaults {
    pub(super) base_paths: BTreeSet<String>,
    pub(super) security: Security,
    /// The root of the entry document, where security schemes are looked up.
    pub(super) root: Arc<Node>,
}

impl Reader<'_> {
    /// The operations of a path item. A webhook's or callback's has no template.
    pub(super) fn path_item(
        &mut self,
        node: &Arc<Node>,
        place: &Place,
        template: Option<&PathTemplate>,
        defaults: &Defaults,
    ) -> Vec<Operation> {
        self.lone_reference(node);
        let Some(item) = self.resolve(node).map(|r| r.node) else { return Vec::new() };
        let what = template.map_or_else(|| "the path item".to_owned(), |t| format!("the path `{t}`"));
        if !self.mapping(&item, &what) {
            return Vec::new();
        }
        self.known_keys(&item, "a path item", &KEYS);
        let shared = self.parameters(&item);
        let base_paths = self.base_paths(&item).unwrap_or_else(|| defaults.base_paths.clone());
        let own = PathTemplate::parse("/").expect("a slash is a path");
        let mut operations = Vec::new();
        for method in Method::ALL {
            let Some(entry) = item.entry(method.key()).cloned() else { continue };
            let context = Context {
                method,
                template: template.unwrap_or(&own),
                is_path: template.is_some(),
                path_place: place,
                shared: &shared,
                base_paths: &base_paths,
                defaults,
            };
            operations.extend(self.operation(&entry, &context));
        }
        operations
    }

    /// The paths of `servers`, or `None` when nothing is said. Only the path matters: where a
    /// service runs is the environment's affair.
    pub(super) fn base_paths(&mut self, node: &Arc<Node>) -> Option<BTreeSet<String>> {
        let servers = node.get("servers")?.clone();
        let Some(list) = servers.list() else {
            self.shape(&servers, "`servers`", "a list");
            return None;
        };
        let mut paths = BTreeSet::new();
        for server in list {
            if !self.mapping(server, "a server") {
                continue;
            }
            self.known_keys(server, "a server", &["url", "description", "variables", "name"]);
            let Some(mut url) = self.text(server, "url") else {
                self.report(
                    ProblemKind::Missing,
                    &server.place,
                    "the server has no `url`",
                    Some("add `url: /`"),
                );
                continue;
            };
            for (name, place, variable) in self.entries(server, "variables") {
                match self.text(&variable, "default") {
                    Some(value) => url = url.replace(&format!("{{{name}}}"), &value),
                    None => {
                        let message = format!("the server variable `{name}` has no `default`");
                        self.report(ProblemKind::Missing, &place, message, Some("add `default`"));
                    }
                }
            }
            paths.insert(path_of(&url));
        }
        (!paths.is_empty()).then_some(paths)
    }
}

/// What an operation is read within.
pub(super) struct Context<'a> {
    pub(super) method: Method,
    pub(super) template: &'a PathTemplate,
    pub(super) is_path: bool,
    pub(super) path_place: &'a Place,
    pub(super) shared: &'a [crate::operation::Parameter],
    pub(super) base_paths: &'a BTreeSet<String>,
    pub(super) defaults: &'a Defaults,
}

/// `https://api.example.com/v1/` → `/v1`; `/` → nothing.
fn path_of(url: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    if path.is_empty() || path == "." { String::new() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn the_path_of_a_server() {
        let check = |url: &str, expect: &str| assert_eq!(path_of(url), expect, "{url}");
        check("/", "");
        check("", "");
        check("/v1", "/v1");
        check("/v1/", "/v1");
        check("v1", "/v1");
        check("https://api.example.com", "");
        check("https://api.example.com/", "");
        check("https://api.example.com/shop/v2/", "/shop/v2");
        check("http://localhost:8080/x?y=z", "/x");
    }
}
