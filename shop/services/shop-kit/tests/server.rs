//! Stopping a server: what is in flight is finished, what is idle does not hold the exit.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "a world that can't be set up ends the test")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use shop_kit::testing::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

/// A server whose `/slow` answers when told to, and says when it was asked.
struct Gate {
    entered: Arc<Semaphore>,
    open: Arc<Notify>,
}

impl Gate {
    async fn server() -> (Self, TestServer) {
        let gate = Self { entered: Arc::new(Semaphore::new(0)), open: Arc::new(Notify::new()) };
        let (entered, open) = (Arc::clone(&gate.entered), Arc::clone(&gate.open));
        let slow = async move || {
            let opened = open.notified();
            entered.add_permits(1);
            opened.await;
            "done"
        };
        let app = Router::new().route("/slow", get(slow)).route("/fast", get(async || "fast"));
        (gate, TestServer::start(app).await)
    }

    async fn wait_for(&self, requests: u32) {
        timeout(LONG, self.entered.acquire_many(requests)).await.unwrap().unwrap().forget();
    }
}

async fn send(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
}

/// Reads one answer with a content length; an empty text when the connection ended instead.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    loop {
        let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let complete = ["done", "fast"].iter().any(|end| text.ends_with(end));
        if complete || read == 0 {
            return text;
        }
    }
}

#[tokio::test]
async fn requests_in_flight_are_finished() {
    let (gate, server) = Gate::server().await;
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let address = server.address().to_owned();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // A first request makes this a kept-alive connection.
            send(&mut stream, "/fast").await;
            assert!(answer(&mut stream).await.ends_with("fast"));
            send(&mut stream, "/slow").await;
            answer(&mut stream).await
        });
    }
    gate.wait_for(50).await;
    let address = server.address().to_owned();
    server.ask_to_stop();
    // Once nobody listens any more, the stop has been noticed and all fifty are still waiting.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open.notify_waiters();
    let answers = timeout(LONG, clients.join_all()).await.unwrap();
    for text in answers {
        assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("done"), "{text:?}");
        assert!(text.contains("connection: close"), "a client learns that the connection ends: {text:?}");
    }
    timeout(LONG, server.stop()).await.unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_exit() {
    let (_gate, server) = Gate::server().await;
    let mut used = TcpStream::connect(server.address()).await.unwrap();
    send(&mut used, "/fast").await;
    assert!(answer(&mut used).await.ends_with("fast"));
    let mut unused = TcpStream::connect(server.address()).await.unwrap();
    // Accepted for sure: the server has answered a connection that came later.
    let mut later = TcpStream::connect(server.address()).await.unwrap();
    send(&mut later, "/fast").await;
    answer(&mut later).await;

    timeout(Duration::from_secs(5), server.stop()).await.expect("well before the deadline of ten seconds");
    for stream in [&mut used, &mut unused, &mut later] {
        assert_eq!(answer(stream).await, "", "closed by the server");
    }
}

#[tokio::test]
async fn a_connection_that_has_just_been_opened_is_still_answered() {
    let (_gate, server) = Gate::server().await;
    let mut early = TcpStream::connect(server.address()).await.unwrap();
    // The server knows the connection: it has answered one that came later.
    let mut later = TcpStream::connect(server.address()).await.unwrap();
    send(&mut later, "/fast").await;
    answer(&mut later).await;

    server.ask_to_stop();
    send(&mut early, "/fast").await;
    let text = answer(&mut early).await;
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("fast"), "{text:?}");
    timeout(LONG, server.stop()).await.unwrap();
}
