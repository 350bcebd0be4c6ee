//! Traffic: connections that are kept, connections that are fresh, HTTP/2, WebSockets and event streams.

mod requests;
mod streams;

pub use requests::speaks_h2;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::timeout};

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
    /// Each so many'th request on them is a POST with 1 KiB; 0 for none.
    pub post: usize,
    /// Loops that open a connection for each request.
    pub fresh: usize,
    /// HTTP/2 connections (without TLS, by prior knowledge) with 8 requests at a time on each.
    pub h2: usize,
    /// So many WebSockets that echo, and so many event streams.
    pub streams: usize,
    /// Path of the WebSockets.
    pub socket: String,
    /// Path of the event streams.
    pub events: String,
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
            post: 0,
            fresh: 4,
            h2: 0,
            streams: 1,
            socket: "/bff/ws".to_owned(),
            events: "/bff/events".to_owned(),
            pause: Duration::from_millis(4),
        }
    }
}

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Requests on connections that are kept.
    Kept,
    /// Requests on a connection of their own.
    Fresh,
    /// Requests on HTTP/2 connections.
    H2,
    /// Messages that a WebSocket echoed.
    WebSocket,
    /// Events of an event stream.
    Events,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Kept, Self::Fresh, Self::H2, Self::WebSocket, Self::Events];

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept connection",
            Self::Fresh => "fresh connection",
            Self::H2 => "HTTP/2",
            Self::WebSocket => "WebSocket",
            Self::Events => "event stream",
        }
    }
}

/// What came of one kind of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests answered with 2xx, echoes or events.
    pub good: u64,
    /// Whatever ended otherwise.
    pub failed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By kind.
    pub kinds: BTreeMap<Kind, Count>,
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
    good: [AtomicU64; Kind::ALL.len()],
    reopened: AtomicU64,
    failures: Mutex<BTreeMap<(Kind, String), u64>>,
    versions: Mutex<BTreeMap<String, u64>>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, kind: Kind, reason: String) {
        *self.failures.lock().expect("no holder panics").entry((kind, reason)).or_default() += 1;
    }

    fn count(&self, kind: Kind) {
        self.good[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn good(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|kind| self.good[*kind as usize].load(Ordering::Relaxed)).sum()
    }

    fn saw(&self, version: String) {
        *self.versions.lock().expect("no holder panics").entry(version).or_default() += 1;
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
            tasks.spawn(requests::kept(target.clone(), Arc::clone(&shared), index));
        }
        for index in 0..target.fresh {
            tasks.spawn(requests::fresh(target.clone(), Arc::clone(&shared), index));
        }
        for index in 0..target.h2 {
            tasks.spawn(requests::h2(target.clone(), Arc::clone(&shared), index));
        }
        for _ in 0..target.streams {
            tasks.spawn(streams::web_socket(target.clone(), Arc::clone(&shared)));
            tasks.spawn(streams::event_stream(target.clone(), Arc::clone(&shared)));
        }
        Self { shared, tasks, begin: Instant::now() }
    }

    /// Requests answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.good(&[Kind::Kept, Kind::Fresh, Kind::H2])
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
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        if timeout(PATIENCE * 2, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            reasons.insert("a loop did not end".to_owned(), 1);
        }
        let mut kinds: BTreeMap<Kind, Count> = BTreeMap::new();
        for kind in Kind::ALL {
            kinds.entry(kind).or_default().good = self.shared.good(&[kind]);
        }
        for ((kind, reason), count) in &*self.shared.failures.lock().expect("no holder panics") {
            kinds.entry(*kind).or_default().failed += count;
            *reasons.entry(format!("{}: {reason}", kind.name())).or_default() += count;
        }
        Tally {
            kinds,
            answered: self.answered(),
            failed: reasons.values().sum(),
            reasons,
            echoes: self.shared.good(&[Kind::WebSocket]),
            events: self.shared.good(&[Kind::Events]),
            reopened: self.shared.reopened.load(Ordering::Relaxed),
            lasted,
            versions: std::mem::take(&mut *self.shared.versions.lock().expect("no holder panics")),
        }
    }
}
