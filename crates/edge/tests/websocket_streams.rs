//! WebSockets to instances that speak HTTP/2 (RFC 8441), from clients of either version.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests")]

#[path = "support/raw.rs"]
mod raw;
#[path = "support/secure.rs"]
mod secure;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use fairway_model::traffic::{Upstream, UpstreamTls};
use fairway_route::Table;
use fairway_test_authority::Authority;
use futures::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode};
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raw::Wire;
use secure::Instance;
use support::wire::{none, text};
use support::{World, table, within};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use tokio_tungstenite::{WebSocketStream, client_async};

fn speaks(generation: u64, instances: &[(&str, SocketAddr)], upstream: Upstream) -> Table {
    let mut table = table(generation, instances);
    table.services.get_mut("web").unwrap().treatment.upstream = upstream;
    table
}

async fn connect(address: SocketAddr, path: &str) -> Result<WebSocketStream<TcpStream>, SocketError> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("ws://edge.test{path}").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    let (socket, response) = within(client_async(request, stream)).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(response.headers()["upgrade"], "websocket");
    Ok(socket)
}

/// The same by a client of HTTP/2.
async fn connect_on_a_stream(address: SocketAddr) -> WebSocketStream<TokioIo<hyper::upgrade::Upgraded>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        within(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let request = |method: Method, path: &str| {
        Request::builder().method(method).uri(format!("http://edge.test{path}")).body(none()).unwrap()
    };
    // The settings of the server must have come before a client may ask.
    within(sender.send_request(request(Method::GET, "/plain"))).await.unwrap();
    let mut ask = request(Method::CONNECT, "/ws");
    ask.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    ask.extensions_mut().insert(Protocol::from_static("websocket"));
    let response = within(sender.send_request(ask)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    for name in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    let upgraded = TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap());
    WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await
}

async fn echoes<S>(socket: &mut WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    for length in [0, 1, 125, 126, 65_536, 1_000_000] {
        let message = Message::binary(vec![7; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap(), message);
    }
}

#[tokio::test]
async fn clients_of_both_versions() {
    let world = World::new().await;
    let authority = Authority::new();
    let roots = world.home.path().join("roots.pem");
    std::fs::write(&roots, authority.root()).unwrap();
    let clear = Instance::in_clear("clear", true).await;
    let secure = Instance::in_tls(&authority, "secure", "localhost", &[b"h2"]).await;
    for (generation, id, address, upstream) in
        [(1, "clear", clear.address, Upstream::H2c), (2, "secure", secure.address, Upstream::H2)]
    {
        let mut table = speaks(generation, &[(id, address)], upstream);
        table.services.get_mut("web").unwrap().treatment.upstream_tls =
            UpstreamTls { roots: Some(roots.clone()), ..UpstreamTls::default() };
        let address = world.apply(&table).await;
        let mut one = connect(address, "/ws").await.unwrap();
        let mut other = connect_on_a_stream(address).await;
        echoes(&mut one).await;
        echoes(&mut other).await;
        world.until(id, |it| it.in_flight == 2 && it.upgrades == 2).await;
        one.close(None).await.unwrap();
        while let Some(Ok(_)) = within(one.next()).await {}
        other.close(None).await.unwrap();
        while let Some(Ok(_)) = within(other.next()).await {}
        let stats = world.until(id, |it| it.in_flight == 0).await;
        assert_eq!((stats.upgrades, stats.failed.total(), stats.clients_gone), (0, 0, 0));
    }
}

/// As to instances of HTTP/1.1: a WebSocket outlives the table that it began under, and is then told to come back.
#[tokio::test]
async fn a_drained_websocket_is_told_to_come_back() {
    let world = World::new().await;
    let (old, new) = (Instance::in_clear("old", true).await, Instance::in_clear("new", true).await);
    let address = world.apply(&speaks(1, &[("old", old.address)], Upstream::H2c)).await;
    let mut one = connect(address, "/ws").await.unwrap();
    let mut other = connect_on_a_stream(address).await;
    world.apply(&speaks(2, &[("new", new.address)], Upstream::H2c)).await;
    echoes(&mut one).await;
    echoes(&mut other).await;
    let answer = world.edge.close_instance("dev", "old", Duration::from_secs(10)).unwrap();
    assert_eq!((answer.in_flight, answer.upgrades), (2, 2));
    let said = |message: Option<Result<Message, SocketError>>| match message {
        Some(Ok(Message::Close(Some(frame)))) => frame.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(within(one.next()).await), CloseCode::Restart);
    assert_eq!(said(within(other.next()).await), CloseCode::Restart);
    while let Some(Ok(_)) = within(one.next()).await {}
    while let Some(Ok(_)) = within(other.next()).await {}
    world.until("old", |it| it.in_flight == 0 && it.upgrades == 0).await;
    echoes(&mut connect(address, "/ws").await.unwrap()).await;
    assert_eq!(world.instance("new").await.upgrades, 1);
}

/// An instance may ask nothing of HTTP/2 that it has not announced (RFC 8441, 3): the client learns it, and other requests
/// go on.
#[tokio::test]
async fn an_instance_that_takes_none() {
    let world = World::new().await;
    let web = Instance::in_clear("web", false).await;
    let address = world.apply(&speaks(1, &[("web-1", web.address)], Upstream::H2c)).await;
    for number in 1..=8 {
        let SocketError::Http(refused) = connect(address, "/ws").await.unwrap_err() else {
            panic!("no answer")
        };
        assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
        let mut client = Wire::connect(address).await;
        client
            .send("GET /ws HTTP/1.1\r\nHost: edge.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            .await;
        let words = client.response("GET").await.text();
        assert!(words.contains("\"code\":\"upstream_no_websocket\""), "{words}");
        assert!(words.contains("service `web` takes no WebSockets over HTTP/2 (RFC 8441)"), "{words}");
        client.send("GET /plain HTTP/1.1\r\nHost: edge.test\r\n\r\n").await;
        assert_eq!(client.response("GET").await.text(), "web HTTP/2.0 /plain 0");
        assert_eq!(world.instance("web-1").await.failed.broken, 2 * number);
    }
    assert!(world.instance("web-1").await.standing.is_fit());
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let world = World::new().await;
    let web = Instance::in_clear("web", true).await;
    let address = world.apply(&speaks(1, &[("web-1", web.address)], Upstream::H2c)).await;
    let SocketError::Http(refused) = connect(address, "/refused").await.unwrap_err() else {
        panic!("no answer")
    };
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let mut client = support::wire::Client::connect(address).await;
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let ask = |headers: &[(&str, &str)]| support::wire::request(Method::GET, "/refused", headers);
    let response = client.send(ask(&headers)).await;
    assert_eq!(text(response).await, (StatusCode::FORBIDDEN, "not here".to_owned()));
    // What no instance of HTTP/2 could take is not sent.
    assert_eq!(client.send(ask(&headers[..3])).await.status(), StatusCode::BAD_REQUEST);
    let other = [("connection", "Upgrade"), ("upgrade", "chat/1")];
    let mut client = support::wire::Client::connect(address).await;
    assert_eq!(client.send(ask(&other)).await.status(), StatusCode::BAD_REQUEST);
}
