//! Whether the new instances of a service do as well as the old ones did, from what the edge counted.
//!
//! The old ones are judged by everything that the edge knew of them when the routes moved, the new ones by what came
//! since. An agent that is started again in the middle of a bake has not seen the old ones and compares nothing; ended,
//! unready and failing instances are found all the same.

use fairway_health::{Counts, Gate, Verdict};
use fairway_model::{Generation, Release, ServiceName, traffic::GateLimits};
use fairway_protocol::edge::{EnvironmentStats, InstanceStats, ServiceStats};
use std::collections::BTreeSet;

use super::journal::wanted;

/// What the edge had counted when the routes moved to a release.
#[derive(Debug)]
pub(crate) struct AtSwitch {
    pub(crate) generation: Generation,
    pub(crate) stats: EnvironmentStats,
}

/// A service whose new instances do worse.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Worse {
    pub(crate) service: ServiceName,
    /// One of its new instances.
    pub(crate) instance: String,
    /// How, with numbers.
    pub(crate) message: String,
}

/// The first service of the release, if there is one, whose new instances certainly do worse than its old ones did.
pub(crate) fn judge(
    release: &Release,
    before: &Release,
    new: &BTreeSet<String>,
    at_switch: &EnvironmentStats,
    now: &EnvironmentStats,
) -> Option<Worse> {
    release.services.iter().find_map(|(service, spec)| {
        let (old, all) = (wanted(before, service), wanted(release, service));
        let ids: Vec<String> = all.into_iter().filter(|id| new.contains(id)).collect();
        let instance = ids.first()?.clone();
        let (before, after) =
            (at_switch.services.get(service.as_str())?, now.services.get(service.as_str())?);
        let how = compare(spec.traffic.treatment.gate, (&old, before), (&ids, after))?;
        let message = format!("{service} does worse than before the switch: {how}");
        Some(Worse { service: service.clone(), instance, message })
    })
}

/// What is worse with the new instances since `after`'s counters were `before`'s; nothing while that is not certain, or
/// when there were no old ones.
fn compare(
    limits: GateLimits,
    (old, before): (&[String], &ServiceStats),
    (new, after): (&[String], &ServiceStats),
) -> Option<String> {
    if limits.requests == 0 {
        return None;
    }
    let old = old.iter().filter_map(|id| before.instances.get(id)).map(Counts::of);
    let old = old.reduce(|all, one| all.and(&one))?;
    let new = new.iter().filter_map(|id| Some(since(before.instances.get(id), after.instances.get(id)?)));
    let new = new.reduce(|all, one| all.and(&one))?;
    match Gate::new(limits).judge(Some(&old), &new) {
        Verdict::Fail(how) => Some(how),
        Verdict::Pass | Verdict::Hold(_) => None,
    }
}

/// What came after an earlier reading. An edge that was started again meanwhile counts from nothing.
fn since(before: Option<&InstanceStats>, after: &InstanceStats) -> Counts {
    let counts = Counts::of(after);
    match before.filter(|before| before.total <= after.total && before.latency.count <= after.latency.count) {
        Some(before) => counts.since(&Counts::of(before)),
        None => counts,
    }
}

#[cfg(test)]
mod tests;
