//! Contracts: they exist, they can be read, and no two promise the same path.

use super::Check;
use crate::{Probe, Problem, Service, contracts};
use fairway_model::ServiceName;
use std::collections::{BTreeMap, BTreeSet};

/// A path as one contract declares it.
struct Claim {
    service: ServiceName,
    /// File and line.
    place: String,
}

pub(super) fn check(check: &mut Check<'_>) {
    let mut claims: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
    let mut entries: BTreeMap<String, ServiceName> = BTreeMap::new();
    for (name, service) in check.services() {
        let Some(entry) = contracts::entry(check.parsed, name) else { continue };
        if let Some(first) = entries.get(&entry) {
            let message = format!("`{name}` and `{first}` promise the same contract `{entry}`");
            let help = Some("a contract is the boundary of one service; give each its own file".to_owned());
            check.error(&["services", name.as_str(), "contract"], "contract-twice", message, help);
            continue;
        }
        entries.insert(entry.clone(), name.clone());
        if check.sources.text(&entry).is_none() {
            check.problems.push(contracts::missing(check.parsed, name, &entry, check.sources));
            continue;
        }
        match &*contracts::read(&entry, check.sources) {
            Err(problems) => check.problems.extend(problems.iter().cloned()),
            Ok(facts) => {
                for (path, contracts::Promise { file, span }) in &facts.paths {
                    // Every service answers its own probes; they are not part of what it promises to others.
                    if is_probe(service, path) {
                        continue;
                    }
                    let key = shape(path);
                    let services = &check.parsed.manifest.services;
                    let other = claims
                        .get(&key)
                        .into_iter()
                        .flatten()
                        .find(|claim| meet(services, &claim.service, name));
                    if let Some(Claim { service: other, place }) = other {
                        let message = format!("`{name}` promises `{path}`, which `{other}` promises already");
                        let problem = Problem::error(file, *span, "path-twice", message);
                        check
                            .problems
                            .push(problem.help(format!("the other promise is in {place}; move one of them")));
                    }
                    let place = format!("{file}:{}", span.line);
                    claims.entry(key).or_default().push(Claim { service: name.clone(), place });
                }
            }
        }
    }
}

fn is_probe(service: &Service, path: &str) -> bool {
    let usual = ["/health", "/healthz", "/live", "/livez", "/ready", "/readyz"];
    [&service.health, &service.ready]
        .into_iter()
        .filter_map(|probe| probe.as_ref().and_then(Probe::path))
        .map(|probe| probe.split('?').next().unwrap_or(probe))
        .chain(usual)
        .any(|probe| probe == path)
}

/// The template without the names of its parameters: `/orders/{id}` and `/orders/{orderId}` are one path.
fn shape(path: &str) -> String {
    let mut shape = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '{' => {
                inside = true;
                shape.push(c);
            }
            '}' => {
                inside = false;
                shape.push(c);
            }
            _ if inside => {}
            _ => shape.push(c),
        }
    }
    shape
}

/// Two services can be meant by one request, unless both are public and on different hosts.
fn meet(services: &BTreeMap<ServiceName, Service>, one: &ServiceName, other: &ServiceName) -> bool {
    let hosts = |name: &ServiceName| -> Option<BTreeSet<Option<String>>> {
        let expose = services.get(name)?.expose.as_ref()?;
        Some(expose.routes().iter().map(|route| route.host.clone()).collect())
    };
    match (hosts(one), hosts(other)) {
        (Some(one), Some(other)) => one.contains(&None) || other.contains(&None) || !one.is_disjoint(&other),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_parameters_do_not_matter() {
        assert_eq!(super::shape("/a/{id}/b{x}"), super::shape("/a/{orderId}/b{y}"));
        assert_ne!(super::shape("/a/{id}"), super::shape("/a/id"));
    }
}
