//! Moving all routes of the environment at once, and moving them back.

use super::{Environment, gate::AtSwitch, table, traffic::Totals, unknown};
use crate::{disk::Survives, fail};
use fairway_model::{EventKind, Failure, Generation, Millis, Phase};
use fairway_target::lifecycle::{Action, Go};
use std::sync::Arc;
use tokio::time::Instant;

impl Environment {
    /// Moves the routes to a prepared release. When it has been done already, that is fine.
    ///
    /// The journal says "switching" before the edge hears of it, so an agent that is killed anywhere in here puts the
    /// same table again when it is started again, which the edge takes as the repetition that it is.
    pub(super) async fn switch(self: &Arc<Self>, generation: Generation) -> Result<(), Failure> {
        let stats = self.edge_stats().await;
        let baseline = Totals::since(stats.as_ref());
        // Held over the whole switch: a table that is put because of an instance that changes waits.
        let mut last = self.table.lock().await;
        let go = self
            .try_change(Survives::Process, |journal, now| {
                let go = journal.lifecycle.begin_switch(generation, now);
                if go == Ok(Go::Do) {
                    journal.baseline = Some(baseline);
                    journal.restarts_at_switch =
                        journal.instances.iter().map(|(id, record)| (id.clone(), record.restarts)).collect();
                }
                go
            })
            .await
            .map_err(|error| fail::machine("the switch could not be written down", &error))?;
        match go {
            Ok(Go::Do) => {
                *self.lock_at_switch() = stats.map(|stats| AtSwitch { generation, stats });
            }
            Ok(Go::Done) => return Ok(()),
            Err(failure) => {
                drop(last);
                if let Some(action) = self.aborted_by_lease(generation).await {
                    self.act(action);
                }
                return Err(*failure);
            }
        }
        let desired = {
            let journal = self.journal.lock().await;
            let Some(entry) = journal.lifecycle.release(generation) else {
                return Err(unknown(&self.name, generation));
            };
            table::after_switch(&journal, &entry.assignment.release, &self.fitness())
        };
        let began = Instant::now();
        let put = self.put(&mut last, desired, generation).await;
        let took = began.elapsed();
        match put {
            Ok(_) => {
                self.change(Survives::Machine, |journal, now| {
                    journal.table = journal.table.max(generation);
                    journal.early.clear();
                    let step = "switch".to_owned();
                    let detail = format!("all routes of {} at once", self.name);
                    let done = EventKind::StepDone { step, took: Millis::from(took), detail };
                    if let Some(evidence) = journal.lifecycle.evidence(generation) {
                        evidence.switch_micros = Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                    }
                    journal.lifecycle.record(generation, now, None, done);
                    journal.lifecycle.on_switched(generation, now);
                })
                .await;
                Ok(())
            }
            Err(failure) => {
                let told = failure.clone();
                self.change(Survives::Machine, |journal, now| {
                    journal.early.clear();
                    journal.lifecycle.on_failed(generation, now, told);
                })
                .await;
                drop(last);
                self.act(Action::CleanUp(generation));
                Err(failure)
            }
        }
    }

    /// A switch that came too late ended the release; this is what has to be cleaned up then.
    async fn aborted_by_lease(&self, generation: Generation) -> Option<Action> {
        let journal = self.journal.lock().await;
        let phase = journal.lifecycle.release(generation)?.phase;
        (phase == Phase::Aborted).then_some(Action::CleanUp(generation))
    }

    /// Moves the routes back to the release before, whose instances are warm.
    pub(super) async fn switch_back(self: &Arc<Self>, from: Generation, to: Generation) {
        let began = Instant::now();
        let mut last = self.table.lock().await;
        let desired = {
            let journal = self.journal.lock().await;
            let Some(before) = journal.lifecycle.release(to) else { return };
            table::after_switch(&journal, &before.assignment.release, &self.fitness())
        };
        match self.put(&mut last, desired, from).await {
            Ok(_) => {
                let took = Millis::from(began.elapsed());
                self.change(Survives::Machine, |journal, now| {
                    let message = format!("all routes are back at release {to}, after {took}");
                    journal.lifecycle.record(from, now, None, EventKind::Note { message });
                    journal.lifecycle.on_reverted(from, now);
                })
                .await;
                drop(last);
                self.clean_up(from).await;
            }
            Err(edge) => {
                self.change(Survives::Machine, |journal, now| {
                    let trouble = journal.lifecycle.release(from).and_then(|entry| entry.trouble.clone());
                    let mut failure = trouble.unwrap_or_else(|| edge.clone());
                    failure.unchanged = format!("Routes still point at release {from}: {edge}");
                    failure.next =
                        "Look into edge.log in the agent's home directory, repair the edge, then revert"
                            .into();
                    journal.lifecycle.on_stuck(from, now, failure);
                })
                .await;
            }
        }
    }
}
