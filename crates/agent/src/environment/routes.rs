//! Keeping the edge's table as it should be.

use super::{
    Environment,
    table::{self, Fitness},
};
use crate::{edge::EdgeError, fail};
use fairway_model::{Failure, FailureKind, Generation, Phase, traffic::Certificate};
use fairway_protocol::edge::{Applied, ProblemCode};
use fairway_route::{Position, Table};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Pause between two attempts to reach an edge that is being started again.
const AGAIN: Duration = Duration::from_millis(50);

impl Environment {
    /// How each instance is, as far as routing minds.
    pub(super) fn fitness(&self) -> BTreeMap<String, Fitness> {
        self.lock_instances().iter().map(|(id, managed)| (id.clone(), managed.fitness())).collect()
    }

    /// Brings the edge's table up to date, if it is not.
    pub(super) async fn publish(&self) -> Result<(), Failure> {
        // The sender lives as long as `self`, so waiting can only end well.
        let _ = self.recovered.subscribe().wait_for(|recovered| *recovered).await;
        let mut last = self.table.lock().await;
        let (desired, generation) = {
            let journal = self.journal.lock().await;
            let switching = journal.lifecycle.pending().is_some_and(|entry| entry.phase == Phase::Switching);
            let going_back = journal.lifecycle.serving().is_some_and(|entry| entry.trouble.is_some());
            if switching || going_back {
                // Which table is right is being decided by somebody else right now.
                return Ok(());
            }
            (table::desired(&journal, &self.fitness()), journal.table)
        };
        self.put(&mut last, desired, generation).await.map(drop)
    }

    /// [`Environment::publish`] where there is nobody to tell.
    pub(super) async fn publish_or_log(&self) {
        if let Err(failure) = self.publish().await {
            tracing::warn!(environment = %self.name, %failure, "the edge does not have the newest table yet");
        }
    }

    /// Puts a table, at least of this generation. One that differs from the last only in its position is not sent.
    pub(super) async fn put(
        &self,
        last: &mut Option<Table>,
        mut desired: Table,
        generation: Generation,
    ) -> Result<Option<Applied>, Failure> {
        let named = desired.certificates.iter().flat_map(Certificate::secrets).next();
        desired.secrets = named.map(|_| self.secrets().directory().to_owned());
        match last {
            None if desired.services.is_empty() && desired.listeners.is_empty() => return Ok(None),
            None => place(&mut desired, Position { generation: generation.0, revision: 1 }),
            Some(last) => {
                let at = last.position();
                place(&mut desired, at);
                if *last == desired && generation.0 <= at.generation {
                    return Ok(None);
                }
                let next = Position { generation: at.generation, revision: at.revision + 1 };
                place(&mut desired, next.max(Position { generation: generation.0, revision: 0 }));
            }
        }
        let deadline = Instant::now() + self.machine.settings.timing.edge;
        let mut corrected = false;
        loop {
            let problem = match self.machine.edge.put_table(&desired).await {
                Ok(applied) => {
                    for change in &applied.changes {
                        tracing::debug!(environment = %self.name, "edge: {change}");
                    }
                    *last = Some(desired);
                    return Ok(Some(applied));
                }
                Err(EdgeError::Refused(problem)) => problem,
                Err(EdgeError::Unreachable { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => {
                    return Err(Failure::new(
                        FailureKind::Edge,
                        fail::chain(&error),
                        "The edge keeps serving its last table",
                        "Look into edge.log in the agent's home directory",
                    ));
                }
            };
            let behind = matches!(problem.code, ProblemCode::Stale | ProblemCode::Contradicts);
            match problem.current {
                // The edge has seen a table that this agent does not know of: one that was put just before the agent
                // was killed. This table is the newer decision.
                Some((generation, revision)) if behind && !corrected => {
                    corrected = true;
                    let next = Position { generation, revision: revision + 1 }.max(desired.position());
                    place(&mut desired, next);
                }
                _ => {
                    let mut failure =
                        Failure::new(FailureKind::Edge, problem.message, problem.unchanged, problem.next);
                    failure.log = problem.entries;
                    return Err(failure);
                }
            }
        }
    }

    /// Compares the edge's table with what it should be and corrects it.
    pub(crate) async fn reconcile(&self) -> Result<(), Failure> {
        let mut last = self.table.lock().await;
        let served = match self.machine.edge.table(self.name.as_str()).await {
            Ok(served) => served,
            Err(error) => {
                return Err(Failure::new(
                    FailureKind::Edge,
                    fail::chain(&error),
                    "The edge keeps serving its last table",
                    "Look into edge.log in the agent's home directory",
                ));
            }
        };
        *last = served;
        drop(last);
        self.publish().await
    }
}

fn place(table: &mut Table, position: Position) {
    table.generation = position.generation;
    table.revision = position.revision;
}
