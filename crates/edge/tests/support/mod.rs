//! What the tests of the edge share: instances that can be told how to behave, an edge, and clients.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

pub mod upstream;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use fairway_edge::{Edge, Settings};
use fairway_protocol::edge::{InstanceStats, ServiceStats};
use fairway_route::{Backend, Route, Service, Table};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An edge in this process with a home of its own.
pub struct World {
    pub home: TempDir,
    pub edge: Edge,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(home.path());
        adjust(&mut settings);
        let edge = Edge::start(settings).await.unwrap();
        Self { home, edge }
    }

    /// Applies a table and returns where its listener `public` is.
    pub async fn apply(&self, table: &Table) -> SocketAddr {
        self.edge.apply(table.clone()).await.unwrap().listeners["public"]
    }

    /// What an instance of service `web` in `dev` did.
    pub async fn instance(&self, id: &str) -> InstanceStats {
        self.find(id).await.unwrap_or_else(|| panic!("no instance {id}"))
    }

    /// What is known of service `web`.
    pub async fn service(&self) -> ServiceStats {
        let stats = self.edge.stats(Some("dev")).await;
        stats.environments["dev"].services["web"].clone()
    }

    /// Waits until so many requests for `web` wait at the edge.
    pub async fn until_waiting(&self, count: u64) {
        within(async {
            while self.service().await.waiting != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub async fn find(&self, id: &str) -> Option<InstanceStats> {
        self.service().await.instances.get(id).cloned()
    }

    /// Waits until an instance's numbers are as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&InstanceStats) -> bool) -> InstanceStats {
        let mut last = None;
        let reached = async {
            loop {
                let stats = self.instance(id).await;
                if wanted(&stats) {
                    return stats;
                }
                last = Some(stats);
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(stats) => stats,
            Err(_) => panic!("instance {id} stayed as it is: {last:#?}"),
        }
    }
}

/// A table of `dev`: listener `public` on a port that the edge chooses, service `web` with these instances behind `/`.
pub fn table(generation: u64, instances: &[(&str, SocketAddr)]) -> Table {
    let mut table = Table::empty("dev", generation, 0);
    table.listeners.insert("public".into(), ([127, 0, 0, 1], 0).into());
    let instances = instances.iter().map(|(id, address)| backend(id, *address, generation)).collect();
    table.services.insert("web".into(), Service { instances, ..Service::default() });
    table.routes.push(route(None, "/", "web"));
    table
}

pub fn backend(id: &str, address: SocketAddr, release: u64) -> Backend {
    Backend { id: id.into(), address, weight: 1, release }
}

pub fn route(host: Option<&str>, path: &str, service: &str) -> Route {
    Route {
        listener: "public".into(),
        host: host.map(Into::into),
        path: path.into(),
        service: service.into(),
        guard: Default::default(),
    }
}

/// An address on which nothing listens and nothing will, unless the test does it: the host part belongs to this
/// process alone, so that no other test can be given the port meanwhile.
pub async fn nobody() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let own = [127, high.wrapping_add(64) % 128, middle, low];
    let listener = tokio::net::TcpListener::bind((std::net::IpAddr::from(own), 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// Gives up on a test that hangs.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing happened for too long")
}
