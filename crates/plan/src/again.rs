//! A plan that was shown, and the same plan made again later: has the world moved in between?

use fairway_model::{Plan, Step, StepKind};
use std::collections::BTreeMap;

/// What is different about the steps of two plans for the same release: one that was shown, and one that was made
/// again just before it is applied. Empty when applying now does what was shown.
///
/// Only what is done counts, not why. Deliveries do not count, because an artifact that has arrived meanwhile, or has
/// to be brought again, changes nothing that anyone decided about. Whether the *log* has moved is told by
/// [`Plan::base`].
#[must_use]
pub fn moved_since(shown: &Plan, now: &Plan) -> Vec<String> {
    let (before, after) = (index(shown), index(now));
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let gone = gone.map(|(_, step)| format!("{} is not necessary any more", name(step)));
    let new = after.iter().filter(|(key, _)| !before.contains_key(*key));
    let new = new.map(|(_, step)| format!("{} has become necessary: {}", name(step), step.reason));
    gone.chain(new).collect()
}

fn index(plan: &Plan) -> BTreeMap<(&StepKind, Option<&str>), &Step> {
    let counts = plan.steps.iter().filter(|step| !matches!(step.kind, StepKind::Deliver { .. }));
    counts.map(|step| ((&step.kind, step.service.as_ref().map(|service| service.as_str())), step)).collect()
}

fn name(step: &Step) -> String {
    match &step.service {
        Some(service) => format!("`{}` of {service}", step.kind.verb()),
        None => format!("`{}`", step.kind.verb()),
    }
}
