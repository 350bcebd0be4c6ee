//! Watching a release after its switch.
//!
//! Trouble is, for an instance that this release brought: that it ended or was started again, that it stopped being
//! ready, or that of its requests at least five and more than five of a hundred failed (5xx, broken or timed out); and
//! for a service, that its new instances certainly do worse than the old ones did ([`super::gate`]).
//! Instances that served before as well are not this release's trouble.

use super::{
    Environment,
    gate::{self, Worse},
    journal::{all_wanted, wanted},
    start::LOG_LINES,
};
use crate::{
    clock,
    disk::Survives,
    instance::{Condition, describe},
};
use fairway_model::{EventKind, Failure, FailureKind, Generation, Phase, Release, ServiceName};
use fairway_protocol::edge::EnvironmentStats;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long the keeper sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(5);

/// How long the edge may take to say what it has counted.
const STATS_WITHIN: Duration = Duration::from_secs(1);

/// What is looked at during a bake.
struct Baking {
    generation: Generation,
    before: Option<Generation>,
    release: Release,
    /// That of `before`.
    old: Option<Release>,
    /// Instances that were not part of the release before.
    new: BTreeSet<String>,
}

impl Environment {
    /// What the edge counted for this environment; `None` when it cannot be asked now.
    pub(super) async fn edge_stats(&self) -> Option<EnvironmentStats> {
        // An edge that does not answer must not keep anybody from looking at the instances.
        let asked = self.machine.edge.stats(Some(self.name.as_str()));
        let mut stats = tokio::time::timeout(STATS_WITHIN, asked).await.ok()?.ok()?;
        stats.environments.remove(self.name.as_str())
    }

    async fn baking(&self) -> Option<Baking> {
        let journal = self.journal.lock().await;
        let entry = journal.lifecycle.serving()?;
        if entry.phase != Phase::Baking || entry.trouble.is_some() {
            return None;
        }
        let release = entry.assignment.release.clone();
        let before = entry.before.and_then(|before| journal.lifecycle.release(before));
        let old = before.map(|before| before.assignment.release.clone());
        let kept = old.as_ref().map(all_wanted).unwrap_or_default();
        let new = all_wanted(&release).difference(&kept).cloned().collect();
        Some(Baking { generation: entry.generation(), before: entry.before, release, old, new })
    }

    /// Looks at a baking release, if there is one; answers when to look again.
    pub(super) async fn watch_bake(self: &Arc<Self>) -> Duration {
        let Some(baking) = self.baking().await else { return self.next_deadline().await };
        self.look(&baking).await;
        self.machine.settings.timing.watch
    }

    async fn next_deadline(&self) -> Duration {
        let journal = self.journal.lock().await;
        let due = journal
            .lifecycle
            .next_deadline()
            .map(|at| Duration::from_millis(at.saturating_sub(clock::now()) + 1));
        due.map_or(IDLE, |due| due.min(IDLE))
    }

    /// The time of the bake is over: one last look.
    pub(super) async fn end_bake(self: &Arc<Self>, generation: Generation) {
        let Some(baking) = self.baking().await.filter(|baking| baking.generation == generation) else {
            return;
        };
        if self.look(&baking).await {
            return;
        }
        self.change(Survives::Machine, |journal, now| {
            journal.lifecycle.on_baked(generation, now);
            journal.baseline = None;
        })
        .await;
    }

