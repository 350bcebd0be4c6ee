use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::{Property, RawId, RawSchema, Schema, SchemaId, Schemas, Types};
use crate::Place;

/// More distinct combinations than any real contract makes; past it the merge would not end soon.
const MOST: usize = 200_000;

/// Builds the meaning of raw schemas. Each set of raw schemas that must hold together is built once.
pub(crate) struct Merger {
    raws: Vec<RawSchema>,
    /// For each raw schema, whether `null` satisfies it.
    nulls: Vec<bool>,
    known: HashMap<Vec<RawId>, SchemaId>,
    /// The sets in the order of their ids; those past `schemas.len()` are still to be built.
    sets: Vec<Vec<RawId>>,
}

impl Merger {
    pub(crate) fn new(mut raws: Vec<RawSchema>) -> Merger {
        let nulls = null_takers(&raws);
        unwrap_unions(&mut raws);
        let mut merger = Merger { raws, nulls, known: HashMap::new(), sets: Vec::new() };
        // The two that every contract has, in the order of `SchemaId::ANY` and `SchemaId::NEVER`.
        merger.id(RawId::ANY);
        merger.id(RawId::NEVER);
        merger
    }

    /// The id of a raw schema's meaning.
    pub(crate) fn id(&mut self, raw: RawId) -> SchemaId {
        self.set(vec![raw])
    }

    /// The id of what satisfies all of `set`.
    fn set(&mut self, mut set: Vec<RawId>) -> SchemaId {
        set.sort_unstable();
        set.dedup();
        if set.contains(&RawId::NEVER) {
            set = vec![RawId::NEVER];
        } else if set.len() > 1 {
            set.retain(|id| *id != RawId::ANY);
        }
        if let Some(id) = self.known.get(&set) {
            return *id;
        }
        let id = SchemaId(u32::try_from(self.sets.len()).expect("the number of sets is limited"));
        self.sets.push(set.clone());
        self.known.insert(set, id);
        id
    }

    /// Builds everything that has been asked for and what it reaches.
    ///
    /// `Err` holds a place inside schemas that combine into more than can be reasoned about.
    pub(crate) fn finish(mut self) -> Result<Schemas, Place> {
        let mut schemas = Vec::new();
        while schemas.len() < self.sets.len() {
            let set = self.sets[schemas.len()].clone();
            let schema = self.build(&set);
            if self.sets.len() > MOST {
                return Err(schema.place);
            }
            schemas.push(schema);
        }
        Ok(Schemas(schemas))
    }

    fn build(&mut self, set: &[RawId]) -> Schema {
        let parts = self.flatten(set);
        let first = &self.raws[set.first().map_or(0, |id| id.0 as usize)];
        let (place, name) = (first.place.clone(), first.name.clone());

        let mut facets = super::Facets::any();
        let mut at = BTreeMap::new();
        for id in &parts {
            let raw = &self.raws[id.0 as usize];
            facets.merge(&raw.facets);
            for (key, place) in &raw.at {
                at.entry(*key).or_insert_with(|| place.clone());
            }
        }
        let nullable = set.iter().all(|id| self.nulls[id.0 as usize]);
        facets.types = facets.types.without(Types::NULL);
        if let Some(values) = &mut facets.values {
            values.remove("null");
        }
        facets.settle();

        let each = |pick: &dyn Fn(&RawSchema) -> RawId| -> Vec<RawId> {
            parts.iter().map(|id| pick(&self.raws[id.0 as usize])).collect()
        };
        let items = each(&|raw| raw.items);
        let additional = each(&|raw| raw.additional);
        let properties = self.properties(&parts);
        let groups = |pick: &dyn Fn(&RawSchema) -> &Vec<RawId>| -> Vec<Vec<RawId>> {
            let lists = parts.iter().map(|id| pick(&self.raws[id.0 as usize]));
            lists.filter(|list| !list.is_empty()).cloned().collect()
        };
        let one_of = groups(&|raw| &raw.one_of);
        let any_of = groups(&|raw| &raw.any_of);
        let not: Vec<RawId> = parts.iter().filter_map(|id| self.raws[id.0 as usize].not).collect();
        let mut other: BTreeMap<String, Vec<RawId>> = BTreeMap::new();
        for id in &parts {
            for (key, schema) in &self.raws[id.0 as usize].other {
                other.entry(key.clone()).or_default().push(*schema);
            }
        }
        let discriminator = parts.iter().find_map(|id| self.raws[id.0 as usize].discriminator.clone());

        Schema {
            place,
            name,
            nullable,
            facets,
            properties: properties
                .into_iter()
                .map(|(name, (set, place, required))| {
                    (name, Property { schema: self.set(set), place, required })
                })
                .collect(),
            additional: self.set(additional),
            items: self.set(items),
            discriminator: discriminator.map(|d| {
                let mut mapping: BTreeMap<String, SchemaId> =
                    d.mapping.iter().map(|(value, raw)| (value.clone(), self.id(*raw))).collect();
                // Without a mapping the component's name is the value on the wire.
                for raw in one_of.iter().chain(&any_of).flatten() {
                    let id = self.id(*raw);
                    if let Some(name) = &self.raws[raw.0 as usize].name
                        && !mapping.values().any(|mapped| *mapped == id)
                    {
                        mapping.insert(name.clone(), id);
                    }
                }
                (d.property, mapping)
            }),
            one_of: one_of.iter().map(|group| group.iter().map(|raw| self.id(*raw)).collect()).collect(),
            any_of: any_of.iter().map(|group| group.iter().map(|raw| self.id(*raw)).collect()).collect(),
            not: not.into_iter().map(|raw| self.id(raw)).collect(),
            other: other.into_iter().map(|(key, set)| (key, self.set(set))).collect(),
            at,
        }
    }

