//! `revert` and `down`: going back is deciding again.

use crate::{
    Delivery, Error,
    applying::Applied,
    git,
    planning::{Gates, Planned},
    settle::Manner,
};
use fairway_model::{
    EdgeSpec, EnvironmentName, Evidence, Generation, RELEASE_FORMAT, Release, Step, StepKind,
};
use fairway_oplog::{Draft, Intent, Outcome, Source, commit, revert_target};
use fairway_target::Target;
use std::collections::BTreeMap;

impl Delivery {
    /// Plans the way back to an earlier release: the one that served before, or the one with this number.
    /// What is still baking is taken over, because a revert cannot wait.
    ///
    /// # Errors
    /// When there is nothing to go back to, or somebody is preparing another release.
    pub async fn plan_revert(
        &self,
        environment: &EnvironmentName,
        to: Option<Generation>,
        gates: Gates,
        target: &dyn Target,
    ) -> Result<Planned, Error> {
        self.settle(environment, target, Manner::TakeOver).await?;
        let state = self.store.state(environment).await?;
        let goal = revert_target(&state, to)?;
        let release = self.store.get_release(goal.release).await?;
        let observed = target.observe(environment).await?;
        let planned = self.plan_against(&state, &observed, &release, goal.intent, gates).await?;
        // A revert brings nothing: what it needs is kept by the target for as long as its history promises.
        let gone = planned.plan().steps.iter().find(|step| matches!(step.kind, StepKind::Deliver { .. }));
        if let Some(Step { service: Some(service), .. }) = gone {
            let commit = state.entry(goal.generation).and_then(|entry| entry.committed.source.commit.clone());
            let commit = commit.map_or_else(|| "its sources".to_owned(), |commit| format!("commit {commit}"));
            return Err(Error::Usage(format!(
                "the program of {service} in release {} is not on {} any more: nothing was changed; check out {commit} and apply that",
                goal.generation,
                target.describe()
            )));
        }
        Ok(planned)
    }

    /// Executes a plan made by [`Delivery::plan_revert`], or one that was saved.
    ///
    /// # Errors
    /// As for [`Delivery::apply`].
    pub async fn execute_plan(&self, planned: Planned, target: &dyn Target) -> Result<Applied, Error> {
        self.execute(planned, target).await
    }

    /// Stops everything of an environment. It is in the log like any other change, so a revert brings it back.
    ///
    /// # Errors
    /// When somebody is preparing a release, or the target cannot be reached.
    pub async fn down(
        &self,
        environment: &EnvironmentName,
        purge: bool,
        target: &dyn Target,
    ) -> Result<(), Error> {
        self.settle(environment, target, Manner::TakeOver).await?;
        let state = self.store.state(environment).await?;
        if let Some(serving) = state.serving() {
            let serving = self.store.get_release(serving.release).await?;
            let nothing = nothing_of(&serving);
            let observed = target.observe(environment).await?;
            let planned = self
                .plan_against(
                    &state,
                    &observed,
                    &nothing,
                    Intent::Down,
                    Gates { allow_breaking: true, allow_destructive: true },
                )
                .await?;
            let plan = planned.plan();
            self.store.put_release(&nothing).await?;
            self.store.put_plan(plan).await?;
            let source = git::source(self.project.root()).await;
            self.store
                .append_next(environment, |state| {
                    let source = Source { commit: source.commit.clone(), dirty: source.dirty };
                    let summary = if purge { "stopped, data deleted" } else { "stopped" }.to_owned();
                    commit(state, &self.writer(), Draft { plan, intent: Intent::Down, source, summary })
                })
                .await?;
            target.destroy(environment, purge).await?;
            return self.finish_down(environment, plan.generation, target).await;
        }
        Ok(target.destroy(environment, purge).await?)
    }

    /// Finishes a `down` whose caller may have died.
    pub(crate) async fn finish_down(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        target: &dyn Target,
    ) -> Result<(), Error> {
        target.destroy(environment, false).await?;
        self.finish(environment, generation, Outcome::Applied { evidence: Evidence::default() }).await
    }
}

/// The same environment without anything in it.
fn nothing_of(serving: &Release) -> Release {
    Release {
        format: RELEASE_FORMAT,
        system: serving.system.clone(),
        environment: serving.environment.clone(),
        listener: None,
        edge: EdgeSpec::default(),
        services: BTreeMap::new(),
        resources: serving.resources.clone(),
        bake: serving.bake,
        drain: serving.drain,
    }
}
