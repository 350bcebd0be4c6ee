//! Schemas in two stages.
//!
//! A [`RawSchema`] is what stands in a file, with references followed and keywords understood. A
//! [`Schema`] is the meaning: `allOf` merged, a union with `null` turned into nullability, 3.0 and 3.1
//! spellings made one. The second stage builds each combination of raw schemas once, so recursive
//! schemas become a graph and never an endless tree.

mod class;
mod facets;
mod fingerprint;
mod merge;
mod raw;
mod types;

use std::collections::BTreeMap;

pub(crate) use class::{Class, classes};
pub(crate) use facets::{Bound, Facets, Limit};
pub(crate) use fingerprint::{Fingerprint, fingerprints};
pub(crate) use merge::Merger;
pub(crate) use raw::{Discriminator, RawId, RawProperty, RawSchema};
pub(crate) use types::Types;

use crate::Place;

/// Names a schema within one contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SchemaId(pub(crate) u32);

impl SchemaId {
    /// Everything fits; the same number in every contract.
    pub(crate) const ANY: SchemaId = SchemaId(0);
    /// Nothing fits; the same number in every contract.
    pub(crate) const NEVER: SchemaId = SchemaId(1);
}

/// All schemas that the operations of a contract can reach.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schemas(pub(crate) Vec<Schema>);

impl Schemas {
    pub(crate) fn get(&self, id: SchemaId) -> &Schema {
        &self.0[id.0 as usize]
    }
}

/// What a value has to be.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) place: Place,
    /// The component's name, if it is reached through a reference.
    pub(crate) name: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) facets: Facets,
    pub(crate) properties: BTreeMap<String, Property>,
    /// Properties that are not listed. A schema that says nothing leaves them free.
    pub(crate) additional: SchemaId,
    pub(crate) items: SchemaId,
    /// Each group is one `oneOf`; more than one only through `allOf`.
    pub(crate) one_of: Vec<Vec<SchemaId>>,
    pub(crate) any_of: Vec<Vec<SchemaId>>,
    pub(crate) not: Vec<SchemaId>,
    /// Schemas under keywords that are compared only for equality, such as `if`.
    pub(crate) other: BTreeMap<String, SchemaId>,
    pub(crate) discriminator: Option<(String, BTreeMap<String, SchemaId>)>,
    /// Where each keyword is written.
    pub(crate) at: BTreeMap<&'static str, Place>,
}

/// A property that is listed, required, or both.
#[derive(Debug, Clone)]
pub(crate) struct Property {
    pub(crate) schema: SchemaId,
    /// Where the property is declared; for one that is only required, where that is said.
    pub(crate) place: Place,
    pub(crate) required: Option<Place>,
}

impl Schema {
    /// Where the keyword is written, or else the schema.
    pub(crate) fn keyword(&self, key: &str) -> Place {
        self.at.get(key).unwrap_or(&self.place).clone()
    }
}
