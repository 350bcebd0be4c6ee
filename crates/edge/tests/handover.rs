//! One edge takes over from another: real processes, and clients that forgive nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod handovers;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use fairway_edge::client::Client;
use futures::{SinkExt, StreamExt};
use handovers::load::{Load, Web};
use handovers::process::{Home, Process};
use http::StatusCode;
use support::upstream::Upstream;
use support::wire::{self, fetch};
use support::{table, within};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

/// Three upgrades in a row, under load of every kind: nobody is refused, no request fails, a download that began before
/// the first of them ends after the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_an_upgrade_is_not_an_outage() {
    let home = Home::new();
    let web = Web::new().await;
    let mut edges = vec![Process::start(&home, &["2", "--grace", "1500"])];
    edges[0].answers().await;
    let address = home.apply(&table(1, &[("web-1", web.upstream.address)])).await;
    let (mut pieces, mut download) = web.download(address).await;
    let idle = TcpStream::connect(address).await.unwrap();
    let load = Load::start(address);
    load.more(100).await;
    for workers in ["2", "1", "3"] {
        let next = Process::start(&home, &[workers, "--take-over", "--grace", "1500"]);
        next.answers().await;
        edges.push(next);
        load.more(200).await;
        pieces.send("more").await;
        assert_eq!(wire::next(&mut download).await.unwrap().unwrap(), "more");
    }
    pieces.send("the end").await;
    drop(pieces);
    assert_eq!(wire::next(&mut download).await.unwrap().unwrap(), "the end");
    assert!(wire::next(&mut download).await.is_none());
    // They end by themselves: the one with the idle connection when that was closed.
    let last = edges.pop().unwrap();
    for edge in &mut edges {
        assert_eq!(edge.ended().await, (Some(0), edge.log()));
    }
    drop(idle);
    load.more(200).await;
    let counts = load.stop().await;
    assert!(counts.failures.is_empty(), "{counts:#?}");
    assert!(counts.websockets_told >= 3, "{counts:#?}");
    // Whoever was left out by a GOAWAY was right to ask again: only what was answered was passed on.
    assert_eq!(web.counted(), counts.http2);
    let client = home.client();
    assert_eq!(client.info().await.unwrap().pid, last.pid());
    let stats = client.stats(None).await.unwrap();
    assert_eq!(stats.environments["dev"].services["web"].instances["web-1"].failed.total(), 0);
}

/// An instance that left the table is busy until it is idle in both, and a connection that stayed with the predecessor
/// finds the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_predecessor_follows_and_is_counted() {
    let home = Home::new();
    let (held, released) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (holding, release) = (held.clone(), released.clone());
    let old = Upstream::answering(move |request| {
        let (holding, release) = (holding.clone(), release.clone());
        Box::pin(async move {
            if request.uri().path() == "/slow" {
                holding.notify_one();
                release.notified().await;
            }
            http::Response::new(wire::full("old"))
        })
    })
    .await;
    let new = Upstream::named("new").await;
    let mut first = Process::start(&home, &["--grace", "60000"]);
    first.answers().await;
    let address = home.apply(&table(1, &[("old", old.address)])).await;
    let slow = tokio::spawn(async move { fetch(address, "/slow").await });
    within(held.notified()).await;
    let mut stays = wire::Client::connect(address).await;
    assert_eq!(stays.get("/").await.1, "old");
    let second = Process::start(&home, &["--take-over"]);
    second.answers().await;
    let in_flight = async |id: &str| {
        let stats = home.client().stats(Some("dev")).await.unwrap();
        stats.environments["dev"].services["web"].instances.get(id).map_or(0, |instance| instance.in_flight)
    };
    assert_eq!(in_flight("old").await, 1);
    assert_eq!(home.apply(&table(2, &[("new", new.address)])).await, address);
    assert_eq!(in_flight("old").await, 1);
    // This connection belongs to the predecessor. It is answered by the table of the successor, and told to go.
    let response = stays.send(wire::get("/")).await;
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(wire::text(response).await, (StatusCode::OK, "new".into()));
    assert_eq!(fetch(address, "/").await.1, "new");
    released.notify_one();
    assert_eq!(slow.await.unwrap(), (StatusCode::OK, "old".into()));
    within(async {
        while in_flight("old").await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(first.ended().await.0, Some(0));
    assert_eq!(fetch(address, "/").await.1, "new");
    drop(second);
}

/// Closing an instance, and ending, reach the predecessor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_successor_is_told_the_predecessor_is_told() {
    let home = Home::new();
    let web = Web::new().await;
    let mut first = Process::start(&home, &["--grace", "60000"]);
    first.answers().await;
    let address = home.apply(&table(1, &[("web-1", web.upstream.address)])).await;
    let (_pieces, mut cut) = web.download(address).await;
    let second = Process::start(&home, &["--take-over"]);
    second.answers().await;
    let client = home.client();
    home.apply(&table(2, &[])).await;
    let closed = client.close_instance("dev", "web-1", Duration::ZERO).await.unwrap();
    assert_eq!(closed.in_flight, 1);
    assert!(wire::next(&mut cut).await.unwrap().is_err());
    let idle = TcpStream::connect(address).await.unwrap();
    client.shutdown(Duration::from_secs(10)).await.unwrap();
    assert_eq!(first.ended().await.0, Some(0));
    drop((idle, second));
}

/// WebSockets are told to come back, and do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_told_to_come_back() {
    let home = Home::new();
    let web = Web::new().await;
    let first = Process::start(&home, &["--grace", "100"]);
    first.answers().await;
    let address = home.apply(&table(1, &[("web-1", web.upstream.address)])).await;
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        within(client_async("ws://edge.test/ws", stream)).await.unwrap().0
    };
    let mut socket = connect().await;
    socket.send(Message::text("here")).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("here"));
    let second = Process::start(&home, &["--take-over"]);
    second.answers().await;
    let Message::Close(Some(frame)) = within(socket.next()).await.unwrap().unwrap() else {
        panic!("no close")
    };
    assert_eq!(u16::from(frame.code), 1012);
    let mut socket = connect().await;
    socket.send(Message::text("back")).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("back"));
}

