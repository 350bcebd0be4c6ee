//! Reading what is served and what went through.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use fairway_protocol::edge::{EnvironmentStats, ServiceStats, Stats, TableList, TableSummary};
use fairway_route::Table;

use crate::clock;
use crate::edge::{Control, Edge};
use crate::metrics::Sight;
use crate::process_metrics;

impl Edge {
    /// The heads of the tables that serve.
    pub async fn tables(&self) -> TableList {
        let control = self.shared.control.lock().await;
        let mut tables = BTreeMap::new();
        for (environment, placed) in &control.placed {
            let listeners = control.bound(placed);
            let mut problems = [placed.problems.as_slice(), &placed.doubts].concat();
            for (name, address) in &placed.compiled.listeners {
                if !listeners.contains_key(name) {
                    problems.push(format!("listeners.{name}: {address} is taken by another program"));
                }
            }
            let summary = TableSummary {
                generation: placed.table.generation,
                revision: placed.table.revision,
                listeners,
                services: placed.compiled.services.len(),
                routes: placed.compiled.routes.len(),
                problems,
            };
            tables.insert(environment.clone(), summary);
        }
        TableList { tables }
    }

    /// The table of one environment, as it was sent.
    pub async fn table(&self, environment: &str) -> Option<Table> {
        let control = self.shared.control.lock().await;
        control.placed.get(environment).map(|placed| Table::clone(&placed.table))
    }

    /// What went through, of one environment or of all.
    pub async fn stats(&self, only: Option<&str>) -> Stats {
        let control = self.shared.control.lock().await;
        self.stats_under(&control, only)
    }

    /// Everything that the metrics show.
    pub(crate) async fn sight(&self) -> Sight {
        let shared = &self.shared;
        let stats = self.stats(None).await;
        let (latencies, spans) = {
            let registry = shared.registry();
            (registry.latencies(), registry.spans())
        };
        Sight {
            stats,
            latencies,
            handshakes: shared.handshakes.read(),
            certificates: shared.certificates.status(),
            spans,
            orders: shared.certificates.orders(),
            process: process_metrics::read(shared.since),
            version: shared.settings.version.clone(),
        }
    }

    /// What went through, for whoever holds the lock.
    pub(crate) fn stats_under(&self, control: &Control, only: Option<&str>) -> Stats {
        let positions: BTreeMap<String, (u64, u64)> = {
            let of = |placed: &crate::state::Placed| (placed.table.generation, placed.table.revision);
            control.placed.iter().map(|(name, placed)| (name.clone(), of(placed))).collect()
        };
        let registry = self.shared.registry();
        let mut environments: BTreeMap<String, EnvironmentStats> = BTreeMap::new();
        for (name, counters) in &registry.environments {
            if only.is_some_and(|only| only != name.as_ref()) {
                continue;
            }
            let (generation, revision) = positions.get(name.as_ref()).copied().unwrap_or_default();
            let unrouted = counters.unrouted.load(Ordering::Relaxed);
            let services = BTreeMap::new();
            let own = counters.own.read();
            let stats = EnvironmentStats { generation, revision, services, unrouted, own };
            environments.insert(name.to_string(), stats);
        }
        for ((environment, service), counters) in &registry.services {
            let Some(environment) = environments.get_mut(environment.as_ref()) else { continue };
            let stats = ServiceStats {
                no_instance: counters.no_instance.load(Ordering::Relaxed),
                stubbed: counters.stubbed.load(Ordering::Relaxed),
                waiting: u64::from(counters.queue.len()) + u64::from(counters.held.len()),
                own: counters.own.read(),
                instances: BTreeMap::new(),
            };
            environment.services.insert(service.to_string(), stats);
        }
        for instance in registry.instances.values() {
            let environment = environments.get_mut(instance.environment.as_ref());
            let service = environment.and_then(|it| it.services.get_mut(instance.service.as_ref()));
            if let Some(service) = service {
                service.instances.insert(instance.id.clone(), instance.stats());
            }
        }
        drop(registry);
        let (state, now) = (self.shared.state.load(), clock::now());
        for service in state.services.values().flat_map(std::collections::HashMap::values) {
            let stats = environments.get_mut(service.environment.as_ref());
            let Some(stats) = stats.and_then(|it| it.services.get_mut(service.name.as_ref())) else {
                continue;
            };
            for (index, member) in service.members.iter().enumerate() {
                if let Some(instance) = stats.instances.get_mut(&member.instance.id) {
                    instance.standing = service.roster.standing(index, now);
                }
            }
        }
        let connections = u64::try_from(self.shared.connections()).unwrap_or(u64::MAX);
        let mut stats = Stats { environments, connections, own: self.shared.own.read() };
        // What is in flight in the edge before this one is in flight: whoever waits for an instance waits for both.
        if let Some(predecessor) = self.shared.predecessor.get() {
            predecessor.add_to(&mut stats, only);
        }
        stats
    }
}
