//! How the edge treats the instances of a service: limits and queue, sticky clients, weights, what they speak, patience
//! and panic.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fairway_model::traffic::{Limits, Outliers, Sticky, Treatment, Upstream as Speaks};
use fairway_route::Table;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raw::{Message, Recorder, Wire, soon};
use stage::Stage;
use support::upstream::Upstream;
use support::{World, nobody, table};
use tokio::net::TcpListener;

fn treated(generation: u64, instances: &[(&str, SocketAddr)], treat: impl FnOnce(&mut Treatment)) -> Table {
    let mut table = table(generation, instances);
    treat(&mut table.services.get_mut("web").unwrap().treatment);
    table
}

async fn send(address: SocketAddr, path: &str, fields: &str) -> Wire {
    let mut client = Wire::connect(address).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: edge.test\r\n{fields}\r\n")).await;
    client
}

async fn get(address: SocketAddr, fields: &str) -> Message {
    send(address, "/a", fields).await.response("GET").await
}

fn code(answer: &Message) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.head.status(), body["code"].as_str().unwrap_or_default().to_owned())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn limited(table: &mut Table, queue: u32, queue_ms: u64) {
    table.services.get_mut("web").unwrap().treatment.limits = Limits { exchanges: 1, queue, queue_ms };
}

#[tokio::test]
async fn an_instance_at_its_limit() {
    let stage = Stage::with(|_| {}, |table| limited(table, 1, 60_000)).await;
    let mut first = send(stage.address, "/first", "").await;
    let mut instance = stage.instance().await;
    assert_eq!(instance.request().await.head.target(), "/first");
    let mut second = send(stage.address, "/second", "").await;
    stage.world.until_waiting(1).await;
    let refused = get(stage.address, "").await;
    assert_eq!(code(&refused), (503, "queue_full".into()));
    assert!(refused.head.one("retry-after").is_some(), "{refused:?}");
    // With its client gone the second gives its place to another.
    drop(second);
    stage.world.until_waiting(0).await;
    second = send(stage.address, "/third", "").await;
    stage.world.until_waiting(1).await;
    assert_eq!(stage.world.instance("web-1").await.in_flight, 1);
    instance.send(OK).await;
    assert_eq!(first.response("GET").await.text(), "ok");
    // Another worker of the edge has a connection of its own.
    let mut instance = tokio::select! {
        read = instance.fill() => if read > 0 { instance } else { stage.instance().await },
        fresh = stage.instance() => fresh,
    };
    assert_eq!(instance.request().await.head.target(), "/third");
    instance.send(OK).await;
    assert_eq!(second.response("GET").await.text(), "ok");
    stage.world.until("web-1", |it| it.in_flight == 0 && it.total == 2).await;
}

#[tokio::test]
async fn nobody_queues_for_ever() {
    let stage = Stage::with(|_| {}, |table| limited(table, 10, 120)).await;
    let mut first = send(stage.address, "/first", "").await;
    let mut instance = stage.instance().await;
    instance.request().await;
    assert_eq!(code(&get(stage.address, "").await), (503, "queue_timeout".into()));
    instance.send(OK).await;
    assert_eq!(first.response("GET").await.text(), "ok");
}

fn stays(treatment: &mut Treatment) {
    treatment.sticky = Some(Sticky { cookie: "at".into(), max_age_s: 0 });
}

#[tokio::test]
async fn clients_stay_with_their_instance() {
    let world = World::new().await;
    let (one, two, three) =
        (Upstream::named("1").await, Upstream::named("2").await, Upstream::named("3").await);
    let all = [("1", one.address), ("2", two.address), ("3", three.address)];
    let address = world.apply(&treated(1, &all, stays)).await;
    let mut seen = BTreeSet::new();
    let mut clients = Vec::new();
    for _ in 0..30 {
        let first = get(address, "").await;
        let cookie = first.head.one("set-cookie").unwrap();
        assert!(cookie.starts_with("at=") && cookie.contains("HttpOnly"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        seen.insert(first.text());
        clients.push((format!("Cookie: theme=dark; {cookie}\r\n"), first.text()));
    }
    assert!(seen.len() > 1, "every client is with {seen:?}");
    for (cookie, at) in &clients[..3] {
        for _ in 0..20 {
            let answer = get(address, cookie).await;
            assert_eq!((answer.text(), answer.head.one("set-cookie")), (at.clone(), None));
        }
    }
    // One instance goes: its clients move once, the others stay.
    let gone = clients[0].1.clone();
    let left: Vec<_> = all.iter().filter(|(name, _)| *name != gone).copied().collect();
    world.apply(&treated(2, &left, stays)).await;
    for (cookie, at) in &clients {
        let now = get(address, cookie).await.text();
        match *at == gone {
            true => assert_ne!(now, gone),
            false => assert_eq!(now, *at),
        }
        assert_eq!(get(address, cookie).await.text(), now);
    }
}

/// An instance without weight finishes what it has and gets nothing more.
#[tokio::test]
async fn an_instance_without_weight() {
    let stage = Stage::new().await;
    let mut slow = send(stage.address, "/slow", "").await;
    let mut instance = stage.instance().await;
    instance.request().await;
    let other = Upstream::named("other").await;
    let old = stage.listener.local_addr().unwrap();
    let mut table = table(2, &[("web-1", old), ("web-2", other.address)]);
    table.services.get_mut("web").unwrap().instances[0].weight = 0;
    stage.world.apply(&table).await;
    for _ in 0..10 {
        assert_eq!(get(stage.address, "").await.text(), "other");
    }
    let stats = stage.world.instance("web-1").await;
    assert_eq!((stats.draining, stats.in_flight, stats.total, stats.weight), (true, 1, 0, 0));
    instance.send(OK).await;
    assert_eq!(slow.response("GET").await.text(), "ok");
    stage.world.until("web-1", |it| it.in_flight == 0 && it.total == 1).await;
    // With its weight it takes part again.
    let weight = |mut table: Table| {
        table.generation = 3;
        table.services.get_mut("web").unwrap().instances.truncate(1);
        table.services.get_mut("web").unwrap().instances[0].weight = 1;
        table
    };
    stage.world.apply(&weight(table)).await;
    let mut client = send(stage.address, "/back", "").await;
    let mut instance = stage.instance().await;
    assert_eq!(instance.request().await.head.target(), "/back");
    instance.send(OK).await;
    assert_eq!(client.response("GET").await.text(), "ok");
}

/// gRPC to an instance of HTTP/2: what a client of HTTP/1.1 gets of it has its trailers, too.
#[tokio::test]
async fn an_instance_that_speaks_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let instance = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let version = request.version();
                let length = request.into_body().collect().await.unwrap().to_bytes().len();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let frames = [
                    Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(format!(
                        "{version:?} {length}"
                    )))),
                    Ok(hyper::body::Frame::trailers(trailers)),
                ];
                let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
                Ok::<_, std::io::Error>(Response::new(body))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    let world = World::new().await;
    let speaks = |treatment: &mut Treatment| treatment.upstream = Speaks::H2c;
    let address = world.apply(&treated(1, &[("web-1", instance)], speaks)).await;
    let mut client = Wire::connect(address).await;
    for length in [5, 0] {
        client
            .send(format!(
                "POST /call HTTP/1.1\r\nHost: edge.test\r\nTE: trailers\r\nConnection: TE\r\n\
                 Content-Length: {length}\r\n\r\n{}",
                "x".repeat(length)
            ))
            .await;
        let answer = client.response("POST").await;
        assert_eq!(answer.text(), format!("HTTP/2.0 {length}"));
        assert_eq!(answer.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
    }
    serving.abort();
}

