//! Clients that never stop and forgive nothing. A connection that the edge closes counts as a failure when a byte of a
//! request was sent on it that was not answered.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Response, StatusCode};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::handshake::derive_accept_key};

use crate::support::upstream::Upstream;
use crate::support::wire::{self, AnyBody, full, none, piece, piecewise};
use crate::support::within;

type Pieces = mpsc::UnboundedSender<io::Result<Frame<Bytes>>>;

/// An instance: `/` says `web`, `/counted` does so and counts, `/ws` echoes, `/download` sends what the test says.
pub struct Web {
    pub upstream: Upstream,
    counted: Arc<AtomicU64>,
    downloads: tokio::sync::Mutex<mpsc::UnboundedReceiver<Pieces>>,
}

/// The sender of a download.
pub struct Download(Pieces);

impl Download {
    pub async fn send(&mut self, text: &'static str) {
        self.0.send(piece(text)).unwrap();
    }
}

impl Web {
    pub async fn new() -> Self {
        let (begun, downloads) = mpsc::unbounded_channel();
        let counted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&counted);
        let upstream = Upstream::answering(move |mut request| {
            let begun = begun.clone();
            if request.uri().path() == "/counted" {
                count.fetch_add(1, Ordering::Relaxed);
            }
            Box::pin(async move {
                match request.uri().path() {
                    "/download" => {
                        let (pieces, body) = piecewise();
                        begun.send(pieces).unwrap();
                        Response::new(body)
                    }
                    "/ws" => {
                        let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
                        tokio::spawn(async move {
                            let Ok(upgraded) = hyper::upgrade::on(&mut request).await else { return };
                            let io = TokioIo::new(upgraded);
                            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
                            while let Some(Ok(message)) = socket.next().await {
                                if !message.is_close() && socket.send(message).await.is_err() {
                                    return;
                                }
                            }
                        });
                        let mut response = Response::new(none());
                        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                        for (name, value) in [
                            ("connection", "upgrade"),
                            ("upgrade", "websocket"),
                            ("sec-websocket-accept", &accept),
                        ] {
                            response.headers_mut().insert(name, value.parse().unwrap());
                        }
                        response
                    }
                    _ => Response::new(full("web")),
                }
            })
        })
        .await;
        Self { upstream, counted, downloads: tokio::sync::Mutex::new(downloads) }
    }

    /// How often it was asked for `/counted`.
    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// A download through the edge that has begun.
    pub async fn download(&self, address: SocketAddr) -> (Download, Incoming) {
        let asking = tokio::spawn(async move {
            let mut client = wire::Client::connect(address).await;
            client.send(wire::get("/download")).await
        });
        let pieces = within(async { self.downloads.lock().await.recv().await.unwrap() }).await;
        pieces.send(piece("begun")).unwrap();
        let mut body = asking.await.unwrap().into_body();
        assert_eq!(wire::next(&mut body).await.unwrap().unwrap(), "begun");
        (Download(pieces), body)
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Counts {
    pub failures: Vec<String>,
    /// Answers over HTTP/2, each to a request for `/counted`.
    pub http2: u64,
    pub websockets_told: u64,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    answered: [AtomicU64; KINDS],
    told: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// Kinds of clients: see [`Load::start`].
const KINDS: usize = 5;

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }

    fn failed(&self, what: &str, error: impl std::fmt::Display) {
        self.failures.lock().unwrap().push(format!("{what}: {error}"));
    }
}

impl Load {
    /// Connections that are used once, busy ones, ones with pauses, HTTP/2 and WebSockets.
    pub fn start(address: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let mut clients = Vec::new();
        for _ in 0..2 {
            let pauses = [None, Some(Duration::from_millis(7)), Some(Duration::from_millis(40))];
            clients.push(tokio::spawn(fresh(Arc::clone(&shared), address)));
            for (kind, pause) in pauses.into_iter().enumerate() {
                clients.push(tokio::spawn(kept(Arc::clone(&shared), address, pause, kind.min(1) + 1)));
            }
            clients.push(tokio::spawn(http2(Arc::clone(&shared), address)));
            clients.push(tokio::spawn(websocket(Arc::clone(&shared), address)));
        }
        Self { shared, clients }
    }

