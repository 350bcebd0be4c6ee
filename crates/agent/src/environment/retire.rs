//! Letting instances finish their requests, then stopping them.

use super::{Environment, traffic};
use crate::{disk::Survives, instance::Managed};
use fairway_model::{Generation, Millis};
use futures::future;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Time between two looks at the requests in flight of an instance that drains.
const LOOK: Duration = Duration::from_millis(25);

/// How long the edge may take to cut off what is left at the deadline.
const CUT_WITHIN: Duration = Duration::from_millis(500);

impl Environment {
    /// Drains and stops everything that neither the serving nor the pending release needs.
    pub(super) async fn retire(self: &Arc<Self>, generation: Generation) {
        let began = Instant::now();
        self.publish_or_log().await;
        let (stopped, cut_off) = self.sweep(generation).await;
        self.change(Survives::Machine, |journal, now| {
            if let Some(evidence) = journal.lifecycle.evidence(generation) {
                evidence.cut_off += cut_off;
            }
            if stopped > 0 {
                let cut = if cut_off == 0 {
                    String::new()
                } else {
                    format!(", {cut_off} cut off at the drain deadline")
                };
                let message = format!(
                    "{stopped} old instance{} stopped after {}{cut}",
                    if stopped == 1 { "" } else { "s" },
                    Millis::from(began.elapsed())
                );
                journal.lifecycle.record(generation, now, None, fairway_model::EventKind::Note { message });
            }
            journal.lifecycle.on_retired(generation, now);
        })
        .await;
        self.collect_garbage().await;
    }

    /// Stops what was started for a release that has ended before its switch, or that was switched back from.
    pub(super) async fn clean_up(self: &Arc<Self>, generation: Generation) {
        // The preparation was told to end; what it is in the middle of must not start something behind our back.
        let alone = self.preparation.lock().await;
        self.change(Survives::Process, |journal, _| {
            if journal.lifecycle.pending().is_none() {
                journal.early.clear();
                journal.done.clear();
            }
        })
        .await;
        drop(alone);
        self.publish_or_log().await;
        self.sweep(generation).await;
    }

    /// Dismisses every dispensable instance at once; answers how many were stopped and how many of them were cut off.
    async fn sweep(self: &Arc<Self>, generation: Generation) -> (usize, u64) {
        let (ids, drain) = {
            let journal = self.journal.lock().await;
            let drain = journal.lifecycle.release(generation).map(|entry| entry.assignment.release.drain);
            (journal.dispensable(), Duration::from(drain.unwrap_or(Millis::from_secs(30))))
        };
        let dismissals = ids.iter().map(|id| self.dismiss(id, drain));
        let ends = future::join_all(dismissals).await;
        let stopped = ends.iter().filter(|end| **end != Dismissal::Kept).count();
        let cut_off = ends.iter().filter(|end| **end == Dismissal::CutOff).count();
        (stopped, cut_off as u64)
    }

    async fn dismiss(self: &Arc<Self>, id: &str, drain: Duration) -> Dismissal {
        let Some(managed) = self.managed(id) else {
            self.forget_record(id).await;
            return Dismissal::Stopped;
        };
        let _alone = managed.dismissal.lock().await;
        if !self.managed(id).is_some_and(|there| Arc::ptr_eq(&there, &managed)) {
            return Dismissal::Stopped;
        }
        managed.set_draining(true);
        self.announce();
        let drained = self.drain(id, &managed, drain).await;
        {
            // Whoever accepts a release holds the same lock: either it finds the instance stopping, or keeps it.
            let journal = self.journal.lock().await;
            if !journal.dispensable().contains(id) {
                managed.set_draining(false);
                return Dismissal::Kept;
            }
            managed.set_stopping();
        }
        match managed.stop().await {
            Ok(stopped) => tracing::info!(environment = %self.name, instance = id, %stopped, "dismissed"),
            Err(error) => {
                tracing::error!(environment = %self.name, instance = id, %error, "it could not be stopped")
            }
        }
        self.forget(id, &managed).await;
        if drained { Dismissal::Stopped } else { Dismissal::CutOff }
    }

    /// Waits until the edge has no request on an instance any more; false when the rest had to be cut off. What does
    /// not end by itself is told to end at once: WebSockets get their close frame and event streams their end, while
    /// ordinary requests have until the deadline.
    async fn drain(&self, id: &str, managed: &Managed, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut told = false;
        loop {
            let in_flight = match self.edge_stats().await {
                Some(stats) => traffic::in_flight(&stats).get(id).copied().unwrap_or(0),
                // Without an edge there are no connections to it.
                None => 0,
            };
            let gone = managed.fitness() == super::Fitness::Gone;
            if in_flight == 0 || gone || !self.journal.lock().await.dispensable().contains(id) {
                return Instant::now() < deadline;
            }
            if !told {
                told = true;
                if let Err(error) = self.machine.edge.close(self.name.as_str(), id, limit).await {
                    tracing::warn!(environment = %self.name, instance = id, %error, "its connections could not be closed");
                }
            }
            if Instant::now() >= deadline + CUT_WITHIN {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How a dismissal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dismissal {
    /// It had finished its requests, and was stopped.
    Stopped,
    /// Some of its requests had to be cut off.
    CutOff,
    /// A release that was accepted meanwhile needs it.
    Kept,
}
