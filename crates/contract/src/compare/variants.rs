use std::collections::BTreeMap;

use super::schema::{Task, Walk};
use super::{Comparison, Direction, Places, Rule, Side, Verdict};
use crate::schema::{Class, Schema, SchemaId, Types};

impl Comparison<'_> {
    /// When one side is a union and nothing else and the other is none, the other is a union of one.
    pub(super) fn became_union(&self, task: &Task) -> Option<(Vec<SchemaId>, Vec<SchemaId>)> {
        let (old, new) = (self.old.schema(task.old), self.new.schema(task.new));
        match (bare_union(&self.old, old), bare_union(&self.new, new)) {
            (None, Some(branches)) if no_union(old) => Some((vec![task.old], branches)),
            (Some(branches), None) if no_union(new) => Some((branches, vec![task.new])),
            _ => None,
        }
    }

    pub(super) fn unions(&mut self, walk: &mut Walk, task: &Task, old: &Schema, new: &Schema) {
        let groups = [(&old.one_of, &new.one_of, true), (&old.any_of, &new.any_of, false)];
        for (was, is, exactly_one) in groups {
            if group_classes(&self.old, was) == group_classes(&self.new, is) {
                continue;
            }
            if let ([was], [is]) = (was.as_slice(), is.as_slice()) {
                self.variants(walk, task, was, is, exactly_one);
            } else {
                let message = format!("the alternatives of {} are arranged differently", task.label);
                let key = if exactly_one { "oneOf" } else { "anyOf" };
                let places = Places { old: Some(old.keyword(key)), new: Some(new.keyword(key)) };
                self.tell(walk, task, Verdict::Unknown, Rule::VariantsRearranged, message, places);
            }
        }
        self.discriminators(walk, task, old, new);
    }

    /// Compares the branches of a union, `oneOf` when `exactly_one`.
    pub(super) fn variants(
        &mut self,
        walk: &mut Walk,
        task: &Task,
        was: &[SchemaId],
        is: &[SchemaId],
        exactly_one: bool,
    ) {
        let (mut old_left, mut new_left) = (was.to_vec(), is.to_vec());
        old_left.retain(|old| {
            let same = new_left.iter().position(|new| self.old.class(*old) == self.new.class(*new));
            same.map(|at| new_left.remove(at)).is_none()
        });
        let pairs = self.pairs(task, &mut old_left, &mut new_left);
        let disjoint_old = disjoint(&self.old, self.old.schema(task.old), was);
        let disjoint_new = disjoint(&self.new, self.new.schema(task.new), is);
        for (old, new) in pairs {
            let name = self.new.schema(new).name.clone().or_else(|| self.old.schema(old).name.clone());
            let label =
                name.map_or_else(|| format!("an alternative of {}", task.label), |name| format!("`{name}`"));
            let doubt = task.doubt || !(disjoint_old && disjoint_new);
            let (path, slot) = (task.path.clone(), task.slot.clone());
            self.push(walk, Task { old, new, path, label, slot, doubt });
        }
        for old in old_left {
            let schema = self.old.schema(old);
            let (verdict, rule) = match walk.direction {
                Direction::Request if disjoint_old => (Verdict::Breaking, Rule::RequestVariantRemoved),
                Direction::Request => (Verdict::Unknown, Rule::RequestVariantRemoved),
                // Without this branch a value that fitted it and another now fits exactly one.
                Direction::Response if exactly_one && !disjoint_old => {
                    (Verdict::Unknown, Rule::ResponseVariantRemoved)
                }
                Direction::Response => (Verdict::Compatible, Rule::ResponseVariantRemoved),
            };
            let message = format!("{} is no longer {}", task.label, kind(schema));
            let places = Places::both(&schema.place, &self.new.schema(task.new).place);
            self.tell(walk, task, verdict, rule, message, places);
        }
        for new in new_left {
            let schema = self.new.schema(new);
            let (verdict, rule) = match walk.direction {
                Direction::Response => (Verdict::Breaking, Rule::ResponseVariantAdded),
                Direction::Request if exactly_one && !disjoint_new => {
                    (Verdict::Unknown, Rule::RequestVariantAdded)
                }
                Direction::Request => (Verdict::Compatible, Rule::RequestVariantAdded),
            };
            let message = format!("{} can now be {}", task.label, kind(schema));
            let places = Places::both(&self.old.schema(task.old).place, &schema.place);
            self.tell(walk, task, verdict, rule, message, places);
        }
    }

    /// Branches that are the same one in two versions: by the discriminator's value, by name, or because no
    /// others are left.
    fn pairs(
        &self,
        task: &Task,
        old: &mut Vec<SchemaId>,
        new: &mut Vec<SchemaId>,
    ) -> Vec<(SchemaId, SchemaId)> {
        let mut pairs = Vec::new();
        let (was, is) = (self.old.schema(task.old), self.new.schema(task.new));
        let by_value = |schema: &Schema, id: SchemaId| -> Option<String> {
            let (_, mapping) = schema.discriminator.as_ref()?;
            mapping.iter().find(|(_, target)| **target == id).map(|(value, _)| value.clone())
        };
        let mut take = |same: &dyn Fn(SchemaId, SchemaId) -> bool| {
            old.retain(|a| match new.iter().position(|b| same(*a, *b)) {
                Some(at) => {
                    pairs.push((*a, new.remove(at)));
                    false
                }
                None => true,
            });
        };
        take(&|a, b| by_value(was, a).is_some_and(|value| by_value(is, b) == Some(value)));
        take(&|a, b| self.old.schema(a).name.is_some() && self.old.schema(a).name == self.new.schema(b).name);
        if let ([a], [b]) = (old.as_slice(), new.as_slice()) {
            let named = |side: &Side<'_>, id: SchemaId| side.schema(id).name.is_some();
            // Two different names are two different things, even when nothing else is left.
            if !(named(&self.old, *a) && named(&self.new, *b)) {
                pairs.push((*a, *b));
                old.clear();
                new.clear();
            }
        }
        pairs
    }

    fn discriminators(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let places =
            Places { old: Some(old.keyword("discriminator")), new: Some(new.keyword("discriminator")) };
        let message = match (&old.discriminator, &new.discriminator) {
            (None, None) => return,
            (Some((was, old_mapping)), Some((is, new_mapping))) if was == is => {
                let moved = self.moved(old, new, old_mapping, new_mapping);
                let Some(value) = moved else { return };
                format!("the discriminator of {} maps `{value}` differently", task.label)
            }
            (Some((was, _)), Some((is, _))) => {
                format!("the discriminator of {} is now `{is}` instead of `{was}`", task.label)
            }
            (None, Some((is, _))) => format!("{} now has the discriminator `{is}`", task.label),
            (Some((was, _)), None) => format!("{} no longer has the discriminator `{was}`", task.label),
        };
        self.tell(walk, task, Verdict::Unknown, Rule::DiscriminatorChanged, message, places);
    }

    /// A value of the discriminator that stands for a branch which the other side has under another value.
    fn moved(
        &self,
        old: &Schema,
        new: &Schema,
        was: &BTreeMap<String, SchemaId>,
        is: &BTreeMap<String, SchemaId>,
    ) -> Option<String> {
        let branches = |side: &Side<'_>, schema: &Schema| -> Vec<Class> {
            schema.one_of.iter().chain(&schema.any_of).flatten().map(|id| side.class(*id)).collect()
        };
        let (old_branches, new_branches) = (branches(&self.old, old), branches(&self.new, new));
        let values = was.keys().chain(is.keys());
        values
            .filter(|value| {
                let a = was.get(*value).map(|id| self.old.class(*id));
                let b = is.get(*value).map(|id| self.new.class(*id));
                let known_to_other = a.is_some_and(|class| new_branches.contains(&class))
                    || b.is_some_and(|class| old_branches.contains(&class));
                a != b && known_to_other
            })
            .min()
            .cloned()
    }
}