    /// The raw schemas of `set` and of their `allOf`, each once; a circle of `allOf` adds nothing.
    fn flatten(&self, set: &[RawId]) -> Vec<RawId> {
        let mut parts = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stack: Vec<RawId> = set.iter().rev().copied().collect();
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                parts.push(id);
                stack.extend(self.raws[id.0 as usize].all_of.iter().rev());
            }
        }
        parts
    }

    /// For each property the raw schemas it has to satisfy. A part that does not list it has a say
    /// through its `additionalProperties`.
    fn properties(&self, parts: &[RawId]) -> BTreeMap<String, (Vec<RawId>, Place, Option<Place>)> {
        let raws = || parts.iter().map(|id| &self.raws[id.0 as usize]);
        let names: BTreeSet<&String> =
            raws().flat_map(|raw| raw.properties.keys().chain(raw.required.keys())).collect();
        let mut properties = BTreeMap::new();
        for name in names {
            let set = raws()
                .map(|raw| raw.properties.get(name).map_or(raw.additional, |property| property.schema))
                .collect();
            let declared = raws().find_map(|raw| raw.properties.get(name)).map(|p| p.place.clone());
            let required = raws().find_map(|raw| raw.required.get(name)).cloned();
            if let Some(place) = declared.or_else(|| required.clone()) {
                properties.insert(name.clone(), (set, place, required));
            }
        }
        properties
    }
}

/// For each raw schema, whether `null` satisfies it.
fn null_takers(raws: &[RawSchema]) -> Vec<bool> {
    let parts = |raw: &RawSchema| -> Vec<usize> {
        raw.all_of
            .iter()
            .chain(&raw.one_of)
            .chain(&raw.any_of)
            .chain(&raw.not)
            .map(|id| id.0 as usize)
            .collect()
    };
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); raws.len()];
    for (user, raw) in raws.iter().enumerate() {
        for part in parts(raw) {
            users[part].push(user);
        }
    }
    // A circle adds no demand of its own, so everything takes `null` until something says otherwise.
    let mut takes = vec![true; raws.len()];
    // Circles through `oneOf` or `not` may contradict themselves for ever.
    let mut turns = vec![0_u8; raws.len()];
    let mut queue: VecDeque<usize> = (0..raws.len()).collect();
    while let Some(id) = queue.pop_front() {
        let raw = &raws[id];
        let count = |list: &[RawId]| list.iter().filter(|id| takes[id.0 as usize]).count();
        let own = raw.facets.types.has(Types::NULL)
            && raw.facets.values.as_ref().is_none_or(|values| values.contains("null"));
        let now = raw.force_null
            || (own
                && !raw.not.is_some_and(|not| takes[not.0 as usize])
                && count(&raw.all_of) == raw.all_of.len()
                && (raw.one_of.is_empty() || count(&raw.one_of) == 1)
                && (raw.any_of.is_empty() || count(&raw.any_of) > 0));
        if now != takes[id] && turns[id] < 4 {
            takes[id] = now;
            turns[id] += 1;
            queue.extend(&users[id]);
        }
    }
    takes
}

/// Turns `oneOf: [X, {type: "null"}]` into `X`, nullability being known already, and a union of one into that one.
fn unwrap_unions(raws: &mut [RawSchema]) {
    let only_null: Vec<bool> = raws.iter().map(RawSchema::is_only_null).collect();
    for raw in raws {
        for list in [&mut raw.one_of, &mut raw.any_of] {
            if list.iter().any(|id| !only_null[id.0 as usize]) {
                list.retain(|id| !only_null[id.0 as usize]);
            }
            if let [single] = list.as_slice() {
                raw.all_of.push(*single);
                list.clear();
            }
        }
    }
}
