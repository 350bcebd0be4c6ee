//! The corpus through the edge.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use fairway_route::{Route, Service, Table};
use tokio::net::TcpStream;

use crate::corpus::Case;
use crate::front::{drive, verify};
use crate::raw::{Recorder, Wire, soon};
use crate::support::{World, backend};

/// An edge with a listener, a service and a recording instance for each case.
pub struct Edge {
    /// Kept, or it would end.
    world: World,
    listeners: BTreeMap<String, SocketAddr>,
    pub recorders: Vec<Recorder>,
}

impl Edge {
    pub async fn with(cases: usize) -> Self {
        let world = World::new().await;
        let mut table = Table::empty("dev", 1, 0);
        let mut recorders = Vec::new();
        for number in 0..cases {
            let recorder = Recorder::new().await;
            let name = format!("case-{number}");
            let instances = vec![backend(&name, recorder.address(), 1)];
            table.listeners.insert(name.clone(), ([127, 0, 0, 1], 0).into());
            table.services.insert(name.clone(), Service { instances, ..Service::default() });
            let (listener, service) = (name.clone(), name);
            table.routes.push(Route {
                listener,
                host: None,
                path: "/".into(),
                service,
                guard: Default::default(),
            });
            recorders.push(recorder);
        }
        let listeners = world.edge.apply(table).await.unwrap().listeners;
        Self { world, listeners, recorders }
    }

    pub fn address(&self, case: usize) -> SocketAddr {
        self.listeners[&format!("case-{case}")]
    }
}

/// Every case becomes what it has to, and whoever comes next gets its own answer.
pub async fn check(cases: Vec<Case>) {
    let edge = Edge::with(cases.len()).await;
    let driven = cases.iter().zip(&edge.recorders).enumerate().map(|(number, (case, recorder))| {
        let address = edge.address(number);
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let outcome = drive(stream, case, Duration::from_secs(4)).await;
            let mut after = Wire::connect(address).await;
            after.send("GET /after HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n").await;
            let after = soon("the next client's answer", after.try_response("GET")).await;
            let log = recorder.log();
            let verdict = verify(case, &outcome, &log).and_then(|()| match after {
                Ok(answer) if answer.text() == "GET /after 0" => Ok(()),
                other => Err(format!("the next client got {other:?}")),
            });
            verdict.map_err(|why| format!("{}, {}: {why}", case.group, case.name))
        }
    });
    let all = futures::future::join_all(driven).await;
    let count = all.len();
    let failed: Vec<String> = all.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} of {count} cases:\n{}", failed.len(), failed.join("\n"));
}
