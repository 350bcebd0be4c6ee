//! Spans of sampled exchanges, exported by OTLP over HTTP with JSON bodies (OpenTelemetry protocol 1.x).
//!
//! # Design
//!
//! * **Beside the traffic.** A worker turns an exchange into one small piece of JSON and puts it into a bounded queue;
//!   when the queue is full the span is dropped and counted. One thread collects batches and posts them, each on a
//!   connection of its own, with a limit on every step. A collector that is slow or gone costs spans and nothing else.
//! * **The table decides**: where to, and how many of the traces that begin here. A collector on this host or network
//!   takes plain HTTP and carries the spans on. The standard variables (`OTEL_…`) are not read: an edge serves several
//!   environments, and what its process was started with says nothing about any of them.
//! * **No library.** The protocol's JSON form is a page of the specification and a POST; the exporter of the
//!   OpenTelemetry project brings an SDK, protobuf or gRPC and another HTTP client, for a data plane that wants to stay
//!   small and quick to build.
//!
//! Names of attributes follow the semantic conventions for HTTP servers; what only Fairway knows begins with
//! `fairway.`.

mod post;
mod settings;
mod span;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

pub use settings::{Endpoint, OtlpError, Sampler, Settings};
pub use span::Ids;

use crate::access_log::Line;
use worker::Worker;

/// A running exporter. When the last clone is dropped, what waits is still sent, as far as the collector takes it.
#[derive(Clone, Debug)]
pub struct Exporter {
    queue: SyncSender<serde_json::Value>,
    totals: Arc<Totals>,
    sampler: Sampler,
}

#[derive(Debug, Default)]
struct Totals {
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// What became of the spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the collector.
    pub exported: u64,
    /// Lost: the queue was full, or the collector did not take them.
    pub dropped: u64,
}

impl Exporter {
    /// Starts the thread that posts. Nothing is sent before the first span.
    ///
    /// # Errors
    /// [`OtlpError::Thread`].
    pub fn start(settings: Settings) -> Result<Self, OtlpError> {
        let (queue, spans) = sync_channel(settings.queue);
        let totals = Arc::new(Totals::default());
        let sampler = settings.sampler;
        let worker = Worker { settings, spans, totals: Arc::clone(&totals) };
        std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || worker.run())
            .map_err(|source| OtlpError::Thread { source })?;
        Ok(Self { queue, totals, sampler })
    }

    /// Whether an exchange of this trace is exported; `parent` is the sampled flag of an incoming `traceparent`.
    #[must_use]
    pub fn samples(&self, trace_id: [u8; 16], parent: Option<bool>) -> bool {
        self.sampler.samples(trace_id, parent)
    }

    /// Exports an exchange that [`Exporter::samples`] wants, or drops and counts it. Never waits.
    pub fn record(&self, line: &Line<'_>, ids: Ids) {
        if self.queue.try_send(span::json(line, ids)).is_err() {
            self.totals.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many spans the collector took and how many were lost.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            exported: self.totals.exported.load(Ordering::Relaxed),
            dropped: self.totals.dropped.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
