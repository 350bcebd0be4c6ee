//! The order of services: what is needed comes before what needs it.

use fairway_model::{Release, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// The services of a release, each after the services that it needs; among those that are free to go, by name.
/// Services that need each other in a circle (which a manifest refuses) come last, by name.
pub(crate) fn by_needs(release: &Release) -> Vec<&ServiceName> {
    let mut waiting: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    for (name, spec) in &release.services {
        let needs = spec.process().map_or(0, |process| {
            process.needs.keys().filter(|need| *need != name && release.services.contains_key(*need)).count()
        });
        waiting.insert(name, needs);
    }
    let consumers = consumers(release);
    let mut free: BTreeSet<&ServiceName> =
        waiting.iter().filter(|(_, needs)| **needs == 0).map(|(name, _)| *name).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(name) = free.pop_first() {
        waiting.remove(name);
        order.push(name);
        for consumer in consumers.get(name).into_iter().flatten() {
            if let Some(needs) = waiting.get_mut(consumer) {
                *needs -= 1;
                if *needs == 0 {
                    free.insert(consumer);
                }
            }
        }
    }
    order.extend(waiting.into_keys());
    order
}

/// For each service that is needed: who needs it, by name.
pub(crate) fn consumers(release: &Release) -> BTreeMap<&ServiceName, Vec<&ServiceName>> {
    let mut consumers: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (name, spec) in &release.services {
        for need in spec.process().into_iter().flat_map(|process| process.needs.keys()) {
            if need != name {
                consumers.entry(need).or_default().push(name);
            }
        }
    }
    consumers
}
