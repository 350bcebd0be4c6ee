//! What is there, for those who plan.

use super::{Environment, journal::wanted, table, traffic};
use crate::clock;
use fairway_model::{
    Generation, Observed, ObservedInstance, ObservedRoutes, Program, Release, ServedBy, ServiceName, Sight,
};
use fairway_protocol::agent::Endpoints;
use fairway_route::Table;
use std::collections::BTreeMap;

impl Environment {
    /// What is there.
    pub(crate) async fn observe(&self) -> Observed {
        let stats = self.edge_stats().await;
        let in_flight = stats.as_ref().map(traffic::in_flight).unwrap_or_default();
        let table = self.machine.edge.table(self.name.as_str()).await;
        let artifacts = match self.machine.artifacts.list() {
            Ok(artifacts) => Sight::Known(artifacts),
            Err(error) => Sight::Unknown { reason: format!("the artifacts cannot be listed: {error}") },
        };
        let now = clock::now();
        let journal = self.journal.lock().await;
        let instances = journal.instances.iter().filter_map(|(id, record)| {
            let managed = self.managed(id)?;
            Some(ObservedInstance {
                id: id.clone(),
                service: record.service.clone(),
                spec: record.spec,
                artifact: record.process.artifact.digest,
                generation: record.generation,
                state: managed.state(),
                address: record.address(),
                pid: managed.health().identity.map(|identity| identity.pid),
                age_seconds: now.saturating_sub(record.started) / 1000,
                restarts: record.restarts,
                in_flight: in_flight.get(id).copied().unwrap_or(0),
            })
        });
        let releases: Vec<&Release> =
            journal.lifecycle.releases().rev().map(|entry| &entry.assignment.release).collect();
        let routes = match table {
            Ok(Some(table)) => Sight::Known(served(&table, &releases)),
            Ok(None) => Sight::Known(ObservedRoutes::default()),
            Err(error) => Sight::Unknown { reason: crate::fail::chain(&error) },
        };
        Observed {
            environment: self.name.clone(),
            generation: journal.lifecycle.accepted(),
            serving: journal.serving().map(|(generation, release)| (generation, release.digest())),
            activity: journal.lifecycle.activity(),
            instances: Sight::Known(instances.collect()),
            routes,
            databases: Sight::Known(journal.databases.clone()),
            artifacts,
        }
    }

    /// Where the services can be reached.
    pub(crate) async fn endpoints(&self) -> Endpoints {
        let journal = self.journal.lock().await;
        let Some((_, release)) = journal.serving() else {
            return Endpoints { public: None, public_tls: None, services: BTreeMap::new() };
        };
        let port = |service: &ServiceName| {
            Some((service.clone(), ([127, 0, 0, 1], *journal.ports.get(service)?).into()))
        };
        Endpoints {
            public: table::public(&journal, release),
            public_tls: table::public_tls(&journal, release),
            services: release.services.keys().filter_map(port).collect(),
        }
    }
}

/// What stands behind each name, told from the ids of the instances.
fn served(table: &Table, releases: &[&Release]) -> ObservedRoutes {
    let mut services = BTreeMap::new();
    for (name, service) in &table.services {
        let Ok(name) = ServiceName::new(name.clone()) else { continue };
        let by = match (&service.stub, service.instances.first()) {
            (Some(_), _) => ServedBy::Stub,
            (None, None) => ServedBy::Nothing,
            (None, Some(backend)) => {
                let spec = releases.iter().find_map(|release| {
                    let known = wanted(release, &name).contains(&backend.id);
                    match &release.services.get(&name)?.program {
                        Program::Process(process) if known => Some(process.digest()),
                        _ => None,
                    }
                });
                spec.map_or(ServedBy::Nothing, ServedBy::Instances)
            }
        };
        services.insert(name, by);
    }
    ObservedRoutes { generation: Generation(table.generation), services }
}