/// Without patience a service that is not there is an answer at once.
#[tokio::test]
async fn no_patience() {
    let world = World::new().await;
    let impatient = |treatment: &mut Treatment| treatment.retries.patience_ms = 0;
    let address = world.apply(&treated(1, &[("web-1", nobody().await)], impatient)).await;
    let began = std::time::Instant::now();
    let answer = get(address, "").await;
    assert_eq!(answer.head.status(), 502, "{answer:?}");
    // The patience that tables have by default is two seconds.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// When all are out it is as if nothing was known: a bad instance is better than none.
#[tokio::test]
async fn panic_asks_everybody() {
    let world = World::new().await;
    let failing = |name: &'static str| {
        Recorder::answering(move |_: &Message| {
            raw::Answer::bytes(format!("HTTP/1.1 503 X\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
        })
    };
    let (one, two) = (failing("one").await, failing("two").await);
    let outliers = Outliers { consecutive_5xx: 2, eject_ms: 3_600_000, ..Outliers::default() };
    let address = world
        .apply(&treated(1, &[("1", one.address()), ("2", two.address())], |it| it.outliers = outliers))
        .await;
    // Half of them may be out; the rest is asked although it fails as well. No request is without an answer of theirs.
    for _ in 0..20 {
        let answer = get(address, "").await;
        assert_eq!(answer.head.status(), 503);
        assert!(["one", "two"].contains(&&*answer.text()), "{answer:?}");
    }
    assert_eq!(one.summaries().len() + two.summaries().len(), 20);
}

/// Many WebSockets are not all told goodbye at the same moment, and every one is told.
#[tokio::test]
async fn goodbyes_are_spread() {
    const MANY: usize = 40;
    let stage = Stage::with(|_| {}, |table| table.options.goodbye_spread_ms = 10_000).await;
    let mut sockets = Vec::new();
    for _ in 0..MANY {
        let (mut client, mut instance, _) = stage
            .ask(
                "GET /ws HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            )
            .await;
        instance
            .send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            )
            .await;
        assert_eq!(client.head().await.status(), 101);
        sockets.push((client, instance));
    }
    let new = Upstream::named("new").await;
    stage.world.apply(&table(2, &[("web-2", new.address)])).await;
    let began = tokio::time::Instant::now();
    stage.world.edge.close_instance("dev", "web-1", Duration::from_secs(60)).unwrap();
    let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
    let mut clients = tokio::task::JoinSet::new();
    for (mut client, instance) in sockets {
        let told = told.clone();
        clients.spawn(async move {
            let frame = client.exactly(4).await;
            assert_eq!((frame[0], &frame[2..]), (0x88, &1012u16.to_be_bytes()[..]));
            told.send(tokio::time::Instant::now()).unwrap();
            drop(instance);
        });
    }
    drop(told);
    let mut moments = Vec::new();
    while let Some(moment) = soon("a goodbye", said.recv()).await {
        moments.push(moment);
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_eq!(moments.len(), MANY);
    // Ten milliseconds for each of them: half of them are told after 200 ms, the last one after almost 400 ms.
    // However slow this machine is, nobody may be told much before that.
    moments.sort();
    let after = |number: usize| moments[number].duration_since(began);
    assert!(after(MANY / 2) >= Duration::from_millis(100), "{:?}", after(MANY / 2));
    assert!(after(MANY - 1) >= Duration::from_millis(200), "{:?}", after(MANY - 1));
    stage.world.until("web-1", |it| it.in_flight == 0).await;
}
