//! The simulator as a [`Target`].

use super::{Bug, Call, Sim, failed, internal, status, unreachable};
use crate::sim::program::SimProgram;
use crate::{
    ArtifactSource, Progress, Target, TargetError,
    lifecycle::{Accept, Entry, Go, Lifecycle},
};
use async_trait::async_trait;
use fairway_model::{
    ArtifactDigest, Assignment, Digest, EnvironmentName, Failure, FailureKind, Generation, Observed, Phase,
    Redacted, ReleaseStatus, SecretVersion,
};
use std::collections::BTreeSet;

#[async_trait]
impl Target for Sim {
    fn describe(&self) -> String {
        "the simulated target".to_owned()
    }

    async fn observe(&self, environment: &EnvironmentName) -> Result<Observed, TargetError> {
        let mut world = self.world();
        if world.down {
            return Err(unreachable("the daemon does not answer"));
        }
        world.settle();
        Ok(world.observe(environment))
    }

    async fn missing(
        &self,
        artifacts: &BTreeSet<ArtifactDigest>,
    ) -> Result<BTreeSet<ArtifactDigest>, TargetError> {
        let world = self.world();
        if world.down {
            return Err(unreachable("the daemon does not answer"));
        }
        Ok(artifacts.iter().filter(|digest| !world.artifacts.contains_key(digest)).copied().collect())
    }

    async fn deliver(&self, artifact: &ArtifactSource) -> Result<(), TargetError> {
        let bytes = std::fs::read(&artifact.path).map_err(|error| {
            let message = format!("{} cannot be read: {error}", artifact.path.display());
            Failure::new(FailureKind::Missing, message, "nothing was delivered", "build the artifact again")
        })?;
        let mut world = self.world();
        if world.down {
            return Err(unreachable("the daemon does not answer"));
        }
        let found = ArtifactDigest(Digest::of(&bytes));
        if found != artifact.digest && !world.has(Bug::TakesAnyBytes) {
            let message = format!("the bytes hash to {}, not to {}", found.short(), artifact.digest.short());
            return Err(Failure::new(
                FailureKind::Invalid,
                message,
                "nothing was kept",
                "build the artifact again",
            )
            .into());
        }
        world.artifacts.insert(artifact.digest, SimProgram::read(&bytes, &artifact.digest.short()));
        Ok(())
    }

    async fn put_secret(
        &self,
        environment: &EnvironmentName,
        version: SecretVersion,
        _value: &Redacted,
    ) -> Result<(), TargetError> {
        let mut world = self.world();
        if world.down {
            return Err(unreachable("the daemon does not answer"));
        }
        world.place(environment).secrets.insert(version);
        Ok(())
    }

    async fn prepare(
        &self,
        assignment: &Assignment,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let (environment, generation) = (&assignment.plan.environment, assignment.generation());
        let mut call = {
            let mut world = self.world();
            let mut call = Call::begin(&world, generation, progress)?;
            self.before_step(&mut world)?;
            let (reuses, refuses) = (world.has(Bug::ReusesNumbers), world.has(Bug::RefusesDuringBake));
            let (now, stale, two, twice) = (
                world.now,
                world.has(Bug::AcceptsStale),
                world.has(Bug::LetsTwoIn),
                world.has(Bug::PreparesTwice),
            );
            let place = world.place(environment);
            if two
                && let Some(pending) = place.journal.pending().map(Entry::generation)
                && pending != generation
            {
                let _ = place.journal.abort(pending, now);
            }
            let baking = place.journal.serving().is_some_and(|entry| entry.phase == Phase::Baking);
            if refuses && baking && generation > place.journal.accepted() {
                return Err(internal("not during a bake"));
            }
            let known = place.journal.accepted();
            match place.journal.accept(assignment, now) {
                // All events of a new release are this call's.
                Accept::New { .. } => call.reported = Some(0),
                Accept::Same(_) if twice => {
                    let renamed = std::mem::take(&mut place.instances).into_iter();
                    place.instances =
                        renamed.map(|(id, instance)| (format!("{id}-again"), instance)).collect();
                }
                Accept::Same(_) => {}
                Accept::Stale(failure) if stale || reuses && generation == known => {
                    return Ok(ReleaseStatus {
                        generation,
                        release: assignment.plan.child,
                        phase: Phase::Prepared,
                        events: Vec::new(),
                        failure: None,
                        evidence: fairway_model::Evidence {
                            notes: vec![failure.message],
                            ..Default::default()
                        },
                    });
                }
                Accept::Stale(failure)
                | Accept::Busy(failure)
                | Accept::Ended(failure)
                | Accept::Invalid(failure) => {
                    return failed(failure);
                }
            }
            call
        };
        self.changed();
        self.drive(environment, &mut call, |journal, now| {
            // The caller is waiting right here.
            journal.renew(generation, now);
            let entry = journal.release(generation)?;
            match (&entry.failure, entry.phase) {
                (Some(failure), _) => Some(failed(Box::new(failure.clone()))),
                (None, Phase::Preparing) => None,
                (None, _) => Some(status(journal, generation)),
            }
        })
        .await
    }

