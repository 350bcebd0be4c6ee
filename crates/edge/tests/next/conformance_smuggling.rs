//! What the edge makes of requests that recipients are known to read differently. No case may let a hidden request
//! through, and whatever arrives must have one meaning for every upstream (see `support/raw.rs`).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/front.rs"]
mod front;
#[path = "support/raw.rs"]
mod raw;
mod support;

use std::time::Duration;

use corpus::Case;
use fairway_route::{Route, Service, Table};
use front::{drive, verify};
use raw::{Recorder, Wire, soon};
use support::{World, backend};
use tokio::net::TcpStream;

/// One edge with a listener, a service and a recording instance for each case.
async fn check(cases: Vec<Case>) {
    let world = World::new().await;
    let mut table = Table::empty("dev", 1, 0);
    let mut recorders = Vec::new();
    for number in 0..cases.len() {
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
        // `OPTIONS *` and whatever else has no path is the service's, too.
        recorders.push(recorder);
    }
    let listeners = world.edge.apply(table).await.unwrap().listeners;
    let driven = cases.iter().zip(&recorders).enumerate().map(|(number, (case, recorder))| {
        let address = listeners[&format!("case-{number}")];
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let outcome = drive(stream, case, Duration::from_secs(4)).await;
            // Whoever comes next gets its own answer, whatever the connections to the instance have been through.
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

#[tokio::test]
async fn lengths() {
    check(corpus::lengths()).await;
}

#[tokio::test]
async fn codings() {
    check(corpus::codings()).await;
}

#[tokio::test]
async fn chunks() {
    check(corpus::chunks()).await;
}

#[tokio::test]
async fn fields() {
    check(corpus::fields()).await;
}

#[tokio::test]
async fn request_lines() {
    check(corpus::lines()).await;
}

#[tokio::test]
async fn hosts() {
    check(corpus::hosts()).await;
}

#[tokio::test]
async fn sequences() {
    check(corpus::sequences()).await;
}

#[tokio::test]
async fn sizes() {
    check(corpus::sizes()).await;
}
