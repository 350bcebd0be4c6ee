//! An edge between two ends that a test drives by hand.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::net::SocketAddr;

use fairway_edge::Settings;
use fairway_route::Table;
use tokio::net::TcpListener;

use crate::raw::{Head, Wire};
use crate::support::{World, table};

pub struct Stage {
    pub world: World,
    /// Where the edge listens.
    pub address: SocketAddr,
    /// Where the instance `web-1` of service `web` listens.
    pub listener: TcpListener,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    /// With other settings and another table.
    pub async fn with(settings: impl FnOnce(&mut Settings), adjust: impl FnOnce(&mut Table)) -> Self {
        let world = World::with(settings).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut table = table(1, &[("web-1", listener.local_addr().unwrap())]);
        adjust(&mut table);
        let address = world.apply(&table).await;
        Self { world, address, listener }
    }

    pub async fn client(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// The next connection that the edge makes to the instance.
    pub async fn instance(&self) -> Wire {
        Wire::accept(&self.listener).await
    }

    /// Sends a head (without the empty line) and returns both ends and what arrived of it.
    pub async fn ask(&self, head: &str) -> (Wire, Wire, Head) {
        let mut client = self.client().await;
        client.send(format!("{head}\r\n\r\n")).await;
        let mut instance = self.instance().await;
        let arrived = instance.head().await;
        (client, instance, arrived)
    }

    /// The same when the edge may have kept this connection to the instance. It need not use it: each of its workers
    /// has its own.
    pub async fn ask_again(&self, head: &str, mut instance: Wire) -> (Wire, Wire, Head) {
        let mut client = self.client().await;
        client.send(format!("{head}\r\n\r\n")).await;
        let mut instance = tokio::select! {
            read = instance.fill() => if read > 0 { instance } else { self.instance().await },
            fresh = self.instance() => fresh,
        };
        let arrived = instance.head().await;
        (client, instance, arrived)
    }
}
