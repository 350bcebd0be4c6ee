//! The faults of `faults.rs` that are about health and about holding requests.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fairway_edge::{Edge, Settings};
use fairway_model::traffic::{Hold, Outliers, Probe};
use fairway_route::Table;
use raw::{Answer, Message, Recorder, Wire, soon};
use support::{World, nobody, table};

/// An instance whose health is a status that the test sets. Its answers to everything else are its name.
struct Instance {
    recorder: Recorder,
    health: Arc<AtomicU32>,
}

impl Instance {
    async fn new(name: &'static str) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), name).await
    }

    async fn at(address: SocketAddr, name: &'static str) -> Self {
        let health = Arc::new(AtomicU32::new(200));
        let status = health.clone();
        let recorder = Recorder::on(address, move |request: &Message| match request.head.target() {
            "/up" => {
                let status = status.load(Ordering::SeqCst);
                Answer::bytes(format!("HTTP/1.1 {status} X\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"))
            }
            _ => Answer::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())),
        })
        .await;
        Self { recorder, health }
    }

    fn is(&self, status: u32) {
        self.health.store(status, Ordering::SeqCst);
    }

    fn probes(&self) -> usize {
        self.recorder.log().requests.iter().filter(|it| it.head.target() == "/up").count()
    }

    /// Waits for so many more probes.
    async fn probed(&self, more: usize) {
        let wanted = self.probes() + more;
        soon("probes", async {
            while self.probes() < wanted {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn probed(generation: u64, instances: &[(&str, SocketAddr)], probe: impl FnOnce(&mut Probe)) -> Table {
    let mut table = table(generation, instances);
    let mut asked =
        Probe { path: "/up".into(), host: None, interval_ms: 20, timeout_ms: 500, rise: 2, fall: 3 };
    probe(&mut asked);
    let treatment = &mut table.services.get_mut("web").unwrap().treatment;
    treatment.probe = Some(asked);
    // Only the probes decide here.
    treatment.outliers = Outliers { consecutive_failures: 0, ..Outliers::default() };
    table
}

async fn get(address: SocketAddr) -> (u16, String) {
    let mut client = Wire::connect(address).await;
    client.send("GET /a HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n").await;
    let answer = client.response("GET").await;
    (answer.head.status(), answer.text())
}

/// Who answers twenty requests, which are all answered.
async fn serving(address: SocketAddr) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..20 {
        let (status, name) = get(address).await;
        assert_eq!(status, 200, "{name}");
        names.push(name);
    }
    names.sort();
    names.dedup();
    names
}

/// Waits until exactly these serve. No request fails meanwhile.
async fn until_serving(address: SocketAddr, wanted: &[&str]) {
    let mut last = Vec::new();
    let reached = async {
        loop {
            last = serving(address).await;
            if last == wanted {
                return;
            }
        }
    };
    if tokio::time::timeout(raw::PATIENCE, reached).await.is_err() {
        panic!("wanted {wanted:?}, {last:?} serve");
    }
}

/// After a restart instances serve at once and are probed at once: one that is not well any more goes.
#[tokio::test]
async fn f05_after_a_restart_instances_are_probed() {
    let (one, two) = (Instance::new("one").await, Instance::new("two").await);
    let address = nobody().await;
    let home = tempfile::tempdir().unwrap();
    let edge = Edge::start(Settings::new(home.path())).await.unwrap();
    let mut it = probed(1, &[("one", one.recorder.address()), ("two", two.recorder.address())], |_| {});
    it.listeners.insert("public".into(), address);
    edge.apply(it).await.unwrap();
    assert_eq!(serving(address).await, ["one", "two"]);
    edge.shutdown(Duration::from_secs(5)).await;
    two.is(503);
    let edge = Edge::start(Settings::new(home.path())).await.unwrap();
    assert_eq!(get(address).await.0, 200);
    until_serving(address, &["one"]).await;
    two.is(200);
    until_serving(address, &["one", "two"]).await;
    edge.shutdown(Duration::from_secs(5)).await;
}

/// A single instance is probed for as long as it is in the table, not until the first success.
#[tokio::test]
async fn f06_a_single_instance_that_dies_is_noticed() {
    let world = World::new().await;
    let at = nobody().await;
    let web = Instance::at(at, "web").await;
    let address = world.apply(&probed(1, &[("web-1", at)], |_| {})).await;
    assert_eq!(get(address).await.0, 200);
    web.probed(10).await;
    drop(web);
    // It comes back by itself, without a new table.
    let web = Instance::at(at, "again").await;
    web.probed(3).await;
    until_serving(address, &["again"]).await;
}

/// One bad answer takes nobody out and one good answer brings nobody back; and when nobody is well, they are asked all
/// the same.
#[tokio::test]
async fn f07_thresholds_and_panic() {
    let world = World::new().await;
    let (one, two) = (Instance::new("one").await, Instance::new("two").await);
    let it = probed(1, &[("one", one.recorder.address()), ("two", two.recorder.address())], |_| {});
    let address = world.apply(&it).await;
    two.probed(3).await;
    two.is(500);
    until_serving(address, &["one"]).await;
    two.is(200);
    until_serving(address, &["one", "two"]).await;
    // All of them: a bad instance is better than none.
    one.is(500);
    two.is(500);
    one.probed(5).await;
    two.probed(5).await;
    assert!(!serving(address).await.is_empty());
}

/// So many bad answers in a row, not fewer: an instance that stumbles now and then stays.
#[tokio::test]
async fn f07_an_instance_that_stumbles_stays() {
    let world = World::new().await;
    let one = Instance::new("one").await;
    let number = AtomicU32::new(0);
    let two = Recorder::answering(move |request: &Message| match request.head.target() {
        // Every second one is bad.
        "/up" if number.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) => {
            Answer::bytes("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
        }
        _ => Answer::bytes("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"),
    })
    .await;
    let address =
        world.apply(&probed(1, &[("one", one.recorder.address()), ("two", two.address())], |_| {})).await;
    one.probed(20).await;
    assert_eq!(serving(address).await, ["one", "two"]);
}

/// A redirect is not health, whatever is behind it.
#[tokio::test]
async fn f08_redirects_are_not_followed() {
    let world = World::new().await;
    let (one, two) = (Instance::new("one").await, Instance::new("two").await);
    two.is(302);
    let it = probed(1, &[("one", one.recorder.address()), ("two", two.recorder.address())], |_| {});
    let address = world.apply(&it).await;
    until_serving(address, &["one"]).await;
    assert!(two.recorder.log().requests.iter().all(|it| it.head.target() != "/login"));
}

/// Probes ask for the host that is written down.
#[tokio::test]
async fn f09_probes_name_the_host() {
    for (host, expected) in [(Some("shop.test"), "shop.test"), (None, "localhost")] {
        let world = World::new().await;
        let web = Instance::new("web").await;
        let it = probed(1, &[("web-1", web.recorder.address())], |probe| probe.host = host.map(Into::into));
        world.apply(&it).await;
        web.probed(2).await;
        let log = web.recorder.log();
        let probe = log.requests.iter().find(|it| it.head.target() == "/up").unwrap();
        assert_eq!((probe.head.method(), probe.head.one("host")), ("GET", Some(expected)));
        assert_eq!(log.violations, Vec::<String>::new());
    }
}

fn held(generation: u64, revision: u64, instance: SocketAddr, hold: Option<Hold>) -> Table {
    let mut table = table(generation, &[("web-1", instance)]);
    table.revision = revision;
    table.services.get_mut("web").unwrap().treatment.hold = hold;
    table
}

/// However often requests are held and let go, none of them is lost between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_no_request_falls_between_hold_and_release() {
    let world = World::new().await;
    let web = Recorder::new().await;
    let address = world.apply(&held(1, 0, web.address(), None)).await;
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let over = over.clone();
            tokio::spawn(async move {
                let mut answered = 0;
                while !over.load(Ordering::SeqCst) {
                    let (status, body) = get(address).await;
                    assert_eq!((status, body.as_str()), (200, "GET /a 0"));
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for revision in 1..=60 {
        world.apply(&held(1, revision, web.address(), (revision % 2 == 1).then(Hold::default))).await;
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for client in clients {
        answered += soon("a client", client).await.unwrap();
    }
    assert!(answered > 0);
    assert_eq!(web.log().requests.len(), answered);
}

/// Who waits no longer is not waited for; and only so many wait.
#[tokio::test]
async fn f15_the_queue_has_a_limit_and_notices_who_leaves() {
    let world = World::new().await;
    let web = Recorder::new().await;
    let hold = Hold { queue: 2, most_ms: 60_000 };
    let address = world.apply(&held(1, 0, web.address(), Some(hold))).await;
    let ask = async |path: &str| {
        let mut client = Wire::connect(address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\n\r\n")).await;
        client
    };
    let (first, second) = (ask("/first").await, ask("/second").await);
    world.until_waiting(2).await;
    let refused = ask("/third").await.response("GET").await;
    assert_eq!(refused.head.status(), 503);
    assert!(refused.head.one("retry-after").is_some(), "{refused:?}");
    // One leaves, another one takes the place: it is not refused.
    drop(first);
    world.until_waiting(1).await;
    let waiting = ask("/fourth").await;
    world.until_waiting(2).await;
    world.apply(&held(1, 1, web.address(), None)).await;
    for (mut client, path) in [(second, "/second"), (waiting, "/fourth")] {
        assert_eq!(client.response("GET").await.text(), format!("GET {path} 0"));
    }
    let arrived = web.summaries();
    assert!(!arrived.contains(&"GET /first 0".into()), "{arrived:?}");
}

/// Nobody is held for ever.
#[tokio::test]
async fn f15_a_hold_has_an_end() {
    let world = World::new().await;
    let web = Recorder::new().await;
    let address = world.apply(&held(1, 0, web.address(), Some(Hold { queue: 10, most_ms: 200 }))).await;
    assert_eq!(get(address).await.0, 504);
    assert_eq!(web.summaries(), Vec::<String>::new());
}

/// The restart of a single instance is no error for anybody: they wait for it.
#[tokio::test]
async fn f16_a_single_instance_may_restart() {
    let world = World::new().await;
    let at = nobody().await;
    let mut it = table(1, &[("web-1", at)]);
    it.services.get_mut("web").unwrap().treatment.retries.patience_ms = 10_000;
    let address = world.apply(&it).await;
    let waiting: Vec<_> = (0..5)
        .map(|number| {
            tokio::spawn(async move {
                let mut client = Wire::connect(address).await;
                let request = match number % 2 {
                    0 => "GET /a HTTP/1.1\r\nHost: edge.test\r\n\r\n",
                    _ => "POST /a HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 5\r\n\r\nhello",
                };
                client.send(request).await;
                client.response("GET").await
            })
        })
        .collect();
    world.until("web-1", |it| it.in_flight >= 1).await;
    let _web = Recorder::on(at, Answer::summary).await;
    for waiting in waiting {
        let answer = soon("an answer", waiting).await.unwrap();
        assert_eq!(answer.head.status(), 200, "{answer:?}");
    }
}
