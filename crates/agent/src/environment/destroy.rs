//! Taking an environment down.

use super::Environment;
use crate::{disk, disk::Survives, fail};
use fairway_model::{Failure, FailureKind};
use futures::future;
use std::sync::Arc;

impl Environment {
    /// Stops everything of the environment and removes its routes. Its databases, secrets and logs stay unless `purge`
    /// says otherwise; then the agent forgets it altogether.
    pub(crate) async fn destroy(self: &Arc<Self>, purge: bool) -> Result<(), Failure> {
        let pending = self.journal.lock().await.lifecycle.pending().map(|entry| entry.generation());
        if let Some(generation) = pending {
            self.cancel_preparation(generation);
        }
        let _alone = self.preparation.lock().await;
        self.change(Survives::Machine, |journal, now| {
            journal.lifecycle.on_destroyed(now);
            journal.early.clear();
            journal.done.clear();
        })
        .await;
        self.remove_routes().await?;
        self.stop_instances().await;
        if purge {
            self.drop_databases().await?;
            let forgotten = [
                self.secrets().purge(),
                disk::remove(&self.machine.home.logs(&self.name)),
                disk::remove(&self.machine.home.work(&self.name)),
                disk::remove(&self.machine.home.journal(&self.name)),
            ];
            for removed in forgotten {
                removed.map_err(|error| {
                    let mut failure =
                        fail::machine("what the environment left behind could not be removed", &error);
                    failure.unchanged = "Its instances are stopped and its databases are gone".into();
                    failure
                })?;
            }
            let journal = self.journal.lock().await;
            for port in journal.edge_ports() {
                self.machine.ports.release(port);
            }
            self.close();
        }
        self.machine.garbage.notify_one();
        Ok(())
    }

    async fn remove_routes(&self) -> Result<(), Failure> {
        let mut last = self.table.lock().await;
        let floor = self.journal.lock().await.lifecycle.accepted().0;
        let generation = last.as_ref().map_or(floor, |table| table.generation.max(floor));
        self.machine.edge.remove(self.name.as_str(), generation).await.map_err(|error| {
            Failure::new(
                FailureKind::Edge,
                format!("the routes could not be removed: {}", fail::chain(&error)),
                "The instances of the environment still run",
                "Look into edge.log in the agent's home directory and try again",
            )
        })?;
        *last = None;
        Ok(())
    }

    /// Stops every instance of the environment at once, without waiting for requests.
    pub(crate) async fn stop_instances(&self) {
        let instances: Vec<_> =
            self.lock_instances().iter().map(|(id, managed)| (id.clone(), Arc::clone(managed))).collect();
        let stops = instances.iter().map(|(id, managed)| async move {
            if let Err(error) = managed.stop().await {
                tracing::error!(environment = %self.name, instance = id, %error, "it could not be stopped");
            }
            self.forget(id, managed).await;
        });
        future::join_all(stops).await;
    }
}
