//! What moved between two tables, in words.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use fairway_model::traffic::Guard;

use crate::table::{Backend, Route, Table};

/// One difference between two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A listener that was not there.
    ListenerAdded(String, SocketAddr),
    /// A listener that is gone.
    ListenerRemoved(String, SocketAddr),
    /// A listener with another address.
    ListenerMoved(String, SocketAddr, SocketAddr),
    /// A service that was not there.
    ServiceAdded(String),
    /// A service that is gone.
    ServiceRemoved(String),
    /// A service became a stub, ceased to be one, or waits otherwise.
    ServiceChanged(String),
    /// An instance that takes requests now: service and instance.
    InstanceAdded(String, Backend),
    /// An instance that takes no more requests: service and instance.
    InstanceRemoved(String, Backend),
    /// An instance with another weight, address or release: service, before, after.
    InstanceChanged(String, Backend, Backend),
    /// A route that was not there.
    RouteAdded(Route),
    /// A route that is gone.
    RouteRemoved(Route),
    /// TLS, certificates or options of the whole environment: which of them.
    SettingsChanged(&'static str),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListenerAdded(name, address) => write!(f, "+ listener {name} {address}"),
            Self::ListenerRemoved(name, address) => write!(f, "- listener {name} {address}"),
            Self::ListenerMoved(name, from, to) => write!(f, "~ listener {name} {from} -> {to}"),
            Self::ServiceAdded(name) => write!(f, "+ service {name}"),
            Self::ServiceRemoved(name) => write!(f, "- service {name}"),
            Self::ServiceChanged(name) => write!(f, "~ service {name}"),
            Self::InstanceAdded(service, it) => {
                write!(
                    f,
                    "+ {service}: {} at {}, weight {}, release {}",
                    it.id, it.address, it.weight, it.release
                )
            }
            Self::InstanceRemoved(service, it) => write!(f, "- {service}: {} at {}", it.id, it.address),
            Self::InstanceChanged(service, from, to) => write!(
                f,
                "~ {service}: {} at {}, weight {} -> at {}, weight {}, release {}",
                from.id, from.address, from.weight, to.address, to.weight, to.release
            ),
            Self::RouteAdded(route) => write!(f, "+ route {}", Words(route)),
            Self::RouteRemoved(route) => write!(f, "- route {}", Words(route)),
            Self::SettingsChanged(what) => write!(f, "~ {what}"),
        }
    }
}

struct Words<'a>(&'a Route);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Route { listener, host, path, service, guard } = self.0;
        write!(f, "{listener} {}{path} -> {service}", host.as_deref().unwrap_or("*"))?;
        if *guard != Guard::default() { f.write_str(", guarded") } else { Ok(()) }
    }
}

/// What changes when `new` takes the place of `old`, in a fixed order: listeners, services with their instances,
/// settings, routes.
pub fn diff(old: &Table, new: &Table) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, before, after) in pairs(&old.listeners, &new.listeners) {
        match (before, after) {
            (Some(from), Some(to)) if from != to => {
                changes.push(Change::ListenerMoved(name.clone(), *from, *to));
            }
            (Some(from), None) => changes.push(Change::ListenerRemoved(name.clone(), *from)),
            (None, Some(to)) => changes.push(Change::ListenerAdded(name.clone(), *to)),
            _ => {}
        }
    }
    for (name, before, after) in pairs(&old.services, &new.services) {
        match (before, after) {
            (None, Some(_)) => changes.push(Change::ServiceAdded(name.clone())),
            (Some(_), None) => changes.push(Change::ServiceRemoved(name.clone())),
            (Some(from), Some(to))
                if (&from.stub, from.timeouts, &from.treatment) != (&to.stub, to.timeouts, &to.treatment) =>
            {
                changes.push(Change::ServiceChanged(name.clone()));
            }
            _ => {}
        }
        let instances = |service: Option<&crate::table::Service>| -> BTreeMap<String, Backend> {
            let all = service.into_iter().flat_map(|service| &service.instances);
            all.map(|instance| (instance.id.clone(), instance.clone())).collect()
        };
        for (_, before, after) in pairs(&instances(before), &instances(after)) {
            match (before.cloned(), after.cloned()) {
                (Some(from), Some(to)) if from != to => {
                    changes.push(Change::InstanceChanged(name.clone(), from, to));
                }
                (Some(from), None) => changes.push(Change::InstanceRemoved(name.clone(), from)),
                (None, Some(to)) => changes.push(Change::InstanceAdded(name.clone(), to)),
                _ => {}
            }
        }
    }
    for (what, same) in [
        ("tls", old.tls == new.tls),
        ("certificates", (&old.certificates, &old.secrets) == (&new.certificates, &new.secrets)),
        ("options", old.options == new.options),
    ] {
        if !same {
            changes.push(Change::SettingsChanged(what));
        }
    }
    let routes = |table: &Table| -> BTreeMap<Route, ()> {
        table.routes.iter().map(|route| (route.clone(), ())).collect()
    };
    for (route, before, after) in pairs(&routes(old), &routes(new)) {
        match (before, after) {
            (Some(()), None) => changes.push(Change::RouteRemoved(route.clone())),
            (None, Some(())) => changes.push(Change::RouteAdded(route.clone())),
            _ => {}
        }
    }
    changes
}

/// Every key of either map once, in order, with its value on both sides.
fn pairs<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> Vec<(&'a K, Option<&'a V>, Option<&'a V>)> {
    let keys: std::collections::BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    keys.into_iter().map(|key| (key, old.get(key), new.get(key))).collect()
}
