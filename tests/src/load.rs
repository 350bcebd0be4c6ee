//! Traffic: connections that are kept, connections that are fresh, one WebSocket and one event stream.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::Message;

/// How long an answer may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to ask.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// Paths, asked in turn.
    pub paths: Vec<String>,
    /// Connections that are kept open.
    pub kept: usize,
    /// Loops that open a connection for each request.
    pub fresh: usize,
    /// A WebSocket that echoes, and an event stream.
    pub streams: bool,
    /// Pause of each loop between two requests.
    pub pause: Duration,
}

impl Target {
    /// The usual mix on an address.
    #[must_use]
    pub fn usual(address: SocketAddr) -> Self {
        Self {
            address,
            paths: vec![
                "/health".to_owned(),
                "/bff/bootstrap".to_owned(),
                "/catalog/products?pageSize=2".to_owned(),
            ],
            kept: 12,
            fresh: 4,
            streams: true,
            pause: Duration::from_millis(4),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests answered with 2xx.
    pub answered: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Why, with counts.
    pub reasons: BTreeMap<String, u64>,
    /// WebSocket messages that came back.
    pub echoes: u64,
    /// Events of the event stream.
    pub events: u64,
    /// Times that a stream was ended by the server in an orderly way and opened again.
    pub reopened: u64,
    /// How long it went on.
    pub lasted: Duration,
    /// Versions that answered, with counts (`X-Service-Version`).
    pub versions: BTreeMap<String, u64>,
}

impl Tally {
    /// Requests per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let answered = self.answered as f64;
        answered / self.lasted.as_secs_f64().max(0.001)
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
    echoes: AtomicU64,
    events: AtomicU64,
    reopened: AtomicU64,
    failures: Mutex<BTreeMap<String, u64>>,
    versions: Mutex<BTreeMap<String, u64>>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, reason: String) {
        *self.failures.lock().expect("no holder panics").entry(reason).or_default() += 1;
    }
}

/// Traffic that goes on until it is stopped.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    begin: Instant,
}

impl Load {
    /// Begins.
    #[must_use]
    pub fn start(target: &Target) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for index in 0..target.kept {
            tasks.spawn(kept(target.clone(), Arc::clone(&shared), index));
        }
        for index in 0..target.fresh {
            tasks.spawn(fresh(target.clone(), Arc::clone(&shared), index));
        }
        if target.streams {
            tasks.spawn(web_socket(target.address, Arc::clone(&shared)));
            tasks.spawn(event_stream(target.address, Arc::clone(&shared)));
        }
        Self { shared, tasks, begin: Instant::now() }
    }

    /// Requests answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until this many more requests are answered, for at most twenty seconds.
    ///
    /// # Errors
    /// When they were not.
    pub async fn flow(&self, more: u64) -> anyhow::Result<()> {
        let goal = self.answered() + more;
        let begin = Instant::now();
        while self.answered() < goal {
            anyhow::ensure!(
                begin.elapsed() < PATIENCE,
                "only {} of {goal} requests answered: {:?}",
                self.answered(),
                self.shared.failures
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Ends every loop after its current request and counts.
    pub async fn stop(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        let lasted = self.begin.elapsed();
        if timeout(PATIENCE * 2, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            self.shared.fail("a loop did not end".to_owned());
        }
        let reasons = std::mem::take(&mut *self.shared.failures.lock().expect("no holder panics"));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            answered: count(&self.shared.answered),
            failed: reasons.values().sum(),
            reasons,
            echoes: count(&self.shared.echoes),
            events: count(&self.shared.events),
            reopened: count(&self.shared.reopened),
            lasted,
            versions: std::mem::take(&mut *self.shared.versions.lock().expect("no holder panics")),
        }
    }
}

type Sender = http1::SendRequest<Empty<Bytes>>;

async fn connect(address: SocketAddr) -> anyhow::Result<Sender> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One exchange; `Ok(true)` when the server keeps the connection.
async fn exchange(
    sender: &mut Sender,
    target: &Target,
    turn: usize,
    close: bool,
    shared: &Shared,
) -> anyhow::Result<bool> {
    let path = &target.paths[turn % target.paths.len()];
    let mut request = Request::get(path).header("host", target.address.to_string());
    if close {
        request = request.header("connection", "close");
    }
    sender.ready().await?;
    let response = sender.send_request(request.body(Empty::new())?).await?;
    let status = response.status();
    let keeps = response.headers().get("connection").is_none_or(|value| value != "close");
    let version =
        response.headers().get("x-service-version").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.into_body().collect().await?.to_bytes();
    if status.is_success() {
        shared.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(version) = version {
            *shared.versions.lock().expect("no holder panics").entry(version).or_default() += 1;
        }
    } else {
        let body = String::from_utf8_lossy(&body[..body.len().min(160)]).into_owned();
        shared.fail(format!("{status} {path}: {body}"));
    }
    Ok(keeps)
}

fn describe(kind: &str, error: &anyhow::Error) -> String {
    format!("{kind}: {error:#}")
}

async fn kept(target: Target, shared: Arc<Shared>, index: usize) {
    let mut turn = index;
    let mut sender: Option<Sender> = None;
    while !shared.stopped() {
        let mut current = match sender.take() {
            // The server closed it while it was idle: its right (RFC 9112, section 9.5), so a new one is opened.
            Some(sender) if !sender.is_closed() => sender,
            _ => match connect(target.address).await {
                Ok(sender) => sender,
                Err(error) => {
                    shared.fail(describe("connect", &error));
                    tokio::time::sleep(target.pause.max(Duration::from_millis(20))).await;
                    continue;
                }
            },
        };
        match timeout(PATIENCE, exchange(&mut current, &target, turn, false, &shared)).await {
            Ok(Ok(true)) => sender = Some(current),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => shared.fail(describe("kept connection", &error)),
            Err(_) => shared.fail("kept connection: no answer".to_owned()),
        }
        turn += 1;
        tokio::time::sleep(target.pause).await;
    }
}

async fn fresh(target: Target, shared: Arc<Shared>, index: usize) {
    let mut turn = index;
    while !shared.stopped() {
        let attempt = async {
            let mut sender = connect(target.address).await?;
            exchange(&mut sender, &target, turn, true, &shared).await
        };
        match timeout(PATIENCE, attempt).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => shared.fail(describe("fresh connection", &error)),
            Err(_) => shared.fail("fresh connection: no answer".to_owned()),
        }
        turn += 1;
        tokio::time::sleep(target.pause).await;
    }
}

