use std::collections::BTreeSet;

use super::schema::{Task, Walk};
use super::{Comparison, Direction, Places, Rule, Side, Verdict};
use crate::schema::{Property, Schema, SchemaId, Types};

impl Comparison<'_> {
    /// Compares what two schemas say about the properties of an object.
    pub(super) fn properties(&mut self, walk: &mut Walk, task: &Task, old: &Schema, new: &Schema) {
        if !old.facets.types.and(new.facets.types).has(Types::OBJECT) {
            return;
        }
        let names: BTreeSet<&String> = old.properties.keys().chain(new.properties.keys()).collect();
        for name in names {
            let (was, is) = (old.properties.get(name), new.properties.get(name));
            let path = if task.path.is_empty() { name.clone() } else { format!("{}.{name}", task.path) };
            let label = match new.name.as_ref().or(old.name.as_ref()) {
                Some(schema) => format!("`{name}` of `{schema}`"),
                None => format!("`{path}`"),
            };
            let child = |before: SchemaId, after: SchemaId| Task {
                old: before,
                new: after,
                path: path.clone(),
                label: label.clone(),
                slot: Places {
                    old: Some(was.map_or(&old.place, |p| &p.place).clone()),
                    new: Some(is.map_or(&new.place, |p| &p.place).clone()),
                },
                doubt: task.doubt,
            };
            let seen = |side: &Side<'_>, property: Option<&Property>| {
                property.is_some_and(|p| travels(side.schema(p.schema), walk.direction))
            };
            match (was.filter(|_| seen(&self.old, was)), is.filter(|_| seen(&self.new, is))) {
                (Some(was), Some(is)) => {
                    let task = child(was.schema, is.schema);
                    self.requirement(walk, &task, was, is);
                    self.push(walk, task);
                }
                (Some(was), None) => {
                    let task = child(was.schema, new.additional);
                    self.property_removed(walk, &task, was, new);
                }
                (None, Some(is)) => {
                    let task = child(old.additional, is.schema);
                    self.property_added(walk, task, is, old);
                }
                // Readable only in a request, writable only in a response: whatever changed has no effect.
                (None, None) => self.explained = true,
            }
        }
        self.additional(walk, task, old, new);
    }

    fn requirement(&mut self, walk: &Walk, task: &Task, was: &Property, is: &Property) {
        let (verdict, rule, how) = match (walk.direction, was.required.is_some(), is.required.is_some()) {
            (Direction::Request, false, true) => {
                (Verdict::Breaking, Rule::RequestPropertyBecameRequired, "is now required")
            }
            (Direction::Request, true, false) => {
                (Verdict::Compatible, Rule::RequestPropertyBecameOptional, "may now be left out")
            }
            (Direction::Response, false, true) => {
                (Verdict::Compatible, Rule::ResponsePropertyBecameRequired, "is now always there")
            }
            (Direction::Response, true, false) => {
                (Verdict::Breaking, Rule::ResponsePropertyBecameOptional, "may now be missing")
            }
            _ => return,
        };
        let places = Places {
            old: was.required.clone().or_else(|| Some(was.place.clone())),
            new: is.required.clone().or_else(|| Some(is.place.clone())),
        };
        self.tell(walk, task, verdict, rule, format!("{} {how}", task.label), places);
    }

    fn property_removed(&mut self, walk: &Walk, task: &Task, was: &Property, new: &Schema) {
        let label = &task.label;
        let (verdict, rule, message) = match walk.direction {
            Direction::Request if self.new.is(new.additional, SchemaId::NEVER) => {
                (Verdict::Breaking, Rule::RequestPropertyRemoved, format!("{label} is no longer accepted"))
            }
            Direction::Request => {
                (Verdict::Unknown, Rule::RequestPropertyRemoved, format!("{label} is no longer described"))
            }
            Direction::Response if was.required.is_some() => {
                (Verdict::Breaking, Rule::ResponsePropertyRemoved, format!("{label} is gone"))
            }
            Direction::Response => (
                Verdict::Breaking,
                Rule::ResponseOptionalPropertyRemoved,
                format!("{label}, which was optional, is gone"),
            ),
        };
        let places = Places { old: Some(was.place.clone()), new: Some(new.place.clone()) };
        self.tell(walk, task, verdict, rule, message, places);
    }

    fn property_added(&mut self, walk: &mut Walk, task: Task, is: &Property, old: &Schema) {
        let label = &task.label;
        let closed = self.old.is(old.additional, SchemaId::NEVER);
        let open = self.old.is(old.additional, SchemaId::ANY);
        let (verdict, rule, message) = match walk.direction {
            Direction::Request if is.required.is_some() => (
                Verdict::Breaking,
                Rule::RequestPropertyAddedRequired,
                format!("{label} is new and required"),
            ),
            Direction::Request => (
                Verdict::Compatible,
                Rule::RequestPropertyAddedOptional,
                format!("{label} is new and optional"),
            ),
            Direction::Response if closed => {
                let message = format!("{label} is new, where no other properties were to be expected");
                (Verdict::Breaking, Rule::ResponsePropertyAdded, message)
            }
            Direction::Response => {
                (Verdict::Compatible, Rule::ResponsePropertyAdded, format!("{label} is new"))
            }
        };
        let places = Places { old: Some(old.place.clone()), new: Some(is.place.clone()) };
        self.tell(walk, &task, verdict, rule, message, places);
        // In a map with described values the name was possible before, and with other values.
        if !closed && !open {
            self.push(walk, task);
        }
    }

    fn additional(&mut self, walk: &mut Walk, task: &Task, old: &Schema, new: &Schema) {
        let (was, is) = (old.additional, new.additional);
        if self.old.class(was) == self.new.class(is) {
            return;
        }
        let label = format!("the other properties of {}", task.label);
        let places = Places {
            old: Some(old.keyword("additionalProperties")),
            new: Some(new.keyword("additionalProperties")),
        };
        if self.new.is(is, SchemaId::NEVER) {
            let (verdict, rule) = match walk.direction {
                Direction::Request => (Verdict::Breaking, Rule::RequestAdditionalPropertiesForbidden),
                Direction::Response => (Verdict::Compatible, Rule::ResponseAdditionalPropertiesForbidden),
            };
            let message = format!("{} has no other properties than those listed any more", task.label);
            self.tell(walk, task, verdict, rule, message, places);
        } else if self.old.is(was, SchemaId::NEVER) {
            let (verdict, rule) = match walk.direction {
                Direction::Request => (Verdict::Compatible, Rule::RequestAdditionalPropertiesAllowed),
                Direction::Response => (Verdict::Breaking, Rule::ResponseAdditionalPropertiesAllowed),
            };
            let message = format!("{} may now have other properties than those listed", task.label);
            self.tell(walk, task, verdict, rule, message, places);
        } else {
            let path = if task.path.is_empty() { "*".to_owned() } else { format!("{}.*", task.path) };
            self.push(walk, Task { old: was, new: is, path, label, slot: places, doubt: task.doubt });
        }
    }
}

/// Whether a property is sent this way at all.
fn travels(schema: &Schema, direction: Direction) -> bool {
    match direction {
        Direction::Request => !schema.facets.read_only,
        Direction::Response => !schema.facets.write_only,
    }
}
