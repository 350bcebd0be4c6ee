//! Contracts: they exist, they can be read, and no two promise to answer the same requests.

use super::Check;
use crate::{Probe, Problem, Service, contracts};
use fairway_model::ServiceName;
use std::collections::{BTreeMap, BTreeSet};

/// A method and path that one contract declares.
struct Claim {
    service: ServiceName,
    /// File and line.
    place: String,
}

pub(super) fn check(check: &mut Check<'_>) {
    // By method and shape of the path, which is how requests are told apart.
    let mut claims: BTreeMap<(String, String), Vec<Claim>> = BTreeMap::new();
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
                for promise in &facts.promises {
                    let contracts::Promise { method, path, shape, file, span } = promise;
                    // Every service answers its own probes; they are not part of what it promises to others.
                    if is_probe(service, path) {
                        continue;
                    }
                    let services = &check.parsed.manifest.services;
                    let earlier = claims.entry((method.clone(), shape.clone())).or_default();
                    if let Some(Claim { service: other, place }) =
                        earlier.iter().find(|claim| meet(services, &claim.service, name))
                    {
                        let message =
                            format!("`{name}` promises `{method} {path}`, which `{other}` promises already");
                        let problem = Problem::error(file, *span, "path-twice", message);
                        let help = format!("the other promise is in {place}; move one of them");
                        check.problems.push(problem.help(help));
                    }
                    earlier.push(Claim { service: name.clone(), place: format!("{file}:{}", span.line) });
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
