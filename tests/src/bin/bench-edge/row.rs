//! The rows of the comparison: what is asked of a proxy, and what is read off.

use crate::handshakes;
use crate::peer::Peer;
use fairway_stories::measure::tools::{Shape, h2load, wrk};
use fairway_stories::measure::{machine, rate};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// What is asked of every proxy in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Row {
    /// 64 connections, small body
    Small,
    /// 512 connections, small body
    Many,
    /// 64 connections, 16 KiB
    Large,
    /// 64 at once, each request on a connection of its own
    Fresh,
    /// 64 connections, POST with 1 KiB
    Post,
    /// A fixed 5,000 requests per second
    Paced,
    /// TLS handshakes
    Tls,
    /// HTTP/2 over TLS
    H2,
    /// 64 connections, small body, with an access log
    Log,
    /// Resident memory, idle and with idle connections
    Memory,
    /// Idle WebSockets through the edge
    Websockets,
}

/// The requests per second of [`Row::Paced`].
pub(crate) const PACE: u32 = 5_000;

/// How long each measurement takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans {
    pub(crate) warm_up: Duration,
    pub(crate) lasts: Duration,
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Requests or handshakes per second; microseconds for [`Row::Paced`].
    pub(crate) value: f64,
    /// CPU time of the proxy per request, in microseconds.
    pub(crate) cpu: f64,
    /// The part of its core that the proxy used.
    pub(crate) busy: f64,
    /// The part of its core that nobody used: the load did not come fast enough.
    pub(crate) idle: f64,
    /// Requests that went wrong.
    pub(crate) bad: u64,
}

impl Row {
    /// Those that are measured in rounds.
    pub(crate) const IN_ROUNDS: [Self; 9] = [
        Self::Small,
        Self::Many,
        Self::Large,
        Self::Fresh,
        Self::Post,
        Self::Paced,
        Self::Tls,
        Self::H2,
        Self::Log,
    ];

    /// All.
    pub(crate) const ALL: [Self; 11] = [
        Self::Small,
        Self::Many,
        Self::Large,
        Self::Fresh,
        Self::Post,
        Self::Paced,
        Self::Tls,
        Self::H2,
        Self::Log,
        Self::Memory,
        Self::Websockets,
    ];

    /// For the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Small => "64 connections, small body",
            Self::Many => "512 connections, small body",
            Self::Large => "64 connections, 16 KiB",
            Self::Fresh => "64 at once, a connection for each request",
            Self::Post => "64 connections, POST of 1 KiB",
            Self::Paced => "p99 at 5,000 requests/s",
            Self::Tls => "TLS handshakes",
            Self::H2 => "HTTP/2 over TLS, 16 connections of 10 streams",
            Self::Log => "64 connections, small body, access log on",
            Self::Memory => "resident memory",
            Self::Websockets => "idle WebSockets",
        }
    }

    /// The program that is needed for it, beside the proxies.
    pub(crate) fn tool(self) -> Option<&'static str> {
        match self {
            Self::Small | Self::Many | Self::Large | Self::Fresh | Self::Post | Self::Log => Some("wrk"),
            Self::H2 => Some("h2load"),
            Self::Tls => Some("openssl"),
            Self::Paced | Self::Memory | Self::Websockets => None,
        }
    }

    /// Whether the proxy is to be driven to its limit.
    pub(crate) fn is_at_limit(self) -> bool {
        self != Self::Paced
    }

    /// Measures once; none when this proxy does not do such a thing.
    pub(crate) async fn measure(
        self,
        peer: &Peer,
        spans: Spans,
        post: &Path,
    ) -> anyhow::Result<Option<Outcome>> {
        let shape = |connections| Shape { path: "/", connections, fresh: false, script: None };
        let (address, shape) = match self {
            Self::Small => (peer.plain, shape(64)),
            Self::Many => (peer.plain, shape(512)),
            Self::Large => (peer.plain, Shape { path: "/16k", ..shape(64) }),
            Self::Fresh => (peer.plain, Shape { fresh: true, ..shape(64) }),
            Self::Post => (peer.plain, Shape { script: Some(post), ..shape(64) }),
            Self::Log => match peer.logged {
                Some(logged) => (logged, shape(64)),
                None => return Ok(None),
            },
            Self::Paced => return paced(peer, spans).await.map(Some),
            Self::Tls => return tls(peer, spans).await,
            Self::H2 => return h2(peer, spans).await,
            Self::Memory | Self::Websockets => return Ok(None),
        };
        wrk(address, shape, spans.warm_up).await?;
        let meter = Meter::start(peer)?;
        let scraping = scrape(peer, self == Self::Log);
        let counted = wrk(address, shape, spans.lasts).await;
        if let Some(scraping) = scraping {
            scraping.abort();
        }
        let counted = counted?;
        meter.read(counted.rate, counted.requests, counted.bad).map(Some)
    }
}

