//! What callers ask of an environment's releases.

use super::{Environment, unknown};
use crate::{clock, disk::Survives, fail};
use fairway_model::{Assignment, Failure, FailureKind, Generation, Phase, Program, ReleaseStatus};
use fairway_target::lifecycle::{Accept, Action, Go};
use std::{sync::Arc, time::Duration};

impl Environment {
    /// Accepts a release and begins to prepare it.
    pub(crate) async fn offer(self: &Arc<Self>, assignment: Assignment) -> Result<ReleaseStatus, Failure> {
        self.supported(&assignment)?;
        let generation = assignment.generation();
        let accepted = self
            .try_change(Survives::Machine, |journal, now| {
                let accepted = journal.lifecycle.accept(&assignment, now);
                if matches!(accepted, Accept::New { .. }) {
                    journal.early.clear();
                    journal.done.clear();
                }
                accepted
            })
            .await
            .map_err(|error| {
                fail::machine(format!("release {generation} could not be written down"), &error)
            })?;
        match accepted {
            Accept::New { aborted, superseded } => {
                if let Some(aborted) = aborted {
                    self.act(Action::CleanUp(aborted));
                }
                if let Some(superseded) = superseded {
                    self.note(superseded, None, format!("release {generation} takes over")).await;
                }
                self.act(Action::Prepare(generation));
            }
            Accept::Same(_) => {}
            Accept::Stale(failure)
            | Accept::Busy(failure)
            | Accept::Ended(failure)
            | Accept::Invalid(failure) => {
                return Err(*failure);
            }
        }
        self.status(generation, 0).await
    }

    /// What this agent can do with a release, before anything is written down.
    fn supported(&self, assignment: &Assignment) -> Result<(), Failure> {
        let release = &assignment.release;
        if release.format != fairway_model::RELEASE_FORMAT || assignment.plan.format != 1 {
            return Err(fail::invalid(
                format!(
                    "the release has format {} and its plan format {}; this agent knows {} and 1",
                    release.format,
                    assignment.plan.format,
                    fairway_model::RELEASE_FORMAT
                ),
                "Use the same version of Fairway on both sides",
            ));
        }
        for (name, service) in &release.services {
            let wrong = |message: String| {
                Err(fail::invalid(message, "Correct the manifest and plan again").of_service(name))
            };
            let Program::Process(process) = &service.program else { continue };
            if process.command.is_empty() {
                return wrong(format!("service {name} has no command"));
            }
            if service.replicas == 0 {
                return wrong(format!("service {name} has no replicas"));
            }
            if process.listen.is_none() && (process.probes.ready.is_some() || process.probes.live.is_some()) {
                return wrong(format!(
                    "service {name} has probes and listens on nothing that could be asked"
                ));
            }
            if process.listen.is_none() && !service.routes.is_empty() {
                return wrong(format!("service {name} has routes and listens on nothing"));
            }
            if let Some(missing) = process.needs.keys().find(|need| !release.services.contains_key(*need)) {
                return wrong(format!("service {name} needs {missing}, which is not part of the release"));
            }
            if let Some(deaf) = process.needs.keys().find(|need| {
                release.services[*need].process().is_some_and(|process| process.listen.is_none())
            }) {
                return wrong(format!("service {name} needs {deaf}, which listens on nothing"));
            }
            if process.database.is_some() && release.resources.postgres.is_none() {
                return wrong(format!("service {name} has a database, and the release has no PostgreSQL"));
            }
        }
        Ok(())
    }

    /// Where a release stands, with its events after `after`.
    pub(crate) async fn status(&self, generation: Generation, after: u64) -> Result<ReleaseStatus, Failure> {
        let journal = self.journal.lock().await;
        journal.lifecycle.status(generation, after).ok_or_else(|| unknown(&self.name, generation))
    }

    /// The same, as soon as there is an event after `after`, or `limit` has passed. Asking renews the lease.
    pub(crate) async fn follow(
        &self,
        generation: Generation,
        after: u64,
        limit: Duration,
    ) -> Result<ReleaseStatus, Failure> {
        self.renew(generation).await;
        let news = |status: Option<ReleaseStatus>| match status {
            Some(status) if status.events.is_empty() => None,
            other => Some(other.ok_or_else(|| unknown(&self.name, generation))),
        };
        let found = self.wait_for(limit, |journal| news(journal.lifecycle.status(generation, after))).await;
        self.renew(generation).await;
        match found {
            Some(status) => status,
            None => self.status(generation, after).await,
        }
    }

    /// The caller is alive. A lease is not written down: after a restart of the agent it begins anew.
    async fn renew(&self, generation: Generation) {
        self.journal.lock().await.lifecycle.renew(generation, clock::now());
    }

    /// Moves the routes, or joins whoever is doing it.
    pub(crate) async fn request_switch(
        self: &Arc<Self>,
        generation: Generation,
    ) -> Result<ReleaseStatus, Failure> {
        let environment = Arc::clone(self);
        // In a task of its own: a caller that hangs up in the middle does not leave half a switch.
        let switch = tokio::spawn(async move { environment.switch(generation).await });
        switch.await.map_err(fail::internal)??;
        self.status(generation, 0).await
    }

    /// How the bake of a release stands: the status while it goes on and when it went well, else why it did not.
    pub(crate) async fn request_bake(&self, generation: Generation) -> Result<ReleaseStatus, Failure> {
        self.journal.lock().await.lifecycle.bake(generation).map_err(|failure| *failure)?;
        self.status(generation, 0).await
    }

    /// Begins to retire what is old.
    pub(crate) async fn request_retire(
        self: &Arc<Self>,
        generation: Generation,
    ) -> Result<ReleaseStatus, Failure> {
        let go = self
            .try_change(Survives::Machine, |journal, now| {
                let was = journal.lifecycle.release(generation).map(|entry| entry.phase);
                journal.lifecycle.begin_retire(generation, now).map(|go| (go, was))
            })
            .await
            .map_err(|error| fail::machine("the retirement could not be written down", &error))?;
        match go {
            Ok((Go::Do, Some(Phase::Baked))) => self.act(Action::Retire(generation)),
            Ok(_) => {}
            Err(failure) => return Err(*failure),
        }
        self.status(generation, 0).await
    }

    /// Gives a release up and waits until what was started for it is gone.
    pub(crate) async fn request_abort(
        self: &Arc<Self>,
        generation: Generation,
    ) -> Result<Option<ReleaseStatus>, Failure> {
        let action = self
            .try_change(Survives::Machine, |journal, now| journal.lifecycle.abort(generation, now))
            .await
            .map_err(|error| fail::machine("the abort could not be written down", &error))?
            .map_err(|failure| *failure)?;
        if let Some(Action::CleanUp(generation)) = action {
            self.cancel_preparation(generation);
            let environment = Arc::clone(self);
            let cleaned = tokio::spawn(async move { environment.clean_up(generation).await });
            cleaned.await.map_err(fail::internal)?;
        }
        match self.status(generation, 0).await {
            Ok(status) => Ok(Some(status)),
            Err(failure) if failure.kind == FailureKind::WrongPhase => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
