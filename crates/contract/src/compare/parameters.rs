use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Direction, Places, Rule, Verdict};
use crate::operation::{Operation, Parameter, ParameterIn};
use crate::schema::Types;

/// What callers see of a parameter's identity: the hole for one in the path, the name for the others.
fn identity(operation: &Operation, parameter: &Parameter) -> (ParameterIn, String) {
    let name = match parameter.location {
        ParameterIn::Path => {
            let index = operation.path.parameters().iter().position(|name| *name == parameter.name);
            // Every path parameter has a hole, or the contract would not have been accepted.
            format!("{:04}", index.unwrap_or_default())
        }
        ParameterIn::Header => parameter.name.to_lowercase(),
        ParameterIn::Query | ParameterIn::Cookie => parameter.name.clone(),
    };
    (parameter.location, name)
}

impl Comparison<'_> {
    pub(super) fn renamed_parameters(&mut self, was: &Operation, is: &Operation) {
        for (old, new) in was.path.parameters().into_iter().zip(is.path.parameters()) {
            if old != new {
                let message = format!("the path parameter `{old}` is now called `{new}`");
                let places = Places::both(&was.place, &is.place);
                self.say(Verdict::Compatible, Rule::ParameterRenamed, message, "", places);
            }
        }
    }

    pub(super) fn parameters(&mut self, was: &Operation, is: &Operation) {
        let index = |operation: &'_ Operation| -> BTreeMap<(ParameterIn, String), Parameter> {
            operation.parameters.iter().map(|p| (identity(operation, p), p.clone())).collect()
        };
        let (old, new) = (index(was), index(is));
        let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for key in keys {
            match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => self.parameter(old, new),
                (Some(old), None) => {
                    let message = format!("{} is gone", label(old));
                    let places = Places::gone(&old.place);
                    self.say(Verdict::Unknown, Rule::ParameterRemoved, message, &label(old), places);
                }
                (None, Some(new)) => {
                    let (verdict, rule, how) = if new.required {
                        (Verdict::Breaking, Rule::ParameterAddedRequired, "required")
                    } else {
                        (Verdict::Compatible, Rule::ParameterAddedOptional, "optional")
                    };
                    let message = format!("{} is new and {how}", label(new));
                    self.say(verdict, rule, message, &label(new), Places::fresh(&new.place));
                }
                (None, None) => {}
            }
        }
    }

    fn parameter(&mut self, was: &Parameter, is: &Parameter) {
        let label = label(is);
        let places = Places::both(&was.place, &is.place);
        match (was.required, is.required) {
            (false, true) => {
                let message = format!("{label} is now required");
                self.say(Verdict::Breaking, Rule::ParameterBecameRequired, message, &label, places.clone());
            }
            (true, false) => {
                let message = format!("{label} may now be left out");
                self.say(Verdict::Compatible, Rule::ParameterBecameOptional, message, &label, places.clone());
            }
            _ => {}
        }
        let liberties = [
            ("empty values", was.liberties.0, is.liberties.0),
            ("reserved characters", was.liberties.1, is.liberties.1),
        ];
        for (what, old, new) in liberties {
            let (verdict, rule, how) = match (old, new) {
                (true, false) => (Verdict::Breaking, Rule::ParameterValueRestricted, "no longer takes"),
                (false, true) => (Verdict::Compatible, Rule::ParameterValueFreed, "takes"),
                _ => continue,
            };
            self.say(verdict, rule, format!("{label} {how} {what}"), &label, places.clone());
        }
        self.value(was, is, Direction::Request, &label);
    }

    /// What a parameter and a response header have in common.
    pub(super) fn value(&mut self, was: &Parameter, is: &Parameter, direction: Direction, label: &str) {
        let places = Places::both(&was.place, &is.place);
        self.deprecation(was.deprecated, is.deprecated, label, label, places.clone());
        if was.serialization != is.serialization {
            // `form` and `simple` differ only for what consists of several values.
            let plain =
                |p: &Parameter| p.serialization.starts_with("form") || p.serialization.starts_with("simple");
            let single = |types: Types| types.and(Types::ARRAY.or(Types::OBJECT)).is_empty();
            let same = plain(was)
                && plain(is)
                && single(self.old.schema(was.schema).facets.types)
                && single(self.new.schema(is.schema).facets.types);
            let verdict = if same { Verdict::Compatible } else { Verdict::Breaking };
            let message = format!(
                "{label} was written as `{}` and is written as `{}`",
                was.serialization, is.serialization
            );
            self.say(verdict, Rule::ParameterSerializationChanged, message, label, places.clone());
        }
        self.schemas(direction, label, label, (was.schema, is.schema), places);
    }
}

fn label(parameter: &Parameter) -> String {
    format!("the {} parameter `{}`", parameter.location, parameter.name)
}