    async fn switch(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let mut call = self.begin(environment, generation, progress, Lifecycle::begin_switch)?;
        self.drive(environment, &mut call, |journal, _| match journal.release(generation)?.phase {
            Phase::Switching => None,
            _ => Some(status(journal, generation)),
        })
        .await
    }

    async fn bake(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let mut call =
            self.begin(environment, generation, progress, |journal, generation, _| journal.bake(generation))?;
        self.drive(environment, &mut call, |journal, _| match journal.bake(generation) {
            Ok(Go::Do) => None,
            Ok(Go::Done) => Some(status(journal, generation)),
            Err(failure) => Some(failed(failure)),
        })
        .await
    }

    async fn retire(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, TargetError> {
        let mut call = self.begin(environment, generation, progress, Lifecycle::begin_retire)?;
        self.drive(environment, &mut call, |journal, _| match journal.release(generation)?.phase {
            Phase::Retiring => None,
            _ => Some(status(journal, generation)),
        })
        .await
    }

    async fn abort(&self, environment: &EnvironmentName, generation: Generation) -> Result<(), TargetError> {
        let mut call = {
            let mut world = self.world();
            let call = Call::begin(&world, generation, &crate::Silent)?;
            self.before_step(&mut world)?;
            let (now, stale, nothing) =
                (world.now, world.has(Bug::AcceptsStale), world.has(Bug::AbortDoesNothing));
            let any_phase = world.has(Bug::IgnoresPhases);
            let journal = &mut world.place(environment).journal;
            if nothing || stale && generation < journal.accepted() {
                return Ok(());
            }
            match journal.abort(generation, now) {
                Ok(_) => {}
                Err(failure) if any_phase && failure.kind == FailureKind::WrongPhase => {}
                Err(failure) => return failed(failure),
            }
            call
        };
        self.changed();
        self.clean_up(environment, &mut call).await
    }

    async fn release(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
    ) -> Result<Option<ReleaseStatus>, TargetError> {
        let mut world = self.world();
        if world.down {
            return Err(unreachable("the daemon does not answer"));
        }
        let now = world.now;
        let journal = &mut world.place(environment).journal;
        // Whoever asks is taken for the caller, as at the agent's API.
        journal.renew(generation, now);
        Ok(journal.status(generation, 0))
    }

    async fn destroy(&self, environment: &EnvironmentName, purge: bool) -> Result<(), TargetError> {
        let (mut call, keeps) = {
            let mut world = self.world();
            let call = Call::begin(&world, Generation(0), &crate::Silent)?;
            self.before_step(&mut world)?;
            let (now, keeps) = (world.now, world.has(Bug::DestroyKeepsRoutes));
            let place = world.place(environment);
            place.journal.on_destroyed(now);
            if !keeps {
                place.routes = fairway_model::ObservedRoutes::default();
            }
            (call, keeps)
        };
        self.changed();
        self.clean_up(environment, &mut call).await?;
        let mut world = self.world();
        self.before_step(&mut world)?;
        if purge && !keeps && !world.has(Bug::PurgeKeepsDatabases) {
            world.places.remove(environment);
        }
        drop(world);
        self.changed();
        Ok(())
    }
}

impl Sim {
    /// Lets a call in: the journal is asked, and changed, in one step.
    fn begin<'a>(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        progress: &'a dyn Progress,
        ask: impl FnOnce(&mut Lifecycle, Generation, u64) -> Result<Go, Box<Failure>>,
    ) -> Result<Call<'a>, TargetError> {
        let mut world = self.world();
        let mut call = Call::begin(&world, generation, progress)?;
        self.before_step(&mut world)?;
        let (now, accepts_stale, any_phase) =
            (world.now, world.has(Bug::AcceptsStale), world.has(Bug::IgnoresPhases));
        let journal = &mut world.place(environment).journal;
        let known = journal.release(generation).map(|entry| entry.sequence);
        call.reported = known;
        match ask(journal, generation, now) {
            Ok(_) => {}
            Err(failure)
                if accepts_stale && known.is_some() && matches!(failure.kind, FailureKind::Stale { .. }) => {}
            Err(failure) if any_phase && failure.kind == FailureKind::WrongPhase => {}
            Err(failure) => return failed(failure),
        }
        drop(world);
        self.changed();
        Ok(call)
    }

    /// Works until nothing unwanted is left.
    async fn clean_up(&self, environment: &EnvironmentName, call: &mut Call<'_>) -> Result<(), TargetError> {
        loop {
            {
                let mut world = self.world();
                call.alive(&world)?;
                self.before_step(&mut world)?;
                if !world.clean_one(environment) {
                    return Ok(());
                }
            }
            self.changed();
            tokio::task::yield_now().await;
        }
    }
}
