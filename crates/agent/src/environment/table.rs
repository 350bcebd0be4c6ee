//! The route table that an environment should have, as a pure function of what is known.

use super::journal::{Journal, wanted};
use fairway_model::{
    EdgeSpec, Program, Release, RouteSpec, ServiceName, TimeoutSpec, TlsSpec, TrafficSpec, traffic::Guard,
};
use fairway_route::{Backend, Route, Service, Stub, Table, Timeouts};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// Name of the public listener that speaks plain text.
pub(crate) const PUBLIC: &str = "public";

/// Name of the public listener that speaks TLS.
pub(crate) const PUBLIC_TLS: &str = "public-tls";

/// How an instance is, as far as routing minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// Its probe says that it may take traffic.
    Ready,
    /// It runs, and its probe does not say so.
    Running,
    /// There is no process.
    Gone,
}

/// The name of a service's internal listener.
pub(crate) fn internal(service: &ServiceName) -> String {
    format!("internal:{service}")
}

/// The table without its position.
///
/// Of the serving release, every service has its internal listener, and the ones with routes are reachable from the
/// public ones. Of the pending release, the services in [`Journal::early`] have their internal listener too: nothing
/// was served there before, and a service that is started with them may need them in order to become ready.
///
/// A service's ready instances take its requests. When none is ready, the ones that run are tried all the same: a
/// failing probe must not turn trouble into an outage. An instance without a process is never tried.
pub(crate) fn desired(journal: &Journal, fitness: &BTreeMap<String, Fitness>) -> Table {
    let mut table = Table::empty(journal.lifecycle.environment.to_string(), 0, 0);
    if let Some((_, release)) = journal.serving() {
        add_release(&mut table, journal, release, fitness);
    }
    if let Some((_, release)) = journal.pending() {
        for service in &journal.early {
            add_service(&mut table, journal, release, service, fitness);
        }
    }
    table
}

/// The table of a release that has not switched, as it will be right after its switch.
pub(crate) fn after_switch(
    journal: &Journal,
    release: &Release,
    fitness: &BTreeMap<String, Fitness>,
) -> Table {
    let mut table = Table::empty(journal.lifecycle.environment.to_string(), 0, 0);
    add_release(&mut table, journal, release, fitness);
    table
}

/// Services of `release` that nothing serves yet.
pub(crate) fn unserved(journal: &Journal, release: &Release) -> BTreeSet<ServiceName> {
    let served = journal.serving().map(|(_, release)| release);
    let is_new = |service: &&ServiceName| served.is_none_or(|served| !served.services.contains_key(*service));
    release.services.keys().filter(is_new).cloned().collect()
}

/// The public address of a release without TLS.
pub(crate) fn public(journal: &Journal, release: &Release) -> Option<SocketAddr> {
    any_port(release.listener.as_ref()?.address, journal.public_port)
}

/// The public address of a release with TLS.
pub(crate) fn public_tls(journal: &Journal, release: &Release) -> Option<SocketAddr> {
    any_port(release.edge.tls.as_ref()?.address, journal.tls_port)
}

fn any_port(mut address: SocketAddr, given: Option<u16>) -> Option<SocketAddr> {
    if address.port() == 0 {
        address.set_port(given?);
    }
    Some(address)
}

fn add_release(table: &mut Table, journal: &Journal, release: &Release, fitness: &BTreeMap<String, Fitness>) {
    let EdgeSpec { tls, options } = &release.edge;
    table.options = options.clone();
    if let Some(address) = public(journal, release) {
        table.listeners.insert(PUBLIC.to_owned(), address);
    }
    if let (Some(tls), Some(address)) = (tls, public_tls(journal, release)) {
        let TlsSpec { address: _, settings, certificates } = tls;
        table.listeners.insert(PUBLIC_TLS.to_owned(), address);
        table.tls.insert(PUBLIC_TLS.to_owned(), *settings);
        table.certificates = certificates.clone();
    }
    let listeners: Vec<String> = table.listeners.keys().cloned().collect();
    for (name, spec) in &release.services {
        if !add_service(table, journal, release, name, fitness) {
            continue;
        }
        for listener in &listeners {
            table.routes.extend(spec.routes.iter().map(|route| {
                let RouteSpec { host, path, guard } = route;
                Route {
                    listener: listener.clone(),
                    host: host.clone(),
                    path: path.clone(),
                    service: name.to_string(),
                    guard: guard.clone(),
                }
            }));
        }
    }
}

/// Adds a service with its internal listener; false when it serves nothing.
fn add_service(
    table: &mut Table,
    journal: &Journal,
    release: &Release,
    name: &ServiceName,
    fitness: &BTreeMap<String, Fitness>,
) -> bool {
    let (Some(spec), Some(port)) = (release.services.get(name), journal.ports.get(name)) else {
        return false;
    };
    let service = match &spec.program {
        Program::Stub => {
            Service { stub: Some(Stub { boundary: name.to_string(), title: None }), ..Service::default() }
        }
        Program::Process(process) if process.listen.is_some() => {
            let TrafficSpec { timeouts, treatment } = &spec.traffic;
            Service {
                instances: backends(journal, &wanted(release, name), fitness),
                stub: None,
                timeouts: waiting(*timeouts),
                treatment: treatment.clone(),
            }
        }
        Program::Process(_) => return false,
    };
    table.services.insert(name.to_string(), service);
    table.listeners.insert(internal(name), SocketAddr::from(([127, 0, 0, 1], *port)));
    table.routes.push(Route {
        listener: internal(name),
        host: None,
        path: "/".to_owned(),
        service: name.to_string(),
        guard: Guard::default(),
    });
    true
}

/// What the release leaves open is the edge's to say.
fn waiting(timeouts: TimeoutSpec) -> Timeouts {
    let TimeoutSpec { connect, header, idle, upgrade_idle } = timeouts;
    let usual = Timeouts::default();
    Timeouts {
        connect_ms: connect.map_or(usual.connect_ms, |millis| millis.0),
        header_ms: header.map_or(usual.header_ms, |millis| millis.0),
        idle_ms: idle.map_or(usual.idle_ms, |millis| millis.0),
        upgrade_idle_ms: upgrade_idle.map_or(usual.upgrade_idle_ms, |millis| millis.0),
    }
}

fn backends(journal: &Journal, ids: &[String], fitness: &BTreeMap<String, Fitness>) -> Vec<Backend> {
    let of = |wanted: Fitness| -> Vec<Backend> {
        let fit = ids.iter().filter(|id| fitness.get(*id) == Some(&wanted));
        fit.filter_map(|id| {
            let record = journal.instances.get(id)?;
            Some(Backend {
                id: id.clone(),
                address: record.address()?,
                weight: 1,
                release: record.generation.0,
            })
        })
        .collect()
    };
    let ready = of(Fitness::Ready);
    if ready.is_empty() { of(Fitness::Running) } else { ready }
}

#[cfg(test)]
mod tests;
