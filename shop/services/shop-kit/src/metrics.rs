//! What a service counts, in Prometheus' text format, on a port of its own.
//!
//! The port has its own thread and runtime: when the service's own is stuck, the numbers that would tell are still
//! there. `<SERVICE>_METRICS_ADDR` switches it on ([`crate::program::run`]); nothing of it is on the public port.
//!
//! | name | labels | |
//! |---|---|---|
//! | `http_requests_total` | `method`, `route`, `status` | answered requests; the route is the contract's template, the status its class (`2xx`) |
//! | `http_request_duration_seconds` | `method`, `route`, `status` | time until the answer's head |
//! | `http_requests_in_flight` | | requests that are being worked on |
//! | `db_pool_connections` | `state` | connections to the database, `idle` and `used` |
//! | `process_resident_memory_bytes` | | memory of the process |

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Method, StatusCode, header};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use sqlx::PgPool;

use crate::server::ServeError;

/// What a route is called when no template matched.
const UNMATCHED: &str = "unmatched";

/// From half a millisecond to ten seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// In a response's extensions: what the request's route is called, where that is not the router's template.
#[derive(Debug, Clone)]
pub struct RouteName(pub Arc<str>);

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    connections: IntGaugeVec,
    memory: IntGauge,
    pools: Mutex<Vec<PgPool>>,
}

impl Metrics {
    fn new() -> Self {
        let labels = ["method", "route", "status"];
        let seconds =
            HistogramOpts::new("http_request_duration_seconds", "Time until the head of the answer");
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(Opts::new("http_requests_total", "Answered requests"), &labels)
                .expect("names of letters"),
            seconds: HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &labels).expect("names of letters"),
            in_flight: IntGauge::new("http_requests_in_flight", "Requests being worked on")
                .expect("a name of letters"),
            connections: IntGaugeVec::new(
                Opts::new("db_pool_connections", "Database connections"),
                &["state"],
            )
            .expect("names of letters"),
            memory: IntGauge::new("process_resident_memory_bytes", "Memory of the process")
                .expect("a name of letters"),
            pools: Mutex::default(),
        };
        let all: [Box<dyn prometheus::core::Collector>; 5] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.seconds.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.connections.clone()),
            Box::new(metrics.memory.clone()),
        ];
        for collector in all {
            metrics.registry.register(collector).expect("each name once");
        }
        metrics
    }

    fn render(&self) -> Vec<u8> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut idle, mut size) = (0, 0);
        for pool in pools.iter() {
            idle += i64::try_from(pool.num_idle()).unwrap_or(i64::MAX);
            size += i64::from(pool.size());
        }
        drop(pools);
        self.connections.with_label_values(&["idle"]).set(idle);
        self.connections.with_label_values(&["used"]).set((size - idle).max(0));
        if let Some(bytes) = resident_memory() {
            self.memory.set(bytes);
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics can't be written");
        }
        text
    }
}

/// Resident memory of this process (proc_pid_status(5), `VmRSS`).
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// From now on the pool's connections are counted.
pub fn watch(pool: &PgPool) {
    METRICS.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool.clone());
}

/// A request that is being worked on, until it is dropped.
pub(crate) struct InFlight(());

/// Counts a request in.
pub(crate) fn begin() -> InFlight {
    METRICS.in_flight.inc();
    InFlight(())
}

impl Drop for InFlight {
    fn drop(&mut self) {
        METRICS.in_flight.dec();
    }
}

/// Counts an answer.
pub(crate) fn answered(method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
    // Callers make up methods; each would be a series of its own.
    let method = match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    };
    let class = match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    let labels = [method, route.unwrap_or(UNMATCHED), class];
    METRICS.requests.with_label_values(&labels).inc();
    METRICS.seconds.with_label_values(&labels).observe(took.as_secs_f64());
}

/// Serves `/metrics` at `address` from a thread of its own, until the process ends. Returns where it listens.
///
/// # Errors
/// When the address can't be had.
pub fn serve(address: SocketAddr) -> Result<SocketAddr, ServeError> {
    let refuse = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(refuse)?;
    listener.set_nonblocking(true).map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refuse)?;
    let render =
        async || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], METRICS.render());
    let app = Router::new().route("/metrics", get(render));
    let work = async move {
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => axum::serve(listener, app).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "metrics are no longer served");
        }
    };
    let thread = std::thread::Builder::new().name("metrics".to_owned());
    thread.spawn(move || runtime.block_on(work)).map_err(refuse)?;
    Ok(address)
}