    /// Looks once; true when there is trouble.
    async fn look(self: &Arc<Self>, baking: &Baking) -> bool {
        let stats = self.edge_stats().await;
        let errors = {
            // Not written down at every look: what was counted since the switch is found again from its begin.
            let mut journal = self.journal.lock().await;
            let mut totals = journal.baseline.clone().unwrap_or_default();
            if let Some(stats) = &stats {
                totals.look(stats);
            }
            let all = totals.all();
            if let Some(evidence) = journal.lifecycle.evidence(baking.generation) {
                evidence.requests_served = all.served;
                evidence.requests_failed = all.failed;
            }
            let worst = baking
                .new
                .iter()
                .map(|id| (id.clone(), totals.of(|other| other == id)))
                .find(|(_, count)| count.is_trouble());
            journal.baseline = Some(totals);
            worst
        };
        let worse = stats.and_then(|stats| self.worse(baking, &stats));
        let mut found = self.instance_trouble(baking).await;
        if let (None, Some((id, count))) = (&found, errors) {
            let message =
                format!("{} of {} requests to {id} failed since the switch", count.failed, count.served);
            found = Some((id, message));
        }
        if let (None, Some(worse)) = (&found, worse) {
            found = Some((worse.instance, worse.message));
        }
        let Some((id, message)) = found else { return false };
        let failure = self.bake_failure(baking, &id, message);
        tracing::warn!(environment = %self.name, generation = %baking.generation, %failure, "trouble during the bake");
        let action = self
            .change(Survives::Machine, |journal, now| {
                let kind = EventKind::Note { message: failure.message.clone() };
                journal.lifecycle.record(baking.generation, now, failure.service.clone(), kind);
                journal.lifecycle.on_trouble(baking.generation, now, failure)
            })
            .await;
        if let Some(action) = action {
            self.act(action);
        }
        true
    }

    /// Compares what was new with what was old, if both are known.
    fn worse(&self, baking: &Baking, stats: &EnvironmentStats) -> Option<Worse> {
        let before = baking.old.as_ref()?;
        let at_switch = self.lock_at_switch();
        let at_switch = at_switch.as_ref().filter(|at_switch| at_switch.generation == baking.generation)?;
        gate::judge(&baking.release, before, &baking.new, &at_switch.stats, stats)
    }

    async fn instance_trouble(&self, baking: &Baking) -> Option<(String, String)> {
        let records = {
            let journal = self.journal.lock().await;
            let restarts = |id: &String| journal.instances.get(id).map(|record| record.restarts);
            let began = |id: &String| journal.restarts_at_switch.get(id).copied().unwrap_or(0);
            baking.new.iter().map(|id| (id.clone(), restarts(id), began(id))).collect::<Vec<_>>()
        };
        for (id, restarts, began) in records {
            let Some(managed) = self.managed(&id) else {
                return Some((id.clone(), format!("{id} is gone")));
            };
            let health = managed.health();
            let ended = |id: &str| match &health.last_exit {
                Some(exit) => format!("{id} {exit} after the switch"),
                None => format!("{id} ended after the switch"),
            };
            let trouble = match health.condition {
                Condition::Restarting | Condition::CrashLoop | Condition::Stopped => Some(ended(&id)),
                _ if restarts.is_some_and(|restarts| restarts > began) => Some(ended(&id)),
                Condition::Unready | Condition::Late => Some(match &health.probe {
                    Some(probe) => format!("{id} is not ready any more: {}", describe(probe)),
                    None => format!("{id} is not ready any more"),
                }),
                // A process that was just taken over by a new agent has not been probed yet.
                Condition::Ready | Condition::Starting => None,
            };
            if let Some(message) = trouble {
                return Some((id, message));
            }
        }
        None
    }

    fn bake_failure(&self, baking: &Baking, id: &str, message: String) -> Failure {
        let owner = baking
            .release
            .services
            .keys()
            .find(|service| wanted(&baking.release, service).iter().any(|own| own == id));
        let (unchanged, next) = match baking.before {
            Some(before) => (
                format!("All routes are back at release {before}, whose instances had been kept running"),
                "Correct the service and apply again",
            ),
            None => (
                format!(
                    "Release {} keeps the routes: there is no release before it to go back to",
                    baking.generation
                ),
                "Correct the service and apply again",
            ),
        };
        let mut failure = Failure::new(FailureKind::Bake, message, unchanged, next);
        failure.service = owner.cloned();
        failure.instance = Some(id.to_owned());
        failure.log = owner.map(|service| self.last_lines(service, id)).unwrap_or_default();
        failure.probe = self.managed(id).and_then(|managed| managed.health().probe).filter(|probe| {
            probe.error.is_some() || probe.status.is_some_and(|status| !(200..300).contains(&status))
        });
        failure
    }

    /// The last lines of an instance's log.
    pub(super) fn last_lines(&self, service: &ServiceName, id: &str) -> Vec<String> {
        fairway_supervisor::log::tail(&self.machine.home.log(&self.name, service, id), LOG_LINES)
            .unwrap_or_default()
    }
}
