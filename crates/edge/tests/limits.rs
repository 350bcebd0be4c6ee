//! Clients that are slow, silent or too many.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use support::upstream::Upstream;
use support::wire::{Client, fetch};
use support::{World, table, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A head that has begun must arrive soon; a connection that is merely idle may stay.
#[tokio::test]
async fn a_slow_head_is_cut_off_and_an_idle_connection_is_not() {
    let world = World::with(|settings| settings.head_timeout = Duration::from_millis(100)).await;
    let web = Upstream::named("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut idle = Client::connect(address).await;
    let mut used = Client::connect(address).await;
    assert_eq!(used.get("/").await.1, "web");
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    let mut answer = String::new();
    within(slow.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    // Both are older than the one that was cut off.
    assert_eq!(idle.get("/").await.1, "web");
    assert_eq!(used.get("/").await.1, "web");
}

#[tokio::test]
async fn an_idle_connection_does_not_stay_for_ever() {
    let world = World::with(|settings| settings.keep_alive = Duration::from_millis(100)).await;
    let web = Upstream::named("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    within(idle.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"");
}

/// A client that stops taking its answer does not keep the instance from draining.
#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let world = World::with(|settings| settings.stall_timeout = Duration::from_millis(100)).await;
    let web = Upstream::answering(|_| {
        Box::pin(async {
            let pieces = std::iter::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[7; 64 * 1024]))));
            Response::new(StreamBody::new(futures::stream::iter(pieces)).boxed_unsync())
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut some = [0; 1024];
    assert!(within(client.read(&mut some)).await.unwrap() > 0);
    let stats = world.until("web-1", |it| it.in_flight == 0).await;
    assert_eq!(stats.clients_gone, 1);
}

/// More clients than allowed are told so, at once; when one leaves there is room again.
#[tokio::test]
async fn too_many_connections_are_turned_away() {
    let world = World::with(|settings| settings.connections = 2).await;
    let web = Upstream::named("web").await;
    let mut it = table(1, &[("web-1", web.address)]);
    // A listener on which nobody calls takes no room.
    it.listeners.insert("second".into(), ([127, 0, 0, 1], 0).into());
    it.listeners.insert("third".into(), ([127, 0, 0, 1], 0).into());
    let address = world.apply(&it).await;
    let (mut one, mut two) = (Client::connect(address).await, Client::connect(address).await);
    assert_eq!((one.get("/").await.1, two.get("/").await.1), ("web".into(), "web".into()));
    let mut three = TcpStream::connect(address).await.unwrap();
    let mut answer = String::new();
    within(three.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("of the edge are taken"), "{answer}");
    assert_eq!((one.get("/").await.1, two.get("/").await.1), ("web".into(), "web".into()));
    one.leave();
    within(async {
        while world.edge.stats(None).await.connections > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(fetch(address, "/").await, (StatusCode::OK, "web".into()));
}

/// Connections to instances are few and used again, also by many clients at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_instances_are_kept() {
    let world = World::new().await;
    let web = Upstream::named("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            for _ in 0..100 {
                assert_eq!(client.get("/").await, (StatusCode::OK, "web".into()));
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(web.requests(), 800);
    assert!(web.connections() <= 24, "{} connections for 8 clients", web.connections());
    assert_eq!(fetch(address, "/").await.1, "web");
}

/// A client that waits for leave to send its body gets it from the instance.
#[tokio::test]
async fn expect_continue() {
    let world = World::new().await;
    let web = Upstream::answering(|request| {
        Box::pin(async move {
            assert_eq!(request.headers()["expect"], "100-continue");
            // Asking for the body is what gives leave.
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(http_body_util::Full::from(body).map_err(|never| match never {}).boxed_unsync())
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\nconnection: close\r\n\r\n";
    client.write_all(head).await.unwrap();
    let mut leave = Vec::new();
    while !leave.ends_with(b"\r\n\r\n") {
        leave.push(within(client.read_u8()).await.unwrap());
    }
    assert!(leave.starts_with(b"HTTP/1.1 100 Continue\r\n"));
    client.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nbody"), "{answer}");
}

/// Length and chunks at once: what is passed on has one meaning.
#[tokio::test]
async fn a_request_with_two_lengths_has_one_behind_the_edge() {
    let world = World::new().await;
    let web = Upstream::answering(|request| {
        Box::pin(async move {
            assert!(!request.headers().contains_key("content-length"));
            Response::new(request.into_body().map_err(std::io::Error::other).boxed_unsync())
        })
    })
    .await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let both = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
        2\r\nhi\r\n0\r\n\r\n";
    client.write_all(both).await.unwrap();
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    // Refused or understood, but not passed on as it was.
    assert!(answer.starts_with("HTTP/1.1 400") || answer.contains("hi"), "{answer}");
    assert!(web.requests() <= 1);
}
