//! Who calls whom.

use super::Check;
use crate::{Service, suggest};
use fairway_model::ServiceName;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) fn check(check: &mut Check<'_>) {
    let services = &check.parsed.manifest.services;
    for (name, service) in services {
        for needed in service.needs.keys() {
            let path = ["services", name.as_str(), "needs", needed.as_str()];
            if needed == name {
                let help = Some("a service knows its own address; remove the line".to_owned());
                check.error_at_key(&path, "need-itself", format!("`{name}` cannot need itself"), help);
            } else if !services.contains_key(needed) {
                let message = format!("`{name}` needs `{needed}`, which is not a service");
                let others = services.keys().filter(|other| *other != name).map(ServiceName::as_str);
                check.error_at_key(
                    &path,
                    "unknown-need",
                    message,
                    suggest::did_you_mean(needed.as_str(), others),
                );
            }
        }
    }
    for cycle in cycles(services) {
        let [first, second, ..] = cycle.as_slice() else { continue };
        let way: Vec<String> = cycle.iter().chain([first]).map(|name| format!("`{name}`")).collect();
        let message = format!("the services need each other in a circle: {}", way.join(" → "));
        let help = Some(
            "services are started in the order of their needs; let one of them do without the next"
                .to_owned(),
        );
        check.error_at_key(
            &["services", first.as_str(), "needs", second.as_str()],
            "need-cycle",
            message,
            help,
        );
    }
    idle(check);
}

/// A service that nobody calls is either a worker or a mistake.
fn idle(check: &mut Check<'_>) {
    let services = &check.parsed.manifest.services;
    let needed: BTreeSet<&ServiceName> = services.values().flat_map(|service| service.needs.keys()).collect();
    for (name, service) in services {
        // Without `listen` it is a worker, which is called by nobody.
        if service.expose.is_none() && !needed.contains(name) && (service.listen.is_some() || service.stub) {
            let message =
                format!("nobody can reach `{name}`: it is neither exposed nor needed by another service");
            let help =
                Some("add `expose`, or name it in the `needs` of the service that calls it".to_owned());
            check.warn_at_key(&["services", name.as_str()], "unreachable", message, help);
        }
    }
}

/// One circle for each group of services that can reach each other, each begun at its first service by name.
fn cycles(services: &BTreeMap<ServiceName, Service>) -> Vec<Vec<ServiceName>> {
    let tangled = tangled(services);
    let mut found: Vec<Vec<ServiceName>> = Vec::new();
    let mut covered: BTreeSet<&ServiceName> = BTreeSet::new();
    for start in tangled.keys() {
        if covered.contains(start) {
            continue;
        }
        // The shortest way back to the start, breadth first.
        let mut before: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
        let mut queue = VecDeque::from([*start]);
        'search: while let Some(here) = queue.pop_front() {
            for next in tangled.get(here).into_iter().flatten() {
                if next == start {
                    let mut cycle = vec![here];
                    while let Some(previous) = cycle.last().and_then(|last| before.get(last)) {
                        cycle.push(previous);
                    }
                    cycle.reverse();
                    covered.extend(cycle.iter().copied());
                    found.push(cycle.into_iter().cloned().collect());
                    break 'search;
                }
                if !before.contains_key(next) {
                    before.insert(next, here);
                    queue.push_back(next);
                }
            }
        }
    }
    found
}

/// The needs among services that lie in a circle or lead into one: what is left when services that need nothing are
/// taken away again and again.
fn tangled(services: &BTreeMap<ServiceName, Service>) -> BTreeMap<&ServiceName, BTreeSet<&ServiceName>> {
    let mut needs: BTreeMap<&ServiceName, BTreeSet<&ServiceName>> = BTreeMap::new();
    let mut needed_by: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (name, service) in services {
        // A need of itself and one of nobody are named elsewhere.
        let real = service.needs.keys().filter(|needed| *needed != name && services.contains_key(*needed));
        let real: BTreeSet<&ServiceName> = real.collect();
        for needed in &real {
            needed_by.entry(needed).or_default().push(name);
        }
        needs.insert(name, real);
    }
    let mut free: Vec<&ServiceName> =
        needs.iter().filter(|(_, needs)| needs.is_empty()).map(|(name, _)| *name).collect();
    while let Some(name) = free.pop() {
        needs.remove(name);
        for other in needed_by.get(name).into_iter().flatten() {
            if let Some(left) = needs.get_mut(other)
                && left.remove(name)
                && left.is_empty()
            {
                free.push(other);
            }
        }
    }
    needs
}
