use std::collections::BTreeMap;

use super::{Facets, Types};
use crate::Place;

/// Names a schema as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RawId(pub(crate) u32);

impl RawId {
    /// Everything fits.
    pub(crate) const ANY: RawId = RawId(0);
    /// Nothing fits.
    pub(crate) const NEVER: RawId = RawId(1);
}

/// A schema as it is written, references followed.
#[derive(Debug, Clone)]
pub(crate) struct RawSchema {
    pub(crate) place: Place,
    pub(crate) name: Option<String>,
    pub(crate) facets: Facets,
    /// `null` fits whatever the rest says: `nullable` of 3.0.
    pub(crate) force_null: bool,
    pub(crate) properties: BTreeMap<String, RawProperty>,
    pub(crate) required: BTreeMap<String, Place>,
    pub(crate) additional: RawId,
    pub(crate) items: RawId,
    pub(crate) all_of: Vec<RawId>,
    pub(crate) one_of: Vec<RawId>,
    pub(crate) any_of: Vec<RawId>,
    pub(crate) not: Option<RawId>,
    pub(crate) other: BTreeMap<String, RawId>,
    pub(crate) discriminator: Option<Discriminator>,
    pub(crate) at: BTreeMap<&'static str, Place>,
}

#[derive(Debug, Clone)]
pub(crate) struct RawProperty {
    pub(crate) schema: RawId,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct Discriminator {
    pub(crate) property: String,
    pub(crate) mapping: BTreeMap<String, RawId>,
}

impl RawSchema {
    /// Says nothing.
    pub(crate) fn empty(place: Place) -> RawSchema {
        RawSchema {
            place,
            name: None,
            facets: Facets::any(),
            force_null: false,
            properties: BTreeMap::new(),
            required: BTreeMap::new(),
            additional: RawId::ANY,
            items: RawId::ANY,
            all_of: Vec::new(),
            one_of: Vec::new(),
            any_of: Vec::new(),
            not: None,
            other: BTreeMap::new(),
            discriminator: None,
            at: BTreeMap::new(),
        }
    }

    /// `true`, `{}`, and what stands where no schema is written.
    pub(crate) fn any() -> RawSchema {
        RawSchema::empty(Place::new("", 0, 0))
    }

    /// `false`.
    pub(crate) fn never() -> RawSchema {
        let mut schema = RawSchema::any();
        schema.facets.types = Types::NONE;
        schema
    }

    /// Whether `null` and nothing else fits.
    pub(crate) fn is_only_null(&self) -> bool {
        let values = self.facets.values.as_ref();
        (self.facets.types == Types::NULL
            || values.is_some_and(|v| v.iter().all(|v| v == "null") && !v.is_empty()))
            && self.all_of.is_empty()
            && self.one_of.is_empty()
            && self.any_of.is_empty()
            && self.not.is_none()
    }
}
