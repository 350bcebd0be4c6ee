//! Requests that wait at the edge: for an instance with room, in the order in which they came, while their service is
//! held, and while none of its instances is there.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fairway_model::traffic::{Hold, Limits};
use fairway_route::Table;
use http::Response;
use raw::{Message, Wire, soon};
use support::upstream::Upstream;
use support::wire::full;
use support::{World, table};
use tokio::sync::Semaphore;

/// An instance that answers with the path it was asked for, and only when it may.
struct Slow {
    upstream: Upstream,
    arrived: Arc<Mutex<Vec<String>>>,
    may: Arc<Semaphore>,
}

impl Slow {
    async fn new() -> Self {
        let (arrived, may) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Semaphore::new(0)));
        let (noted, allowed) = (Arc::clone(&arrived), Arc::clone(&may));
        let upstream = Upstream::answering(move |request| {
            let path = request.uri().path().to_owned();
            noted.lock().unwrap().push(path.clone());
            let allowed = Arc::clone(&allowed);
            Box::pin(async move {
                allowed.acquire().await.unwrap().forget();
                Response::new(full(path))
            })
        })
        .await;
        Self { upstream, arrived, may }
    }

    fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    async fn until_arrived(&self, many: usize) {
        soon("arrivals", async {
            while self.arrived().len() < many {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

async fn send(address: SocketAddr, path: &str) -> Wire {
    let mut client = Wire::connect(address).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\n\r\n")).await;
    client
}

fn code(answer: &Message) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.head.status(), body["code"].as_str().unwrap_or_default().to_owned())
}

async fn until_waiting(world: &World, many: u64) {
    soon("requests that wait", async {
        while world.edge.stats(Some("dev")).await.environments["dev"].services["web"].waiting != many {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn limited(table: &mut Table, queue: u32, queue_ms: u64) {
    table.services.get_mut("web").unwrap().treatment.limits = Limits { exchanges: 1, queue, queue_ms };
}

fn held(table: &mut Table) {
    table.services.get_mut("web").unwrap().treatment.hold = Some(Hold { queue: 100, most_ms: 3_600_000 });
}

#[tokio::test]
async fn first_come_first_served() {
    const MANY: usize = 6;
    let (world, slow) = (World::new().await, Slow::new().await);
    let mut it = table(1, &[("web-1", slow.upstream.address)]);
    limited(&mut it, 6, 600_000);
    let address = world.apply(&it).await;
    let mut clients = vec![send(address, "/0").await];
    slow.until_arrived(1).await;
    for number in 1..=MANY {
        clients.push(send(address, &format!("/{number}")).await);
        until_waiting(&world, number as u64).await;
    }
    // Whoever waits keeps its place, however long: newcomers find the queue full, again and again.
    for _ in 0..20 {
        let refused = send(address, "/late").await.response("GET").await;
        assert_eq!(code(&refused), (503, "queue_full".into()));
    }
    // Whoever leaves makes room at the end, not in the middle.
    let gone = clients.remove(2);
    drop(gone);
    until_waiting(&world, MANY as u64 - 1).await;
    clients.push(send(address, "/last").await);
    until_waiting(&world, MANY as u64).await;
    let expected = ["/0", "/1", "/3", "/4", "/5", "/6", "/last"];
    for (number, (client, path)) in clients.iter_mut().zip(expected).enumerate() {
        slow.until_arrived(number + 1).await;
        slow.may.add_permits(1);
        assert_eq!(client.response("GET").await.text(), path);
    }
    assert_eq!(slow.arrived(), expected);
    until_waiting(&world, 0).await;
}

/// A table that takes the limit away lets everybody in who waits, and one that brings another instance, too.
#[tokio::test]
async fn who_waits_follows_the_table() {
    let (world, slow, other) = (World::new().await, Slow::new().await, Upstream::named("other").await);
    let at = |generation| {
        let mut it = table(generation, &[("web-1", slow.upstream.address)]);
        limited(&mut it, 100, 600_000);
        it
    };
    let address = world.apply(&at(1)).await;
    let first = send(address, "/first").await;
    slow.until_arrived(1).await;
    let mut waiting = Vec::new();
    for number in 1..=20 {
        waiting.push(send(address, "/more").await);
        until_waiting(&world, number).await;
    }
    let mut next = table(2, &[("web-2", other.address)]);
    limited(&mut next, 100, 600_000);
    world.apply(&next).await;
    for client in &mut waiting {
        assert_eq!(client.response("GET").await.text(), "other");
    }
    drop(first);
    // The same for one without a limit.
    world.apply(&at(3)).await;
    let mut clients = vec![send(address, "/second").await];
    slow.until_arrived(2).await;
    for number in 1..=20 {
        clients.push(send(address, "/more").await);
        until_waiting(&world, number).await;
    }
    world.apply(&table(4, &[("web-1", slow.upstream.address)])).await;
    slow.until_arrived(22).await;
    slow.may.add_permits(22);
    for client in &mut clients {
        assert_eq!(client.response("GET").await.head.status(), 200);
    }
}

/// As happens when its only process ends and is started again.
#[tokio::test]
async fn a_service_without_instances_is_waited_for() {
    let (world, web) = (World::new().await, Upstream::named("web").await);
    let absent = |generation| {
        let mut it = table(generation, &[]);
        it.services.get_mut("web").unwrap().treatment.retries.patience_ms = 600_000;
        it
    };
    let address = world.apply(&absent(1)).await;
    let mut client = send(address, "/").await;
    until_waiting(&world, 1).await;
    // A table that changes something else does not end the wait, and it is still one wait.
    world.apply(&absent(2)).await;
    until_waiting(&world, 1).await;
    world.apply(&table(3, &[("web-1", web.address)])).await;
    assert_eq!(client.response("GET").await.text(), "web");
    until_waiting(&world, 0).await;
    assert_eq!(world.edge.stats(Some("dev")).await.environments["dev"].services["web"].no_instance, 0);
}

/// As many wait as may, those who leave make room, and nobody waits for ever.
#[tokio::test]
async fn a_wait_for_instances_is_bounded() {
    let world = World::new().await;
    let with = |generation, patience_ms| {
        let mut it = table(generation, &[]);
        let treatment = &mut it.services.get_mut("web").unwrap().treatment;
        treatment.retries.patience_ms = patience_ms;
        treatment.limits.queue = 1;
        it
    };
    let address = world.apply(&with(1, 600_000)).await;
    let first = send(address, "/").await;
    until_waiting(&world, 1).await;
    let refused = send(address, "/").await.response("GET").await;
    assert_eq!(code(&refused), (503, "no_instance".into()));
    drop(first);
    until_waiting(&world, 0).await;
    let mut second = send(address, "/").await;
    until_waiting(&world, 1).await;
    // Its patience is that of the table that serves now, and over.
    world.apply(&with(2, 1)).await;
    assert_eq!(code(&second.response("GET").await), (503, "no_instance".into()));
    let stats = world.edge.stats(Some("dev")).await;
    assert_eq!(stats.environments["dev"].services["web"].no_instance, 2);
}

/// However the end of a hold and the arrival of a request meet, nobody is forgotten: the hold would last an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_end_of_a_hold_is_missed() {
    let (world, web) = (World::new().await, Upstream::named("web").await);
    let instances = [("web-1", web.address)];
    let address = world.apply(&table(1, &instances)).await;
    for round in 1..=60 {
        let mut it = table(round * 2, &instances);
        held(&mut it);
        world.apply(&it).await;
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..8 {
            clients.spawn(async move { send(address, "/").await.response("GET").await.text() });
        }
        world.apply(&table(round * 2 + 1, &instances)).await;
        while let Some(answer) = soon("an answer", clients.join_next()).await {
            assert_eq!(answer.unwrap(), "web");
        }
    }
}

/// What a request was held for is not taken from its time in the queue.
#[tokio::test]
async fn a_hold_is_no_time_in_a_queue() {
    const QUEUE: Duration = Duration::from_secs(2);
    let (world, slow) = (World::new().await, Slow::new().await);
    let at = |generation| {
        let mut it = table(generation, &[("web-1", slow.upstream.address)]);
        limited(&mut it, 10, u64::try_from(QUEUE.as_millis()).unwrap());
        it
    };
    let address = world.apply(&at(1)).await;
    let mut first = send(address, "/first").await;
    slow.until_arrived(1).await;
    let mut it = at(2);
    held(&mut it);
    world.apply(&it).await;
    let mut second = send(address, "/second").await;
    until_waiting(&world, 1).await;
    let early = tokio::time::timeout(QUEUE, second.response("GET")).await;
    assert!(early.is_err(), "it was held and got {early:?}");
    world.apply(&at(3)).await;
    // It is let go, finds the instance busy, and has all its time before it.
    slow.may.add_permits(1);
    assert_eq!(first.response("GET").await.text(), "/first");
    slow.may.add_permits(1);
    assert_eq!(second.response("GET").await.text(), "/second");
}
