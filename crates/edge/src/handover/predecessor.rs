//! The side of the successor: the predecessor while it finishes what it has begun.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairway_protocol::edge::Stats;
use tokio::sync::watch;
use tokio::time::timeout;

use super::wire::{Receiver, Sender};
use super::{Asks, Says, ms};

/// How long a change waits for the predecessor to follow. It is at work, or it is stuck and its requests with it.
const FOLLOWS: Duration = Duration::from_secs(2);

/// The edge before this one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    sender: tokio::sync::Mutex<Sender>,
    number: AtomicU64,
    heard: watch::Receiver<Heard>,
}

/// What was heard of it.
#[derive(Debug)]
struct Heard {
    gone: bool,
    followed: u64,
    /// What is in flight there.
    stats: Stats,
}

impl Predecessor {
    pub(super) fn new(sender: Sender, receiver: Receiver, stats: Stats) -> Self {
        let (hearing, heard) = watch::channel(Heard { gone: false, followed: 0, stats });
        tokio::spawn(listen(receiver, hearing));
        Self { sender: tokio::sync::Mutex::new(sender), number: AtomicU64::new(0), heard }
    }

    /// This edge accepts, and its control socket is in place.
    pub(crate) async fn serving(&self) {
        self.say(Asks::Serving).await;
    }

    /// Returns when the predecessor serves the tables that are stored now, and what is in flight there is known.
    pub(crate) async fn follow(&self) {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        if self.heard.borrow().gone {
            return;
        }
        self.say(Asks::Follow { number }).await;
        let mut heard = self.heard.clone();
        let followed = heard.wait_for(|heard| heard.gone || heard.followed >= number);
        if timeout(FOLLOWS, followed).await.is_err() {
            tracing::error!("the edge before this one does not follow; it may still use instances that left");
        }
    }

    /// Closes an instance there too.
    pub(crate) async fn close(&self, environment: String, id: String, grace: Duration) {
        self.say(Asks::Close { environment, id, grace_ms: ms(grace) }).await;
    }

    /// Tells it to end too.
    pub(crate) async fn end(&self, grace: Duration) {
        self.say(Asks::End { grace_ms: ms(grace) }).await;
    }

    /// Completes when it has ended.
    pub(crate) async fn gone(&self) {
        let mut heard = self.heard.clone();
        // The other end goes with the task that listens, which goes when the predecessor does.
        let _ = heard.wait_for(|heard| heard.gone).await;
    }

    /// Adds what is in flight there.
    pub(crate) fn add_to(&self, stats: &mut Stats, only: Option<&str>) {
        let heard = self.heard.borrow();
        stats.connections += heard.stats.connections;
        for (name, theirs) in &heard.stats.environments {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            let Some(environment) = stats.environments.get_mut(name) else {
                let mut gone = theirs.clone();
                (gone.generation, gone.revision, gone.unrouted) = (0, 0, 0);
                stats.environments.insert(name.clone(), gone);
                continue;
            };
            for (name, theirs) in &theirs.services {
                let Some(service) = environment.services.get_mut(name) else {
                    environment.services.insert(name.clone(), theirs.clone());
                    continue;
                };
                service.waiting += theirs.waiting;
                for (id, theirs) in &theirs.instances {
                    match service.instances.get_mut(id) {
                        Some(instance) => {
                            instance.in_flight += theirs.in_flight;
                            instance.upgrades += theirs.upgrades;
                        }
                        None => {
                            service.instances.insert(id.clone(), theirs.clone());
                        }
                    }
                }
            }
        }
    }

    /// Whether an instance is busy there.
    pub(crate) fn in_flight(&self, environment: &str, id: &str) -> Option<(u64, u64)> {
        let heard = self.heard.borrow();
        let services = &heard.stats.environments.get(environment)?.services;
        let instance = services.values().find_map(|service| service.instances.get(id))?;
        Some((instance.in_flight, instance.upgrades))
    }

    async fn say(&self, word: Asks) {
        // When it is gone, that is heard.
        let _ = self.sender.lock().await.say(&word).await;
    }
}

async fn listen(mut receiver: Receiver, hearing: watch::Sender<Heard>) {
    loop {
        match receiver.hear::<Says>().await {
            Ok(Says::Stats { stats } | Says::Yours { stats }) => {
                hearing.send_modify(|heard| heard.stats = stats)
            }
            Ok(Says::Followed { number, stats }) => hearing.send_modify(|heard| {
                heard.followed = number;
                heard.stats = stats;
            }),
            Ok(Says::Bequest { .. } | Says::Refused { .. }) => {}
            Err(error) => {
                tracing::info!(%error, "the edge before this one has ended");
                let nothing = Stats { environments: BTreeMap::new(), connections: 0, own: Vec::new() };
                hearing.send_modify(|heard| {
                    heard.gone = true;
                    heard.stats = nothing;
                });
                return;
            }
        }
    }
}
