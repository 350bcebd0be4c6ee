//! The thread that collects batches and posts them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Totals;
use super::post::{Answer, post};
use super::settings::Settings;

/// A collector that asks for more patience than this is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) spans: Receiver<Value>,
    pub(super) totals: Arc<Totals>,
}

impl Worker {
    /// Until every exporter is gone and the queue is empty.
    pub(super) fn run(self) {
        let mut failing = false;
        while let Ok(first) = self.spans.recv() {
            let mut batch = vec![first];
            let until = Instant::now() + self.settings.delay;
            while batch.len() < self.settings.batch {
                match self.spans.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(span) => batch.push(span),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let endpoint = &self.settings.endpoint.authority;
            match self.send(batch) {
                Ok(()) => {
                    self.totals.exported.fetch_add(count, Ordering::Relaxed);
                    if std::mem::take(&mut failing) {
                        tracing::info!(endpoint, "spans are exported again");
                    }
                }
                Err(why) => {
                    self.totals.dropped.fetch_add(count, Ordering::Relaxed);
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            endpoint,
                            why,
                            "spans are lost until the collector takes them; traffic is served"
                        );
                    }
                }
            }
        }
    }

    /// Three times, when that may help.
    fn send(&self, spans: Vec<Value>) -> Result<(), String> {
        let body = self.document(spans).to_string();
        let mut pause = self.settings.backoff;
        let mut why = String::new();
        for attempt in 0..3 {
            if attempt > 0 {
                wait(pause);
                pause = self.settings.backoff * 2;
            }
            match post(&self.settings, body.as_bytes()) {
                Ok(Answer::Taken) => return Ok(()),
                Ok(Answer::Refused(status)) => return Err(status),
                Ok(Answer::Later(after)) => {
                    "it is busy".clone_into(&mut why);
                    match after {
                        Some(after) if after > LONGEST_WAIT => break,
                        Some(after) => pause = after,
                        None => {}
                    }
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    fn document(&self, spans: Vec<Value>) -> Value {
        let attribute =
            |(key, value): (&String, &String)| json!({ "key": key, "value": { "stringValue": value } });
        let resource: Vec<Value> = self.settings.resource.iter().map(attribute).collect();
        json!({ "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{
                "scope": { "name": "fairway-edge", "version": env!("CARGO_PKG_VERSION") },
                "spans": spans,
            }],
        }] })
    }
}

fn wait(pause: Duration) {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}
