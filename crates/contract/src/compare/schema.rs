use std::collections::{HashSet, VecDeque};

use super::{Comparison, Direction, Places, Rule, Verdict};
use crate::Place;
use crate::schema::{Schema, SchemaId, Types};

/// A pair of schemas that stand at the same spot.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) old: SchemaId,
    pub(super) new: SchemaId,
    /// The way from the body to here: `items[].price`.
    pub(super) path: String,
    /// How messages call it.
    pub(super) label: String,
    /// Where the old and the new contract have a place for it, for schemas that are not written anywhere.
    pub(super) slot: Places,
    /// Inside a union whose branches may overlap: what happens to one branch decides nothing.
    pub(super) doubt: bool,
}

/// The pairs still to be compared for one body or parameter.
pub(super) struct Walk {
    pub(super) direction: Direction,
    spot: String,
    tasks: VecDeque<Task>,
    /// Pairs that have been met. A recursive schema leads back to one of them.
    seen: HashSet<(SchemaId, SchemaId, bool)>,
    /// How many tasks were added, to see whether a difference lies further down.
    added: usize,
}

impl Comparison<'_> {
    /// Compares what is sent or received at `spot`.
    pub(super) fn schemas(
        &mut self,
        direction: Direction,
        spot: &str,
        label: &str,
        (old, new): (SchemaId, SchemaId),
        slot: Places,
    ) {
        let mut walk =
            Walk { direction, spot: spot.to_owned(), tasks: VecDeque::new(), seen: HashSet::new(), added: 0 };
        let label = label.to_owned();
        self.push(&mut walk, Task { old, new, path: String::new(), label, slot, doubt: false });
        while let Some(task) = walk.tasks.pop_front() {
            self.pair(&mut walk, &task);
        }
    }

    /// Adds a pair unless its schemas mean the same or it has been met.
    pub(super) fn push(&mut self, walk: &mut Walk, task: Task) {
        if self.old.class(task.old) == self.new.class(task.new) {
            return;
        }
        walk.added += 1;
        if walk.seen.insert((task.old, task.new, task.doubt)) {
            walk.tasks.push_back(task);
        }
    }

    /// Reports a finding at the spot of `task`.
    pub(super) fn tell(
        &mut self,
        walk: &Walk,
        task: &Task,
        verdict: Verdict,
        rule: Rule,
        message: String,
        places: Places,
    ) {
        let verdict = if task.doubt { Verdict::Unknown } else { verdict };
        let written = |place: Option<Place>, slot: &Option<Place>| match place {
            Some(place) if place.file.is_empty() => slot.clone(),
            place => place,
        };
        let places =
            Places { old: written(places.old, &task.slot.old), new: written(places.new, &task.slot.new) };
        let spot = format!("{} {}", walk.spot, task.path);
        self.say(verdict, rule, message, &spot, places);
    }

    fn pair(&mut self, walk: &mut Walk, task: &Task) {
        let (old, new) = (self.old.schema(task.old), self.new.schema(task.new));
        let (count, added) = (self.ledger.count, walk.added);
        let outer = std::mem::replace(&mut self.explained, false);
        let places = Places::both(&old.place, &new.place);

        if old.facets.deprecated != new.facets.deprecated {
            let spot = format!("{} {}", walk.spot, task.path);
            let places =
                Places { old: Some(old.keyword("deprecated")), new: Some(new.keyword("deprecated")) };
            self.deprecation(old.facets.deprecated, new.facets.deprecated, &task.label, &spot, places);
        }
        self.defaults(walk, task, old, new);
        if old.facets.read_only != new.facets.read_only || old.facets.write_only != new.facets.write_only {
            // The schema that lists the property sees to it.
            self.explained = true;
        }
        if let Some((old_branches, new_branches)) = self.became_union(task) {
            self.nullability(walk, task, old, new);
            self.variants(walk, task, &old_branches, &new_branches, true);
        } else if self.types(walk, task, old, new) {
            self.facets(walk, task, old, new);
            self.properties(walk, task, old, new);
            if old.facets.types.and(new.facets.types).has(Types::ARRAY) {
                let path = format!("{}[]", task.path);
                let label = format!("the items of {}", task.label);
                let slot = Places { old: Some(old.keyword("items")), new: Some(new.keyword("items")) };
                self.push(
                    walk,
                    Task { old: old.items, new: new.items, path, label, slot, doubt: task.doubt },
                );
            }
            self.unions(walk, task, old, new);
            self.keywords(walk, task, old, new);
        }

        if self.ledger.count == count && walk.added == added && !self.explained {
            let message = format!("{} differs in a way that no rule describes", task.label);
            self.tell(walk, task, Verdict::Unknown, Rule::UnexplainedChange, message, places);
        }
        self.explained |= outer;
    }

    /// Compares types and nullability. False when nothing else about the two can be compared.
    fn types(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) -> bool {
        let (was, is) = (old.facets.types, new.facets.types);
        let places = Places { old: Some(old.keyword("type")), new: Some(new.keyword("type")) };
        let any = Types::ANY.without(Types::NULL);
        if was == is || !(was == any || is == any) {
            self.nullability(walk, task, old, new);
        }
        if was != is {
            let narrowed = was.has(is);
            let widened = is.has(was);
            let (verdict, rule) = match (walk.direction, narrowed, widened) {
                (Direction::Request, true, _) => (Verdict::Breaking, Rule::RequestTypeNarrowed),
                (Direction::Request, _, true) => (Verdict::Compatible, Rule::RequestTypeWidened),
                (Direction::Request, ..) => (Verdict::Breaking, Rule::RequestTypeChanged),
                (Direction::Response, true, _) => (Verdict::Compatible, Rule::ResponseTypeNarrowed),
                (Direction::Response, _, true) => (Verdict::Breaking, Rule::ResponseTypeWidened),
                (Direction::Response, ..) => (Verdict::Breaking, Rule::ResponseTypeChanged),
            };
            let message = format!("the type of {} changed from {was} to {is}", task.label);
            self.tell(walk, task, verdict, rule, message, places);
        }
        !was.and(is).is_empty()
    }

    fn nullability(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let (verdict, rule) = match (walk.direction, old.nullable, new.nullable) {
            (Direction::Request, true, false) => (Verdict::Breaking, Rule::RequestBecameNotNullable),
            (Direction::Request, false, true) => (Verdict::Compatible, Rule::RequestBecameNullable),
            (Direction::Response, true, false) => (Verdict::Compatible, Rule::ResponseBecameNotNullable),
            (Direction::Response, false, true) => (Verdict::Breaking, Rule::ResponseBecameNullable),
            _ => return,
        };
        let message = match new.nullable {
            true => format!("{} may now be null", task.label),
            false => format!("{} may no longer be null", task.label),
        };
        let place = |schema: &Schema| {
            let key = if schema.at.contains_key("nullable") { "nullable" } else { "type" };
            Some(schema.keyword(key))
        };
        self.tell(walk, task, verdict, rule, message, Places { old: place(old), new: place(new) });
    }

    fn defaults(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let (was, is) = (&old.facets.default, &new.facets.default);
        if was == is {
            return;
        }
        let name = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let message = format!("the default of {} changed from {} to {}", task.label, name(was), name(is));
        let (verdict, rule) = match walk.direction {
            Direction::Request => (Verdict::Unknown, Rule::RequestDefaultChanged),
            Direction::Response => (Verdict::Compatible, Rule::ResponseDefaultChanged),
        };
        let places = Places { old: Some(old.keyword("default")), new: Some(new.keyword("default")) };
        self.tell(walk, task, verdict, rule, message, places);
    }

    /// What can only be seen to be different.
    fn keywords(&mut self, walk: &Walk, task: &Task, old: &Schema, new: &Schema) {
        let places = Places::both(&old.place, &new.place);
        let sorted = |mut classes: Vec<crate::schema::Class>| {
            classes.sort_unstable();
            classes
        };
        let was = sorted(old.not.iter().map(|id| self.old.class(*id)).collect());
        let is = sorted(new.not.iter().map(|id| self.new.class(*id)).collect());
        if was != is {
            let message = format!("what {} must not be is different", task.label);
            let places = Places { old: Some(old.keyword("not")), new: Some(new.keyword("not")) };
            self.tell(walk, task, Verdict::Unknown, Rule::NotChanged, message, places);
        }
        let mut keywords: Vec<String> = Vec::new();
        let facets = old.facets.other.keys().chain(new.facets.other.keys());
        keywords
            .extend(facets.filter(|key| old.facets.other.get(*key) != new.facets.other.get(*key)).cloned());
        for key in old.other.keys().chain(new.other.keys()) {
            let was = old.other.get(key).map(|id| self.old.class(*id));
            let is = new.other.get(key).map(|id| self.new.class(*id));
            if was != is {
                keywords.push(key.split('/').next().unwrap_or_default().to_owned());
            }
        }
        keywords.sort();
        keywords.dedup();
        for keyword in keywords {
            let message = format!("`{keyword}` of {} is different", task.label);
            self.tell(walk, task, Verdict::Unknown, Rule::SchemaKeywordChanged, message, places.clone());
        }
    }
}
