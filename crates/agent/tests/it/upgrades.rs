//! An agent of another version than the edge that runs.

use crate::support::{Service, World, alive, get, until};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

fn good(world: &World, version: &str) -> Service {
    world.service(&[("VERSION", version), ("BEHAVIOUR", "good")])
}

async fn edge_pid(world: &World) -> u32 {
    world.host.info().await.unwrap().edge_pid.unwrap()
}

/// The new agent starts a new edge, nobody notices, and the old one ends when what it had begun is done.
#[tokio::test]
async fn an_edge_of_another_version_is_succeeded() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let (old, address) = (edge_pid(&world).await, world.address("web").await.unwrap());
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(get(address, "/").await.unwrap(), (200, "v1".to_owned()));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let slow = tokio::spawn(async move { get(address, "/slow").await });
    world.set_timing("version=next");
    world.restart_agent().await;
    until("another edge serves", || async { edge_pid(&world).await != old }).await;
    let new = edge_pid(&world).await;
    assert_eq!(slow.await.unwrap().unwrap().0, 200);
    until("the old one has ended", || async { !alive(old) }).await;
    let before = answered.load(Ordering::Relaxed);
    until("requests go on", || async { answered.load(Ordering::Relaxed) > before + 20 }).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(world.address("web").await, Some(address));
    // It is the one that is looked after, also by the next agent, and a release goes to it.
    world.restart_agent().await;
    assert_eq!(edge_pid(&world).await, new);
    let second = world.assign(Some(&first), &[("web", good(&world, "v2"))]).await;
    world.apply(&second).await;
    assert_eq!(world.version("web").await.as_deref(), Some("v2"));
}

/// An upgrade that does not work is not an outage either.
#[tokio::test]
async fn an_edge_whose_successor_does_not_start_serves_on() {
    let world = World::new("").await;
    let first = world.assign(None, &[("web", good(&world, "v1"))]).await;
    world.apply(&first).await;
    let old = edge_pid(&world).await;
    world.set_timing("version=next\nedge=broken");
    world.restart_agent().await;
    until("it has been tried", || async {
        crate::support::file_has(&world.home().join("agent.log"), "the edge of the other version serves on")
    })
    .await;
    assert_eq!(edge_pid(&world).await, old);
    assert_eq!(world.version("web").await.as_deref(), Some("v1"));
    let second = world.assign(Some(&first), &[("web", good(&world, "v2"))]).await;
    world.apply(&second).await;
    assert_eq!(world.version("web").await.as_deref(), Some("v2"));
}
