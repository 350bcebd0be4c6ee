//! WebSockets and other upgrades through the edge.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

mod support;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use support::upstream::Upstream;
use support::wire::{Client, fetch, full, none, request};
use support::{World, table, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::handshake::derive_accept_key};

/// Echoes WebSocket messages at `/ws`; `/chatty` sends without being asked; `/raw` upgrades to a protocol of its own.
async fn upstream(name: &'static str) -> Upstream {
    Upstream::answering(move |mut request| {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            if !request.headers().contains_key("upgrade") {
                return Response::new(full(name));
            }
            let mut response = Response::new(none());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let protocol = request.headers()["upgrade"].clone();
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", protocol);
            if let Some(key) = request.headers().get("sec-websocket-key") {
                let accept = derive_accept_key(key.as_bytes()).parse().unwrap();
                response.headers_mut().insert("sec-websocket-accept", accept);
            }
            tokio::spawn(async move {
                let upgraded = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
                if path == "/raw" {
                    let (mut from, mut to) = tokio::io::split(upgraded);
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    let _ = to.shutdown().await;
                    return;
                }
                let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
                if path == "/chatty" {
                    while socket.send(Message::text("x".repeat(10_000))).await.is_ok() {}
                    return;
                }
                while let Some(Ok(message)) = socket.next().await {
                    if !message.is_close() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
            response
        })
    })
    .await
}

async fn connect(address: std::net::SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    within(client_async(format!("ws://edge.test{path}"), stream)).await.unwrap().0
}

#[tokio::test]
async fn a_websocket_echoes() {
    let world = World::new().await;
    let web = upstream("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut socket = connect(address, "/ws").await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let message = Message::binary(vec![7; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap(), message);
    }
    let stats = world.instance("web-1").await;
    assert_eq!((stats.in_flight, stats.upgrades, stats.responses.informational), (1, 1, 1));
    socket.close(None).await.unwrap();
    while within(socket.next()).await.is_some() {}
    drop(socket);
    let stats = world.until("web-1", |it| it.in_flight == 0).await;
    assert_eq!((stats.upgrades, stats.failed.total(), stats.clients_gone), (0, 0, 0));
}

/// A WebSocket stays on its instance over swaps, is counted there, and is told to come back when the instance is
/// closed: 1012, service restart. It then finds the new one.
#[tokio::test]
async fn a_drained_websocket_is_told_to_come_back() {
    let world = World::new().await;
    let (old, new) = (upstream("old").await, upstream("new").await);
    let address = world.apply(&table(1, &[("old", old.address)])).await;
    let mut socket = connect(address, "/ws").await;
    world.apply(&table(2, &[("new", new.address)])).await;
    assert_eq!(fetch(address, "/").await.1, "new");
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("still here"));
    assert_eq!(world.instance("old").await.upgrades, 1);

    let answer = world.edge.close_instance("dev", "old", Duration::from_secs(10)).unwrap();
    assert_eq!((answer.in_flight, answer.upgrades), (1, 1));
    let Message::Close(Some(frame)) = within(socket.next()).await.unwrap().unwrap() else {
        panic!("no close")
    };
    assert_eq!(frame.code, CloseCode::Restart);
    while let Some(Ok(_)) = within(socket.next()).await {}
    world.until("old", |it| it.in_flight == 0 && it.upgrades == 0).await;
    let mut socket = connect(address, "/ws").await;
    socket.send(Message::text("back")).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("back"));
    assert_eq!(world.instance("new").await.upgrades, 1);
}

/// The close frame comes between two messages, also when the instance never stops sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_close_frame_does_not_break_a_message() {
    let world = World::new().await;
    let (old, new) = (upstream("old").await, upstream("new").await);
    let address = world.apply(&table(1, &[("old", old.address)])).await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut socket = connect(address, "/chatty").await;
        assert_eq!(within(socket.next()).await.unwrap().unwrap().len(), 10_000);
        sockets.push(socket);
    }
    world.apply(&table(2, &[("new", new.address)])).await;
    world.edge.close_instance("dev", "old", Duration::from_secs(10)).unwrap();
    for mut socket in sockets {
        loop {
            match within(socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => assert_eq!(text.len(), 10_000),
                Message::Close(frame) => {
                    assert_eq!(frame.unwrap().code, CloseCode::Restart);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(Ok(_)) = within(socket.next()).await {}
    }
    world.until("old", |it| it.in_flight == 0).await;
}

/// A client that does not answer the close frame is cut when its time is up.
#[tokio::test]
async fn a_deaf_websocket_is_cut() {
    let world = World::new().await;
    let (old, new) = (upstream("old").await, upstream("new").await);
    let address = world.apply(&table(1, &[("old", old.address)])).await;
    let socket = connect(address, "/ws").await;
    world.apply(&table(2, &[("new", new.address)])).await;
    world.edge.close_instance("dev", "old", Duration::from_millis(100)).unwrap();
    world.until("old", |it| it.in_flight == 0).await;
    drop(socket);
}

/// Any protocol goes through, with each direction closed on its own.
#[tokio::test]
async fn another_protocol_and_half_closed_connections() {
    let world = World::new().await;
    let web = upstream("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let headers = [("connection", "Upgrade"), ("upgrade", "chat/1")];
    let mut response = client.send(request(http::Method::GET, "/raw", &headers)).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "chat/1");
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"hello");
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    within(stream.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "last words");
    world.until("web-1", |it| it.in_flight == 0 && it.upgrades == 0).await;
}

/// A server that does not want to switch answers as it likes, and the connection stays what it was.
#[tokio::test]
async fn a_refused_upgrade_is_an_answer() {
    let world = World::new().await;
    let web = Upstream::named("no").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let mut client = Client::connect(address).await;
    let headers = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let response = client.send(request(http::Method::GET, "/", &headers)).await;
    assert_eq!(support::wire::text(response).await, (StatusCode::OK, "no".into()));
    assert_eq!(client.get("/").await.1, "no");
}

/// A client that vanishes takes its tunnel with it.
#[tokio::test]
async fn a_client_that_vanishes() {
    let world = World::new().await;
    let web = upstream("web").await;
    let address = world.apply(&table(1, &[("web-1", web.address)])).await;
    let socket = connect(address, "/ws").await;
    world.until("web-1", |it| it.upgrades == 1).await;
    drop(socket);
    world.until("web-1", |it| it.upgrades == 0 && it.in_flight == 0).await;
}