    /// Waits for so many more answers of each kind, or a failure.
    pub async fn more(&self, count: u64) {
        let count = |kind: usize| if kind == 2 { count / 10 } else { count };
        let now = || self.shared.answered.each_ref().map(|answered| answered.load(Ordering::Relaxed));
        let before = now();
        let enough = |now: [u64; KINDS]| (0..KINDS).all(|kind| now[kind] >= before[kind] + count(kind));
        let reached = async {
            while !enough(now()) && self.shared.failures.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(crate::support::PATIENCE, reached).await;
        assert!(reached.is_ok(), "somebody is not answered any more: {before:?}, then {:?}", now());
    }

    pub async fn stop(self) -> Counts {
        self.shared.ended.store(true, Ordering::Relaxed);
        for client in self.clients {
            within(client).await.unwrap();
        }
        let failures = std::mem::take(&mut *self.shared.failures.lock().unwrap());
        let http2 = self.shared.answered[3].load(Ordering::Relaxed);
        Counts { failures, http2, websockets_told: self.shared.told.load(Ordering::Relaxed) }
    }
}

async fn connect(shared: &Shared, what: &str, address: SocketAddr) -> Option<TcpStream> {
    match TcpStream::connect(address).await {
        Ok(stream) => {
            stream.set_nodelay(true).unwrap();
            Some(stream)
        }
        Err(error) => {
            shared.failed(what, error);
            None
        }
    }
}

async fn fresh(shared: Arc<Shared>, address: SocketAddr) {
    while shared.goes_on() {
        let Some(mut stream) = connect(&shared, "fresh", address).await else { return };
        match exchange(&mut stream, "close").await {
            Ok(_) => shared.answered[0].fetch_add(1, Ordering::Relaxed),
            Err(error) => return shared.failed("fresh", error),
        };
    }
}

async fn kept(shared: Arc<Shared>, address: SocketAddr, pause: Option<Duration>, kind: usize) {
    while shared.goes_on() {
        let Some(mut stream) = connect(&shared, "kept", address).await else { return };
        while shared.goes_on() {
            if let Some(pause) = pause {
                let mut byte = [0];
                // What comes now is not asked for. An end is fine: nothing is on its way.
                match tokio::time::timeout(pause, stream.read(&mut byte)).await {
                    Err(_) => {}
                    Ok(Ok(0)) => break,
                    Ok(unasked) => return shared.failed("kept, in a pause", format!("{unasked:?}")),
                }
            }
            match exchange(&mut stream, "keep-alive").await {
                Ok(stays) => {
                    shared.answered[kind].fetch_add(1, Ordering::Relaxed);
                    if !stays {
                        break;
                    }
                }
                Err(error) => return shared.failed("kept", error),
            }
        }
    }
}

/// One request and its whole answer; whether the connection stays.
async fn exchange(stream: &mut TcpStream, connection: &str) -> io::Result<bool> {
    let request = format!("GET / HTTP/1.1\r\nhost: edge.test\r\nconnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            let answer = String::from_utf8_lossy(&answer);
            return Err(io::Error::other(format!("it ended after {answer:?}")));
        }
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            if !head.starts_with("HTTP/1.1 200 ") || !head.contains("content-length: 3") {
                return Err(io::Error::other(format!("not as it should be: {text:?}")));
            }
            if body == "web" {
                return Ok(!head.contains("connection: close"));
            }
        }
    }
}

async fn http2(shared: Arc<Shared>, address: SocketAddr) {
    while shared.goes_on() {
        let Some(stream) = connect(&shared, "http/2", address).await else { return };
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) = match builder.handshake::<_, AnyBody>(TokioIo::new(stream)).await {
            Ok(connected) => connected,
            Err(error) => return shared.failed("http/2, handshake", error),
        };
        let connection = tokio::spawn(connection);
        // Not ready any more: it was told to go, and everything was answered.
        while shared.goes_on() && sender.ready().await.is_ok() {
            let request = http::Request::get("http://edge.test/counted").body(none()).unwrap();
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let answer = wire::text(response).await;
                    if answer != (StatusCode::OK, "web".into()) {
                        return shared.failed("http/2", format!("{answer:?}"));
                    }
                    shared.answered[3].fetch_add(1, Ordering::Relaxed);
                }
                // It was not sent, or it crossed the GOAWAY, which says that nobody has looked at it (RFC 9113, 6.8).
                Err(error) if error.message().is_some() || is_left_out(error.error()) => break,
                Err(error) => return shared.failed("http/2", format!("{:?}", error.into_error())),
            }
        }
        drop(sender);
        connection.abort();
    }
}

fn is_left_out(error: &hyper::Error) -> bool {
    let error = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|error| error.is_remote() && error.is_go_away())
}

async fn websocket(shared: Arc<Shared>, address: SocketAddr) {
    while shared.goes_on() {
        let Some(stream) = connect(&shared, "websocket", address).await else { return };
        let mut socket = match client_async("ws://edge.test/ws", stream).await {
            Ok((socket, _)) => socket,
            Err(error) => return shared.failed("websocket, handshake", error),
        };
        loop {
            if !shared.goes_on() {
                let _ = socket.close(None).await;
                return;
            }
            // Once it has been told to come back it says nothing more; what it said before need not be answered.
            let said = socket.send(Message::text("hello")).await;
            match socket.next().await {
                Some(Ok(Message::Text(text))) if text == "hello" && said.is_ok() => {
                    shared.answered[4].fetch_add(1, Ordering::Relaxed);
                }
                Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1012 => {
                    shared.told.fetch_add(1, Ordering::Relaxed);
                    while let Some(Ok(_)) = socket.next().await {}
                    break;
                }
                other => return shared.failed("websocket", format!("{other:?}")),
            }
        }
    }
}