async fn paced(peer: &Peer, spans: Spans) -> anyhow::Result<Outcome> {
    let meter = Meter::start(peer)?;
    let pace = rate::Pace { rate: PACE, connections: 64 };
    let found = rate::run(peer.plain, pace, spans.warm_up, spans.lasts, &rate::get(peer.plain, "/")).await?;
    let micros = found.quantile(0.99).as_secs_f64() * 1e6;
    // The warm-up is in the CPU time, so its requests are in the count.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few seconds of a few thousand requests"
    )]
    let warmed = (spans.warm_up.as_secs_f64() * f64::from(PACE)) as u64;
    meter.read(micros, found.count() as u64 + warmed, found.failed)
}

async fn tls(peer: &Peer, spans: Spans) -> anyhow::Result<Option<Outcome>> {
    let Some(address) = peer.secure else { return Ok(None) };
    handshakes::run(address, 16, spans.warm_up).await?;
    let meter = Meter::start(peer)?;
    let found = handshakes::run(address, 16, spans.lasts).await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = found.done as f64 / found.lasted.as_secs_f64();
    meter.read(rate, found.done, found.failed).map(Some)
}

async fn h2(peer: &Peer, spans: Spans) -> anyhow::Result<Option<Outcome>> {
    let Some(address) = peer.secure.filter(|_| peer.h2) else { return Ok(None) };
    h2load(address, spans.warm_up).await?;
    let meter = Meter::start(peer)?;
    let counted = h2load(address, spans.lasts).await?;
    meter.read(counted.rate, counted.requests, counted.bad).map(Some)
}

/// Reads the metrics of ours each second, as Prometheus would.
fn scrape(peer: &Peer, wanted: bool) -> Option<tokio::task::JoinHandle<()>> {
    let control = peer.control.clone().filter(|_| wanted)?;
    Some(tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tick.tick().await;
            if let Err(error) = control.metrics().await {
                eprintln!("bench: no metrics: {error}");
            }
        }
    }))
}

/// CPU time between two moments.
struct Meter<'a> {
    peer: &'a Peer,
    begin: Instant,
    cpu: Duration,
    idle: Duration,
}

impl<'a> Meter<'a> {
    fn start(peer: &'a Peer) -> anyhow::Result<Self> {
        let idle = machine::idle(peer.core)?;
        Ok(Self { peer, begin: Instant::now(), cpu: peer.running.cpu()?, idle })
    }

    fn read(&self, value: f64, requests: u64, bad: u64) -> anyhow::Result<Outcome> {
        let lasted = self.begin.elapsed().as_secs_f64();
        let used = self.peer.running.cpu()?.saturating_sub(self.cpu).as_secs_f64();
        let idle = machine::idle(self.peer.core)?.saturating_sub(self.idle).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let cpu = used * 1e6 / requests.max(1) as f64;
        Ok(Outcome { value, cpu, busy: used / lasted, idle: idle / lasted, bad })
    }
}
