//! The side of the predecessor: from the moment that its successor serves to its end.

use std::time::Duration;

use tokio::time::{Instant, interval, sleep, timeout_at};

use super::wire::{Receiver, Sender};
use super::{Asks, REPORT, Says, in_flight};
use crate::edge::Edge;
use crate::visitor::Signal;

/// The successor that serves.
#[derive(Debug)]
pub(crate) struct Heir {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
}

impl Heir {
    /// Tells the successor what is in flight here, and does what it says, until it says that this is the end: then
    /// within which time. When it is gone nothing is left to be told.
    async fn attend(mut self, edge: &Edge) -> Duration {
        let mut report = interval(REPORT);
        loop {
            let asked = tokio::select! {
                asked = self.receiver.hear() => asked,
                _ = report.tick() => {
                    let stats = in_flight(edge.stats(None).await);
                    if self.sender.say(&Says::Stats { stats }).await.is_err() {
                        return std::future::pending().await;
                    }
                    continue;
                }
            };
            match asked {
                Ok(Asks::Follow { number }) => {
                    edge.follow().await;
                    let stats = in_flight(edge.stats(None).await);
                    // If it can't be told, the next report can't either.
                    let _ = self.sender.say(&Says::Followed { number, stats }).await;
                }
                Ok(Asks::Close { environment, id, grace_ms }) => {
                    // What is unknown here, or serves, has nothing to close.
                    let _ = edge.close_instance(&environment, &id, Duration::from_millis(grace_ms));
                }
                Ok(Asks::End { grace_ms }) => return Duration::from_millis(grace_ms),
                Ok(Asks::Hello { .. } | Asks::Ready | Asks::Serving) => {}
                Err(error) => {
                    tracing::warn!(%error, "the successor is gone; what is under way is finished all the same");
                    return std::future::pending().await;
                }
            }
        }
    }
}

impl Edge {
    /// Finishes what is under way for as long as the hand-over grace, while the successor serves.
    pub(crate) async fn depart(&self, heir: Heir) {
        let shared = &self.shared;
        let settings = &shared.settings;
        let deadline = Instant::now() + settings.handover_grace;
        let half = settings.shutdown_grace.min(settings.handover_grace) / 2;
        for visitor in shared.visitors() {
            visitor.tell(Signal::Depart);
        }
        // Orders and renewals are the successor's business; what is served is served on.
        shared.certificates.shutdown().await;
        self.close_streams();
        let quiet = timeout_at(deadline, self.quiet());
        tokio::select! {
            quiet = quiet => {
                if quiet.is_err() {
                    tracing::warn!(in_flight = self.in_flight(), "the hand-over grace is up, what is left is cut");
                }
            }
            grace = heir.attend(self) => {
                tracing::info!(grace_ms = grace.as_millis(), "the successor ends, and so does this edge");
                self.shutdown(grace).await;
            }
            () = self.dismiss(half) => {}
        }
    }

    /// Closes connections that nobody uses. Whoever uses one has been told with an answer by then; closing the others
    /// could cross a request on its way, so it is done late and not for all at once. Never completes.
    async fn dismiss(&self, half: Duration) {
        sleep(half).await;
        let idle: Vec<_> = self.shared.visitors().collect();
        let pause = half / u32::try_from(idle.len() + 1).unwrap_or(u32::MAX);
        for visitor in idle {
            visitor.tell(Signal::Finish);
            sleep(pause).await;
        }
        std::future::pending().await
    }

    /// Ends event streams and upgraded connections.
    pub(crate) fn close_streams(&self) {
        let grace = self.shared.settings.shutdown_grace;
        for instance in self.instances() {
            instance.close(grace);
        }
    }
}
