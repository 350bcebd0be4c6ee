use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{Schema, SchemaId, Schemas};

/// Two schemas with the same class accept the same values, however they are written down.
pub(crate) type Class = [u8; 32];

/// The class of each schema of each contract.
///
/// Every schema starts with a hash of what it says itself and is hashed again together with its parts
/// until that no longer tells more schemas apart. The number of rounds depends on what the schemas
/// mean and not on how often a definition is repeated, so a copy of a component counts as the component,
/// and recursion needs no special care.
pub(crate) fn classes(contracts: &[&Schemas]) -> Vec<Vec<Class>> {
    let mut classes: Vec<Vec<Class>> =
        contracts.iter().map(|schemas| schemas.0.iter().map(own).collect()).collect();
    let mut distinct = count(&classes);
    loop {
        let next: Vec<Vec<Class>> = contracts
            .iter()
            .zip(&classes)
            .map(|(schemas, classes)| {
                schemas.0.iter().zip(classes).map(|(schema, own)| with_parts(schema, own, classes)).collect()
            })
            .collect();
        let finer = count(&next);
        classes = next;
        if finer == distinct {
            return classes;
        }
        distinct = finer;
    }
}

fn count(classes: &[Vec<Class>]) -> usize {
    classes.iter().flatten().collect::<HashSet<_>>().len()
}

/// What a schema says without looking into its parts.
fn own(schema: &Schema) -> Class {
    let Schema {
        place: _,
        name: _,
        nullable,
        facets,
        properties,
        additional: _,
        items: _,
        one_of: _,
        any_of: _,
        not: _,
        other: _,
        discriminator,
        at: _,
    } = schema;
    let required: Vec<_> = properties.iter().map(|(name, p)| (name, p.required.is_some())).collect();
    let text =
        format!("{nullable}|{required:?}|{:?}|{}", discriminator.as_ref().map(|d| &d.0), facets.signature());
    Sha256::digest(text.as_bytes()).into()
}

fn with_parts(schema: &Schema, own: &Class, classes: &[Class]) -> Class {
    let mut hash = Sha256::new();
    hash.update(own);
    let of = |id: SchemaId| classes[id.0 as usize];
    for property in schema.properties.values() {
        hash.update(of(property.schema));
    }
    hash.update(of(schema.additional));
    hash.update(of(schema.items));
    // The order of branches says nothing.
    let group = |ids: &[SchemaId]| {
        let mut branches: Vec<Class> = ids.iter().map(|id| of(*id)).collect();
        branches.sort_unstable();
        branches
    };
    for (sign, list) in [(b"1", &schema.one_of), (b"*", &schema.any_of)] {
        let mut groups: Vec<Vec<Class>> = list.iter().map(|ids| group(ids)).collect();
        groups.sort_unstable();
        for branches in groups {
            hash.update(sign);
            hash.update((branches.len() as u64).to_le_bytes());
            for branch in branches {
                hash.update(branch);
            }
        }
    }
    for branch in group(&schema.not) {
        hash.update(b"!");
        hash.update(branch);
    }
    for (key, id) in &schema.other {
        hash.update(b"k");
        hash.update((key.len() as u64).to_le_bytes());
        hash.update(key.as_bytes());
        hash.update(of(*id));
    }
    if let Some((_, mapping)) = &schema.discriminator {
        for (value, id) in mapping {
            hash.update(b"d");
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value.as_bytes());
            hash.update(of(*id));
        }
    }
    hash.finalize().into()
}
