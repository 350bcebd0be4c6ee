//! A table made ready for use: broken entries left out, patterns parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use fairway_model::traffic::Guard;

use crate::check::{Entry, Fault, Problem, Problems};
use crate::host::HostPattern;
use crate::matcher::{Matcher, MatcherBuilder};
use crate::path::PathPattern;
use crate::table::{Service, Table};

/// A route with its patterns parsed; its listener and service exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRoute {
    /// Index in the table it comes from.
    pub index: usize,
    /// Name of the listener.
    pub listener: String,
    /// For which hosts.
    pub host: HostPattern,
    /// For which paths.
    pub path: PathPattern,
    /// Name of the service.
    pub service: String,
    /// What requests must pass first; without fault.
    pub guard: Guard,
}

/// What of a table can be used, and what is wrong with the rest.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Listeners by name.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Services by name, with the instances that can be used.
    pub services: BTreeMap<String, Service>,
    /// Routes without conflicts.
    pub routes: Vec<CompiledRoute>,
    /// One for each entry that was left out.
    pub problems: Vec<Problem>,
}

impl Compiled {
    /// Reads a table. It never fails: a table that is wrong throughout compiles to nothing and many problems.
    pub fn new(table: &Table) -> Self {
        let mut problems = Problems::default();
        problems.head(table);
        let listeners = problems.listeners(table);
        let services = services(table, &mut problems);
        let routes = routes(table, &listeners, &mut problems);
        Self { listeners, services, routes, problems: problems.0 }
    }

    /// The index of one listener; its targets are names of services.
    pub fn matcher(&self, listener: &str) -> Matcher<String> {
        let mut builder = MatcherBuilder::default();
        for route in self.routes.iter().filter(|route| route.listener == listener) {
            builder
                .insert(route.host.clone(), route.path.clone(), route.service.clone())
                .expect("conflicting routes were left out");
        }
        builder.build()
    }
}

fn services(table: &Table, problems: &mut Problems) -> BTreeMap<String, Service> {
    let mut ids = BTreeSet::new();
    let mut good = BTreeMap::new();
    for (name, service) in &table.services {
        let mut kept = Service { instances: Vec::new(), ..service.clone() };
        for instance in &service.instances {
            let entry = || Entry::Instance(name.clone(), instance.id.clone());
            if instance.address.port() == 0 || instance.address.ip().is_unspecified() {
                problems.add(entry(), Fault::Unreachable(instance.address));
            } else if !ids.insert(instance.id.as_str()) {
                problems.add(entry(), Fault::InstanceTwice(instance.id.clone()));
            } else {
                kept.instances.push(instance.clone());
            }
        }
        if kept.stub.is_some() && !service.instances.is_empty() {
            problems.add(Entry::Service(name.clone()), Fault::StubWithInstances);
            kept.stub = None;
        }
        if service.treatment.upstream.is_tls() {
            for problem in service.treatment.upstream_tls.check() {
                problems.add(Entry::Service(name.clone()), Fault::UpstreamTls(problem));
                kept.instances.clear();
            }
        }
        good.insert(name.clone(), kept);
    }
    good
}

fn routes(
    table: &Table,
    listeners: &BTreeMap<String, SocketAddr>,
    problems: &mut Problems,
) -> Vec<CompiledRoute> {
    let mut taken: BTreeMap<(String, HostPattern, PathPattern), usize> = BTreeMap::new();
    let mut good = Vec::new();
    for (index, route) in table.routes.iter().enumerate() {
        let mut sound = true;
        let mut fault = |fault| {
            problems.add(Entry::Route(index), fault);
            sound = false;
        };
        if !listeners.contains_key(&route.listener) {
            fault(Fault::UnknownListener(route.listener.clone()));
        }
        if !table.services.contains_key(&route.service) {
            fault(Fault::UnknownService(route.service.clone()));
        }
        for problem in route.guard.check() {
            fault(Fault::Guard(problem.to_string()));
        }
        let host = HostPattern::parse(route.host.as_deref())
            .map_err(|error| fault(Fault::Host(route.host.clone().unwrap_or_default(), error)));
        let path =
            PathPattern::parse(&route.path).map_err(|error| fault(Fault::Path(route.path.clone(), error)));
        let (Ok(host), Ok(path)) = (host, path) else { continue };
        if let Some(first) = taken.get(&(route.listener.clone(), host.clone(), path.clone())) {
            fault(Fault::RouteTaken {
                listener: route.listener.clone(),
                host: host.to_string(),
                path: path.to_string(),
                first: *first,
            });
        }
        if sound {
            taken.insert((route.listener.clone(), host.clone(), path.clone()), index);
            good.push(CompiledRoute {
                index,
                listener: route.listener.clone(),
                host,
                path,
                service: route.service.clone(),
                guard: route.guard.clone(),
            });
        }
    }
    good
}
