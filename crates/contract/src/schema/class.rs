//! Which schemas mean the same.
//!
//! Schemas form a graph with circles, so "the same" is decided by refinement: schemas start in one class when they
//! say the same themselves, and part ways when their parts are in different classes, until nothing parts any more.
//! What is left together accepts the same values, however often it is written down and wherever.

use std::collections::{BTreeMap, HashMap};

use super::{Schema, SchemaId, Schemas};

/// A number for what a schema means, comparable within one call of [`classes`].
pub(crate) type Class = u32;

/// The class of each schema of each contract.
pub(crate) fn classes(contracts: &[&Schemas]) -> Vec<Vec<Class>> {
    let mut offsets = Vec::new();
    let mut nodes: Vec<Vec<Part>> = Vec::new();
    let mut partition = Partition::default();
    for schemas in contracts {
        let offset = u32::try_from(nodes.len()).expect("the number of schemas is limited");
        offsets.push(nodes.len());
        for schema in &schemas.0 {
            partition.place(own(schema));
            nodes.push(parts(schema).into_iter().map(|part| part.map(|id| id + offset)).collect());
        }
    }
    offsets.push(nodes.len());
    partition.refine(&nodes);
    offsets.windows(2).map(|range| partition.class[range[0]..range[1]].to_vec()).collect()
}

/// A part of a schema: one that has its place, or several whose order says nothing.
#[derive(Debug, Clone)]
pub(super) enum Part {
    One(u32),
    Any(Vec<u32>),
    /// A list of such lists, for what `allOf` brought together.
    Groups(Vec<Vec<u32>>),
}

impl Part {
    pub(super) fn map(self, f: impl Fn(u32) -> u32) -> Part {
        match self {
            Part::One(id) => Part::One(f(id)),
            Part::Any(ids) => Part::Any(ids.into_iter().map(f).collect()),
            Part::Groups(groups) => {
                Part::Groups(groups.into_iter().map(|ids| ids.into_iter().map(&f).collect()).collect())
            }
        }
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        match self {
            Part::One(id) => vec![*id],
            Part::Any(ids) => ids.clone(),
            Part::Groups(groups) => groups.iter().flatten().copied().collect(),
        }
    }

    /// The part with each schema replaced by its token, in an order that depends on the tokens alone.
    pub(super) fn tokens<T: Ord + Clone>(&self, token: &impl Fn(u32) -> T) -> Vec<Vec<T>> {
        let sorted = |ids: &[u32]| {
            let mut tokens: Vec<T> = ids.iter().map(|id| token(*id)).collect();
            tokens.sort_unstable();
            tokens
        };
        match self {
            Part::One(id) => vec![vec![token(*id)]],
            Part::Any(ids) => vec![sorted(ids)],
            Part::Groups(groups) => {
                let mut groups: Vec<Vec<T>> = groups.iter().map(|ids| sorted(ids)).collect();
                groups.sort_unstable();
                groups
            }
        }
    }
}

/// What a schema says without looking into its parts. Names of parts belong to it, so that parts can be a list.
pub(super) fn own(schema: &Schema) -> String {
    let Schema {
        place: _,
        name: _,
        nullable,
        facets,
        properties,
        additional: _,
        items: _,
        one_of,
        any_of,
        not,
        other,
        discriminator,
        at: _,
    } = schema;
    let properties: Vec<_> = properties.iter().map(|(name, p)| (name, p.required.is_some())).collect();
    let discriminator =
        discriminator.as_ref().map(|(name, mapping)| (name, mapping.keys().collect::<Vec<_>>()));
    let sizes = (one_of.len(), any_of.len(), not.len());
    let other: Vec<_> = other.keys().collect();
    format!("{nullable}|{properties:?}|{discriminator:?}|{sizes:?}|{other:?}|{}", facets.signature())
}