/// What a successor would say, up to some word.
struct Impostor {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Impostor {
    fn says_hello(home: &Home) -> Self {
        let stream = UnixStream::connect(home.path().join("edge/handover.sock")).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut it = Self { stream, lines };
        it.says(r#"{"hello":{"formats":[1],"version":"next","pid":1}}"#);
        assert!(it.hears().starts_with(r#"{"bequest":{"format":1,"#));
        it
    }

    fn says(&mut self, line: &str) {
        self.stream.write_all(line.as_bytes()).unwrap();
        self.stream.write_all(b"\n").unwrap();
    }

    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

/// A successor that ends, at whatever point before it serves, has changed nothing; the next one is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_dies_changes_nothing() {
    let home = Home::new();
    let web = Web::new().await;
    let mut first = Process::start(&home, &["--grace", "100"]);
    first.answers().await;
    let address = home.apply(&table(1, &[("web-1", web.upstream.address)])).await;
    let mut kept = wire::Client::connect(address).await;
    let mut generation = 1;
    for death in ["after hello", "before serving", "in its place", "with nonsense"] {
        let mut successor = Impostor::says_hello(&home);
        match death {
            "before serving" | "in its place" => {
                successor.says(r#""ready""#);
                assert!(successor.hears().starts_with(r#"{"yours":{"stats":{"#));
                if death == "in its place" {
                    std::fs::remove_file(home.path().join("edge.sock")).unwrap();
                    std::fs::remove_file(home.path().join("edge/handover.sock")).unwrap();
                }
            }
            "with nonsense" => {
                successor.says("nonsense");
                assert!(successor.hears().starts_with(r#"{"refused":{"why":"#));
            }
            _ => {}
        }
        drop(successor);
        first.answers().await;
        generation += 1;
        assert_eq!(home.apply(&table(generation, &[("web-1", web.upstream.address)])).await, address);
        let response = kept.send(wire::get("/")).await;
        assert!(!response.headers().contains_key("connection"), "{death}");
        assert_eq!(wire::text(response).await.1, "web");
    }
    within(async {
        while !home.path().join("edge/handover.sock").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let second = Process::start(&home, &["--take-over"]);
    second.answers().await;
    assert_eq!(fetch(address, "/").await.1, "web");
    drop(kept);
    assert_eq!(first.ended().await.0, Some(0));
}

/// One wins, the other one says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_successors_at_once() {
    let home = Home::new();
    let web = Web::new().await;
    let first = Process::start(&home, &[]);
    first.answers().await;
    let address = home.apply(&table(1, &[("web-1", web.upstream.address)])).await;
    let one = Impostor::says_hello(&home);
    let mut other = Process::start(&home, &["--take-over"]);
    let (code, log) = other.ended().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another successor is taking over already; it serves on"), "{log}");
    drop(one);
    first.answers().await;
    assert_eq!(fetch(address, "/").await.1, "web");
    // As many as like at the same moment: whoever answers in the end is one that did not give up.
    let mut all: Vec<Process> =
        (0..3).map(|_| Process::start(&home, &["--take-over", "--grace", "100"])).collect();
    let mut codes = Vec::new();
    for process in &mut all {
        if !process.answers_or_ends().await {
            let (code, log) = process.ended().await;
            assert!(log.contains("hands nothing over") || code == Some(0), "{log}");
            codes.push(code);
        }
    }
    let pid = home.client().info().await.unwrap().pid;
    assert!(all.iter().any(|process| process.pid() == pid) && codes.len() < 3);
    assert_eq!(fetch(address, "/").await.1, "web");
}

/// Without `--take-over` an edge that runs is left alone; with it and nobody there an edge just starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_over_is_asked_for() {
    let home = Home::new();
    let first = Process::start(&home, &["--take-over"]);
    first.answers().await;
    let mut second = Process::start(&home, &[]);
    let (code, log) = second.ended().await;
    assert_eq!(code, Some(1));
    assert!(log.contains("another edge runs in"), "{log}");
    first.answers().await;
}

/// The predecessor is killed while it still has something to do: that is lost, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_predecessor_that_is_killed() {
    let home = Home::new();
    let web = Web::new().await;
    let first = Process::start(&home, &[]);
    first.answers().await;
    let address = home.apply(&table(1, &[("web-1", web.upstream.address)])).await;
    let (_pieces, mut lost) = web.download(address).await;
    let second = Process::start(&home, &["--take-over"]);
    second.answers().await;
    let load = Load::start(address);
    load.more(50).await;
    drop(first);
    assert!(wire::next(&mut lost).await.unwrap().is_err());
    load.more(50).await;
    home.apply(&table(2, &[("web-2", web.upstream.address)])).await;
    load.more(50).await;
    let counts = load.stop().await;
    assert!(counts.failures.is_empty(), "{counts:#?}");
    let stats = within(async {
        loop {
            let stats = Client::in_home(home.path()).stats(Some("dev")).await.unwrap();
            let web = stats.environments["dev"].services["web"].clone();
            if web.instances["web-1"].in_flight == 0 {
                return web;
            }
        }
    })
    .await;
    assert!(stats.instances["web-1"].draining);
    // The lock was not the predecessor's any more.
    let third = Process::start(&home, &["--take-over"]);
    third.answers().await;
    drop(second);
    assert_eq!(fetch(address, "/").await.1, "web");
}
