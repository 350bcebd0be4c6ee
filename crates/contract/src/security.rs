use std::collections::{BTreeMap, BTreeSet};

use crate::Place;

/// What a caller has to show: one of several alternatives, each a set of schemes that go together.
#[derive(Debug, Clone)]
pub struct Security {
    /// No alternatives means that nothing is asked.
    pub(crate) alternatives: Vec<Alternative>,
    /// Where it is written: at the operation, or at the top of the contract for all of them.
    pub(crate) place: Place,
}

/// Schemes that go together, by what they are. Their names serve messages only.
pub(crate) type Alternative = BTreeMap<Scheme, BTreeSet<String>>;

/// A way to prove who one is.
#[derive(Debug, Clone)]
pub(crate) struct Scheme {
    /// The definition as canonical JSON without prose: `{"scheme":"bearer","type":"http"}`.
    pub(crate) definition: String,
    /// The name under `components/securitySchemes`.
    pub(crate) name: String,
}

impl PartialEq for Scheme {
    fn eq(&self, other: &Scheme) -> bool {
        self.definition == other.definition
    }
}

impl Eq for Scheme {}

impl PartialOrd for Scheme {
    fn partial_cmp(&self, other: &Scheme) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheme {
    fn cmp(&self, other: &Scheme) -> std::cmp::Ordering {
        self.definition.cmp(&other.definition)
    }
}

impl Security {
    /// Whether a caller may come without showing anything.
    pub fn allows_anonymous(&self) -> bool {
        self.alternatives.is_empty() || self.alternatives.iter().any(BTreeMap::is_empty)
    }

    /// The names of the schemes that take part in any alternative.
    pub fn schemes(&self) -> BTreeSet<&str> {
        self.alternatives.iter().flat_map(|a| a.keys().map(|s| s.name.as_str())).collect()
    }

    /// Equal exactly when the same proofs are accepted.
    pub(crate) fn signature(&self) -> String {
        let mut alternatives: Vec<String> = self
            .alternatives
            .iter()
            .map(|a| {
                let schemes: Vec<String> =
                    a.iter().map(|(s, scopes)| format!("{}{scopes:?}", s.definition)).collect();
                schemes.join("&")
            })
            .collect();
        alternatives.sort();
        alternatives.dedup();
        alternatives.join("|")
    }

    /// For people: `bearer or (apiKey and session)`.
    pub(crate) fn describe(&self) -> String {
        if self.alternatives.is_empty() {
            return "nothing".to_owned();
        }
        let one = |alternative: &Alternative| {
            if alternative.is_empty() {
                return "nothing".to_owned();
            }
            let schemes: Vec<String> = alternative
                .iter()
                .map(|(scheme, scopes)| {
                    if scopes.is_empty() {
                        format!("`{}`", scheme.name)
                    } else {
                        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
                        format!("`{}` with {}", scheme.name, scopes.join(", "))
                    }
                })
                .collect();
            schemes.join(" and ")
        };
        self.alternatives.iter().map(one).collect::<Vec<_>>().join(", or ")
    }
}