fn no_union(schema: &Schema) -> bool {
    schema.one_of.is_empty() && schema.any_of.is_empty()
}

/// The branches of a schema that is one union and says nothing else.
fn bare_union(side: &Side<'_>, schema: &Schema) -> Option<Vec<SchemaId>> {
    let mut facets = crate::schema::Facets::any();
    facets.types = facets.types.without(Types::NULL);
    facets.deprecated = schema.facets.deprecated;
    facets.default.clone_from(&schema.facets.default);
    facets.read_only = schema.facets.read_only;
    facets.write_only = schema.facets.write_only;
    let bare = schema.facets == facets
        && schema.properties.is_empty()
        && side.is(schema.additional, SchemaId::ANY)
        && side.is(schema.items, SchemaId::ANY)
        && schema.not.is_empty()
        && schema.other.is_empty();
    match (schema.one_of.as_slice(), schema.any_of.as_slice()) {
        ([branches], []) | ([], [branches]) if bare => Some(branches.clone()),
        _ => None,
    }
}

fn group_classes(side: &Side<'_>, groups: &[Vec<SchemaId>]) -> Vec<Vec<Class>> {
    let mut classes: Vec<Vec<Class>> = groups
        .iter()
        .map(|group| {
            let mut classes: Vec<Class> = group.iter().map(|id| side.class(*id)).collect();
            classes.sort_unstable();
            classes
        })
        .collect();
    classes.sort_unstable();
    classes
}

/// Whether no value can fit two of the branches, as far as that is easy to see.
fn disjoint(side: &Side<'_>, union: &Schema, branches: &[SchemaId]) -> bool {
    if union.discriminator.is_some() {
        return true;
    }
    let schemas: Vec<&Schema> = branches.iter().map(|id| side.schema(*id)).collect();
    schemas.iter().enumerate().all(|(i, a)| schemas[i + 1..].iter().all(|b| apart(side, a, b)))
}

fn apart(side: &Side<'_>, a: &Schema, b: &Schema) -> bool {
    if a.nullable && b.nullable {
        return false;
    }
    let shared = a.facets.types.and(b.facets.types);
    if shared.is_empty() {
        return true;
    }
    let no_common = |a: &Schema, b: &Schema| match (&a.facets.values, &b.facets.values) {
        (Some(a), Some(b)) => a.is_disjoint(b),
        _ => false,
    };
    // A property that both require and that never has the same value, such as a tag.
    let tagged = || {
        a.properties.iter().any(|(name, p)| {
            p.required.is_some()
                && b.properties.get(name).is_some_and(|q| {
                    q.required.is_some() && no_common(side.schema(p.schema), side.schema(q.schema))
                })
        })
    };
    no_common(a, b) || (shared == Types::OBJECT && tagged())
}

/// How messages call a branch.
fn kind(schema: &Schema) -> String {
    match &schema.name {
        Some(name) => format!("`{name}`"),
        None => format!("{}", schema.facets.types),
    }
}
