//! Going on after the agent was started again.

use super::Environment;
use crate::{clock, disk::Survives, instance::Condition};
use fairway_supervisor::Process;
use fairway_supervisor::StopPolicy;
use fairway_target::lifecycle::Action;
use std::{sync::Arc, time::Duration};

/// How long the edge may take to say what it serves before the environment is looked after without it.
const EDGE_ANSWERS: Duration = Duration::from_secs(5);

/// How long the instances that were taken over may take to answer for the first time.
const FIRST_PROBES: Duration = Duration::from_secs(1);

impl Environment {
    /// Takes over what runs and goes on where the agent was.
    ///
    /// A switch is in the journal before the edge hears of it. If the agent was killed in between, or before it could
    /// write down that the edge has it, the same table is put again: the edge answers as if it had just taken it.
    pub(crate) async fn recover(self: &Arc<Self>) {
        self.end_commands().await;
        let (records, dispensable) = {
            let journal = self.journal.lock().await;
            (journal.instances.clone(), journal.dispensable())
        };
        let takeovers = records.into_iter().map(|(id, record)| {
            let wanted = !dispensable.contains(&id);
            async move { self.take_over(&id, record, wanted).await }
        });
        futures::future::join_all(takeovers).await;
        self.first_probes().await;
        self.ask_edge().await;
        let actions = {
            // Not written down: whatever is done next is.
            let mut journal = self.journal.lock().await;
            journal.lifecycle.recover(clock::now())
        };
        for action in actions {
            match action {
                // First of all, so that no table is put before it is known which one it must be.
                Action::Switch(generation) => {
                    if let Err(failure) = self.switch(generation).await {
                        tracing::error!(environment = %self.name, %generation, %failure, "the switch could not be finished");
                    }
                }
                other => self.act(other),
            }
        }
        self.recovered.send_replace(true);
        self.publish_or_log().await;
        self.keep();
    }

    /// Waits a little for the first answers of the instances that were taken over: a table that is made before them
    /// would not know which ones are ready.
    async fn first_probes(&self) {
        let managed: Vec<_> = self.lock_instances().values().cloned().collect();
        let answers = managed.iter().map(|managed| async move {
            let mut health = managed.watch();
            let _ = health.wait_for(|health| health.condition != Condition::Starting).await;
        });
        let _ = tokio::time::timeout(FIRST_PROBES, futures::future::join_all(answers)).await;
    }

    /// What the edge serves of this environment becomes the last known table.
    async fn ask_edge(&self) {
        let deadline = tokio::time::Instant::now() + EDGE_ANSWERS;
        loop {
            match self.machine.edge.table(self.name.as_str()).await {
                Ok(served) => {
                    *self.table.lock().await = served;
                    return;
                }
                Err(error) if tokio::time::Instant::now() >= deadline => {
                    tracing::warn!(environment = %self.name, %error, "the edge does not say what it serves");
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Migrations and seeds that outlived the agent are ended; their steps are run again.
    async fn end_commands(&self) {
        let commands = self.journal.lock().await.commands.clone();
        for (name, identity) in commands {
            if let Some(process) = Process::adopt(&identity) {
                tracing::warn!(environment = %self.name, command = %name, "it outlived the agent that waited for it and is run again");
                if let Err(error) = process.stop(StopPolicy::default()).await {
                    tracing::error!(environment = %self.name, command = %name, %error, "it could not be ended");
                }
            }
            self.change(Survives::Process, |journal, _| journal.commands.remove(&name)).await;
        }
    }
}
