use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Places, Rule, Verdict};
use crate::Method;
use crate::operation::Operation;

impl Comparison<'_> {
    /// Pairs operations by method and shape of the path; what callers see of the path is its shape.
    pub(super) fn operations(&mut self) {
        let index = |operations: &'_ [Operation]| -> BTreeMap<(String, Method), usize> {
            operations.iter().enumerate().map(|(i, o)| ((o.path.shape(), o.method), i)).collect()
        };
        let (old, new) = (self.old.contract.operations(), self.new.contract.operations());
        let (by_old, by_new) = (index(old), index(new));
        let keys: BTreeSet<&(String, Method)> = by_old.keys().chain(by_new.keys()).collect();
        for key in keys {
            let (was, is) = (by_old.get(key).map(|i| &old[*i]), by_new.get(key).map(|i| &new[*i]));
            match (was, is) {
                (Some(was), Some(is)) => {
                    self.operation = Some(is.key());
                    self.same_operation(was, is);
                }
                (Some(was), None) => {
                    self.operation = Some(was.key());
                    self.operation_removed(was);
                }
                (None, Some(is)) => {
                    self.operation = Some(is.key());
                    let message = format!("{} is new", is.key());
                    self.say(
                        Verdict::Compatible,
                        Rule::OperationAdded,
                        message,
                        "",
                        Places::fresh(&is.place),
                    );
                    self.shadowed(is);
                }
                (None, None) => {}
            }
        }
        self.operation = None;
    }

    fn operation_removed(&mut self, was: &Operation) {
        let moved = was
            .id
            .as_ref()
            .and_then(|id| self.new.contract.operations().iter().find(|o| o.id.as_ref() == Some(id)));
        let mut message = format!("{} is gone", was.key());
        if let Some(moved) = moved {
            message.push_str(&format!("; its operationId is now at {}", moved.key()));
        } else if was.deprecated {
            message.push_str("; it was deprecated");
        }
        let mut places = Places::gone(&was.place);
        places.new = moved.map(|o| o.place.clone());
        self.say(Verdict::Breaking, Rule::OperationRemoved, message, "", places);
    }

    fn same_operation(&mut self, was: &Operation, is: &Operation) {
        self.renamed_parameters(was, is);
        if self.old.signature(was) == self.new.signature(is) {
            return;
        }
        let before = self.ledger.count;
        let outer = std::mem::replace(&mut self.explained, false);
        let places = Places::both(&was.place, &is.place);
        if was.id != is.id {
            let name = |id: &Option<String>| id.as_ref().map_or("none".to_owned(), |id| format!("`{id}`"));
            let message = format!("the operationId changed from {} to {}", name(&was.id), name(&is.id));
            self.say(Verdict::Compatible, Rule::OperationIdChanged, message, "", places.clone());
        }
        self.deprecation(was.deprecated, is.deprecated, &is.key().to_string(), "", places.clone());
        self.base_paths(was, is);
        self.security(&was.security, &is.security);
        self.parameters(was, is);
        self.request_body(was, is);
        self.responses(was, is);
        self.callbacks(was, is);
        if self.ledger.count == before && !self.explained {
            let message = format!("{} differs in a way that no rule describes", is.key());
            self.say(Verdict::Unknown, Rule::UnexplainedChange, message, "", places);
        }
        self.explained |= outer;
    }

    pub(super) fn deprecation(&mut self, was: bool, is: bool, label: &str, spot: &str, places: Places) {
        let (rule, message) = match (was, is) {
            (false, true) => (Rule::Deprecated, format!("{label} is now deprecated")),
            (true, false) => (Rule::DeprecationWithdrawn, format!("{label} is no longer deprecated")),
            _ => return,
        };
        self.say(Verdict::Compatible, rule, message, spot, places);
    }

    fn base_paths(&mut self, was: &Operation, is: &Operation) {
        let (old, new) = (&self.old.contract.parts().entry, &self.new.contract.parts().entry);
        let places = Places::both(old, new);
        let name = |base: &str| if base.is_empty() { "/".to_owned() } else { base.to_owned() };
        for base in was.base_paths.difference(&is.base_paths) {
            let message = format!("nothing is answered below the base path `{}` any more", name(base));
            self.say(Verdict::Breaking, Rule::BasePathRemoved, message, "", places.clone());
        }
        for base in is.base_paths.difference(&was.base_paths) {
            let message = format!("requests are answered below the base path `{}` too", name(base));
            self.say(Verdict::Compatible, Rule::BasePathAdded, message, "", places.clone());
        }
    }

    fn callbacks(&mut self, was: &Operation, is: &Operation) {
        let names: BTreeSet<&String> = was.callbacks.keys().chain(is.callbacks.keys()).collect();
        for name in names {
            let (old, new) = (was.callbacks.get(name), is.callbacks.get(name));
            let lines = |side: &super::Side<'_>, list: Option<&Vec<Operation>>| -> Option<Vec<String>> {
                Some(list?.iter().map(|o| side.signature(o)).collect())
            };
            if lines(&self.old, old) != lines(&self.new, new) {
                let message = match (old, new) {
                    (None, _) => format!("the callback `{name}` is new"),
                    (_, None) => format!("the callback `{name}` is gone"),
                    _ => format!("the callback `{name}` is different"),
                };
                let place = |list: Option<&Vec<Operation>>| Some(list?.first()?.place.clone());
                let places = Places { old: place(old), new: place(new) };
                self.say(Verdict::Unknown, Rule::CallbackChanged, message, "", places);
            }
        }
    }
}