pub(super) fn parts(schema: &Schema) -> Vec<Part> {
    let one = |id: &SchemaId| Part::One(id.0);
    let ids = |list: &Vec<SchemaId>| list.iter().map(|id| id.0).collect::<Vec<_>>();
    let mut parts: Vec<Part> = schema.properties.values().map(|p| one(&p.schema)).collect();
    parts.push(one(&schema.additional));
    parts.push(one(&schema.items));
    parts.push(Part::Groups(schema.one_of.iter().map(ids).collect()));
    parts.push(Part::Groups(schema.any_of.iter().map(ids).collect()));
    parts.push(Part::Any(ids(&schema.not)));
    parts.extend(schema.other.values().map(one));
    parts.extend(schema.discriminator.iter().flat_map(|(_, mapping)| mapping.values().map(one)));
    parts
}

#[derive(Default)]
struct Partition {
    class: Vec<Class>,
    /// The classes that `own` texts begin with.
    texts: HashMap<String, Class>,
    /// How many schemas each class has.
    sizes: Vec<usize>,
    /// What the parts of a class's members have in common.
    signatures: Vec<Option<Signature>>,
}

type Signature = Vec<Vec<Vec<Class>>>;

impl Partition {
    /// Adds the next schema.
    fn place(&mut self, own: String) {
        let fresh = u32::try_from(self.sizes.len()).expect("the number of schemas is limited");
        let class = *self.texts.entry(own).or_insert(fresh);
        if class == fresh {
            self.sizes.push(0);
            self.signatures.push(None);
        }
        self.sizes[class as usize] += 1;
        self.class.push(class);
    }

    /// Splits classes until the members of each have their parts in the same classes.
    ///
    /// Only schemas with a part that has moved are looked at again, so long chains cost no more than their length.
    fn refine(&mut self, nodes: &[Vec<Part>]) {
        let mut users: Vec<Vec<u32>> = vec![Vec::new(); nodes.len()];
        for (user, parts) in (0_u32..).zip(nodes) {
            for id in parts.iter().flat_map(Part::ids) {
                users[id as usize].push(user);
            }
        }
        let mut restless: Vec<u32> = (0_u32..).take(nodes.len()).collect();
        while !restless.is_empty() {
            let mut by_class: BTreeMap<Class, BTreeMap<Signature, Vec<u32>>> = BTreeMap::new();
            for node in restless {
                let token = |id: u32| self.class[id as usize];
                let signature = nodes[node as usize].iter().map(|part| part.tokens(&token)).collect();
                let class = self.class[node as usize];
                by_class.entry(class).or_default().entry(signature).or_default().push(node);
            }
            let mut moved = Vec::new();
            for (class, groups) in by_class {
                moved.extend(self.split(class, groups));
            }
            restless = moved.into_iter().flat_map(|node: u32| users[node as usize].iter().copied()).collect();
            restless.sort_unstable();
            restless.dedup();
        }
    }

    /// Gives new classes to the members that no longer belong, and returns those members.
    fn split(&mut self, class: Class, groups: BTreeMap<Signature, Vec<u32>>) -> Vec<u32> {
        let restless: usize = groups.values().map(Vec::len).sum();
        // Those who have not been looked at keep the class; if all have, the largest group does.
        let stays = if restless < self.sizes[class as usize] {
            self.signatures[class as usize].clone()
        } else {
            groups.iter().max_by_key(|(_, members)| members.len()).map(|(signature, _)| signature.clone())
        };
        let mut moved = Vec::new();
        for (signature, members) in groups {
            if stays.as_ref() == Some(&signature) {
                continue;
            }
            let fresh = u32::try_from(self.sizes.len()).expect("there are no more classes than schemas");
            self.sizes[class as usize] -= members.len();
            self.sizes.push(members.len());
            self.signatures.push(Some(signature));
            for member in &members {
                self.class[*member as usize] = fresh;
            }
            moved.extend(members);
        }
        self.signatures[class as usize] = stays;
        moved
    }
}