/// Echoes until stopped. An orderly close by the server is followed by a new connection; anything else is a failure.
async fn web_socket(address: SocketAddr, shared: Arc<Shared>) {
    let mut opened = 0_u64;
    while !shared.stopped() {
        let socket =
            match timeout(PATIENCE, tokio_tungstenite::connect_async(format!("ws://{address}/bff/ws"))).await
            {
                Ok(Ok((socket, _))) => socket,
                Ok(Err(error)) => {
                    shared.fail(format!("WebSocket handshake: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(_) => {
                    shared.fail("WebSocket handshake: no answer".to_owned());
                    continue;
                }
            };
        opened += 1;
        if opened > 1 {
            shared.reopened.fetch_add(1, Ordering::Relaxed);
        }
        let (mut write, mut read) = socket.split();
        let mut number = 0_u64;
        while !shared.stopped() {
            number += 1;
            if write.send(Message::text(number.to_string())).await.is_err() {
                break; // closed in between; how, is read below or was read before
            }
            match timeout(PATIENCE, read.next()).await {
                Ok(Some(Ok(Message::Text(text)))) if text.as_str() == number.to_string() => {
                    shared.echoes.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Some(Ok(Message::Close(_))) | None) => break,
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => {
                    shared.fail(format!("WebSocket: {error}"));
                    break;
                }
                Err(_) => {
                    shared.fail("WebSocket: no echo".to_owned());
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reads events until stopped. The end of the stream is followed by a new request, as browsers do.
async fn event_stream(address: SocketAddr, shared: Arc<Shared>) {
    let mut opened = 0_u64;
    while !shared.stopped() {
        let attempt = async {
            let mut sender = connect(address).await?;
            let request = Request::get("/bff/events")
                .header("host", address.to_string())
                .header("accept", "text/event-stream");
            let response = sender.send_request(request.body(Empty::new())?).await?;
            anyhow::ensure!(response.status().is_success(), "{}", response.status());
            anyhow::Ok((sender, response))
        };
        let (_sender, response) = match timeout(PATIENCE, attempt).await {
            Ok(Ok(open)) => open,
            Ok(Err(error)) => {
                shared.fail(describe("event stream", &error));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            Err(_) => {
                shared.fail("event stream: no answer".to_owned());
                continue;
            }
        };
        opened += 1;
        if opened > 1 {
            shared.reopened.fetch_add(1, Ordering::Relaxed);
        }
        let mut body = response.into_body();
        while !shared.stopped() {
            match timeout(Duration::from_millis(200), body.frame()).await {
                Ok(Some(Ok(_))) => {
                    shared.events.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Some(Err(error))) => {
                    shared.fail(format!("event stream broke: {error}"));
                    break;
                }
                Ok(None) => break,
                Err(_) => {} // nothing yet; look whether to stop
            }
        }
    }
}
