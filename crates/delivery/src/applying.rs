//! `apply`: commit the intent, then realise it.
//!
//! 1. *Check*: an unfinished operation is settled first; gates may refuse; artifacts and secrets are brought. None of
//!    this changes the environment.
//! 2. *Commit*: the operation is appended to the log. It succeeds only if the plan's base is still the head.
//! 3. *Realise*: prepare, switch, bake, retire on the target. Each is idempotent, so whoever comes after a crash can
//!    go on ([`crate::settle`]).
//! 4. *Read back*: the release is applied only when the target reports what the plan named.
//! 5. *Record*: how it ended, with what was measured.

use crate::{Delivery, Error, Notice, desired::Desired, git, notice::Events, planning::Planned};
use fairway_model::{
    Assignment, EnvironmentName, Evidence, Failure, FailureKind, Generation, ObservedRoutes, Phase, Program,
    Release, ReleaseStatus, ServedBy, VerdictLevel,
};
use fairway_oplog::{Draft, Outcome, Source, commit, finish};
use fairway_store::NextError;
use fairway_target::{Target, TargetError};
use std::{collections::BTreeSet, time::Instant};

/// What an apply did.
#[derive(Debug, Clone)]
pub enum Applied {
    /// Everything was as wanted already.
    Nothing {
        /// The release that serves, with its number.
        serving: Option<(Generation, fairway_model::ReleaseDigest)>,
    },
    /// The release runs and was read back.
    Done(Box<Done>),
}

/// A release that runs.
#[derive(Debug, Clone)]
pub struct Done {
    /// The environment.
    pub environment: EnvironmentName,
    /// The plan and the release.
    pub assignment: Assignment,
    /// What was measured.
    pub evidence: Evidence,
}

impl Delivery {
    /// Applies a plan that was just made from the repository.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::exit_code`] tells how far it got.
    pub async fn apply(
        &self,
        planned: Planned,
        desired: &Desired,
        target: &dyn Target,
    ) -> Result<Applied, Error> {
        self.deliver(&planned, desired, target).await?;
        self.execute(planned, target).await
    }

    /// Brings what the target does not have yet.
    pub(crate) async fn deliver(
        &self,
        planned: &Planned,
        desired: &Desired,
        target: &dyn Target,
    ) -> Result<(), Error> {
        if planned.plan().is_empty() {
            return Ok(());
        }
        refuse(planned)?;
        // The log decides again when the plan is committed; a plan that is stale now need not move a byte.
        self.store.state(&planned.plan().environment).await?.check_base(&planned.plan().base)?;
        let wanted: BTreeSet<_> = desired.artifacts.keys().copied().collect();
        for digest in target.missing(&wanted).await? {
            if let Some(source) = desired.artifacts.get(&digest) {
                let begin = Instant::now();
                target.deliver(source).await?;
                self.reporter.notice(Notice::Delivered { artifact: digest, took: begin.elapsed().into() });
            }
        }
        for (version, value) in &desired.secrets {
            target.put_secret(&planned.plan().environment, *version, value).await?;
        }
        Ok(())
    }

    /// Commits and realises a plan whose content the target has, or had once and keeps.
    pub(crate) async fn execute(&self, planned: Planned, target: &dyn Target) -> Result<Applied, Error> {
        let Planned { assignment, serving: _, intent } = &planned;
        let plan = &assignment.plan;
        if plan.is_empty() {
            return Ok(Applied::Nothing { serving: plan.base.serving });
        }
        refuse(&planned)?;
        let environment = plan.environment.clone();
        self.store.put_release(&assignment.release).await?;
        self.store.put_plan(plan).await?;
        let source = git::source(self.project.root()).await;
        let summary = fairway_plan::describe(plan, &assignment.release).summary;
        self.store
            .append_next(&environment, |state| {
                let source = Source { commit: source.commit.clone(), dirty: source.dirty };
                commit(
                    state,
                    &self.writer(),
                    Draft { plan, intent: *intent, source, summary: summary.clone() },
                )
            })
            .await?;
        self.reporter
            .notice(Notice::Committed { environment: environment.clone(), generation: plan.generation });
        let result = self.realise(assignment, target).await;
        self.record(&environment, plan.generation, &result).await?;
        let evidence = result?;
        Ok(Applied::Done(Box::new(Done { environment, assignment: assignment.clone(), evidence })))
    }

    /// Drives a committed release through its phases. Calling it again after a crash goes on where it stood.
    pub(crate) async fn realise(
        &self,
        assignment: &Assignment,
        target: &dyn Target,
    ) -> Result<Evidence, Error> {
        let environment = &assignment.plan.environment;
        let generation = assignment.generation();
        let events = Events(&*self.reporter);
        let prepared = target.prepare(assignment, &events).await;
        let prepared = prepared.map_err(|error| before_switch(environment, generation, error))?;
        if prepared.phase < Phase::Baking {
            let switched = target.switch(environment, generation, &events).await;
            switched.map_err(|error| before_switch(environment, generation, error))?;
        }
        self.see_through(assignment, target).await
    }

    /// The part after the switch: bake, retire, read back.
    pub(crate) async fn see_through(
        &self,
        assignment: &Assignment,
        target: &dyn Target,
    ) -> Result<Evidence, Error> {
        let environment = &assignment.plan.environment;
        let generation = assignment.generation();
        let events = Events(&*self.reporter);
        target
            .bake(environment, generation, &events)
            .await
            .map_err(|error| after_switch(environment, generation, error))?;
        let retired = target.retire(environment, generation, &events).await;
        let retired: ReleaseStatus = retired.map_err(|error| after_switch(environment, generation, error))?;
        self.read_back(assignment, target).await?;
        Ok(retired.evidence)
    }

    /// The release is applied only when the target reports what the plan named.
    async fn read_back(&self, assignment: &Assignment, target: &dyn Target) -> Result<(), Error> {
        let environment = &assignment.plan.environment;
        let observed = target.observe(environment).await?;
        let difference = match (&observed.serving, observed.routes.known()) {
            (Some((generation, digest)), _)
                if (*generation, *digest) != (assignment.generation(), assignment.plan.child) =>
            {
                if *generation > assignment.generation() {
                    return Err(Error::Superseded {
                        environment: environment.clone(),
                        generation: assignment.generation(),
                    });
                }
                Some(format!("it serves release {generation} ({})", digest.short()))
            }
            (None, _) => Some("it serves nothing".to_owned()),
            (_, None) => Some("its routes could not be read".to_owned()),
            (_, Some(routes)) => differs(&assignment.release, routes),
        };
        match difference {
            None => Ok(()),
            // Somebody stopped the environment, or went on to another release, while this one was on its way.
            Some(_) if self.store.state(environment).await?.generation() > assignment.generation() => {
                Err(Error::Superseded {
                    environment: environment.clone(),
                    generation: assignment.generation(),
                })
            }
            Some(difference) => Err(Error::NotConfirmed {
                environment: environment.clone(),
                generation: assignment.generation(),
                difference,
            }),
        }
    }

    /// Writes down how a release ended. An operation that nobody could finish stays pending for whoever comes next.
    pub(crate) async fn record(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        result: &Result<Evidence, Error>,
    ) -> Result<(), Error> {
        let outcome = match result {
            Ok(evidence) => Outcome::Applied { evidence: evidence.clone() },
            Err(Error::Failed { failure, .. }) => Outcome::Failed { failure: (**failure).clone() },
            Err(Error::Reverted { failure, .. }) => Outcome::Reverted { failure: (**failure).clone() },
            Err(Error::Stuck { failure, .. }) => Outcome::Stuck { failure: (**failure).clone() },
            // Unreachable, unconfirmed, superseded: the truth is on the target, and is settled when it can be asked.
            Err(_) => return Ok(()),
        };
        self.finish(environment, generation, outcome).await
    }

    /// Appends the end of a release. Somebody else having written the same end already is fine.
    pub(crate) async fn finish(
        &self,
        environment: &EnvironmentName,
        generation: Generation,
        outcome: Outcome,
    ) -> Result<(), Error> {
        let appended = self
            .store
            .append_next(environment, |state| finish(state, &self.writer(), generation, outcome.clone()))
            .await;
        match appended {
            Err(NextError::Refused(fairway_oplog::Refusal::NotPending { .. })) => Ok(()),
            other => other.map(|_| ()).map_err(Error::from),
        }
    }
}

/// Stops at verdicts that refuse.
fn refuse(planned: &Planned) -> Result<(), Error> {
    let refusals: Vec<_> = planned
        .plan()
        .verdicts
        .iter()
        .filter(|verdict| verdict.level == VerdictLevel::Refuse)
        .cloned()
        .collect();
    if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
}

fn before_switch(environment: &EnvironmentName, generation: Generation, error: TargetError) -> Error {
    match error {
        TargetError::Failed(failure) if failure.kind == FailureKind::Superseded => {
            Error::Superseded { environment: environment.clone(), generation }
        }
        TargetError::Failed(failure) => {
            Error::Failed { environment: environment.clone(), generation, failure }
        }
        unreachable @ TargetError::Unreachable { .. } => Error::Target(unreachable),
    }
}

fn after_switch(environment: &EnvironmentName, generation: Generation, error: TargetError) -> Error {
    let environment = environment.clone();
    match error {
        TargetError::Failed(failure) => match failure.kind {
            FailureKind::Superseded => Error::Superseded { environment, generation },
            FailureKind::Bake => Error::Reverted { environment, generation, failure },
            FailureKind::Start | FailureKind::Lease | FailureKind::Migration => {
                Error::Failed { environment, generation, failure }
            }
            _ => Error::Stuck { environment, generation, failure },
        },
        unreachable @ TargetError::Unreachable { .. } => Error::Target(unreachable),
    }
}

/// What the edge serves and the release does not say, or the other way round.
fn differs(release: &Release, routes: &ObservedRoutes) -> Option<String> {
    for (name, service) in &release.services {
        let wanted = match &service.program {
            Program::Stub => ServedBy::Stub,
            Program::Process(process) if process.listen.is_none() => continue,
            Program::Process(process) => ServedBy::Instances(process.digest()),
        };
        match routes.services.get(name) {
            Some(served) if *served == wanted => {}
            Some(ServedBy::Nothing) => return Some(format!("{name} has no instance that is ready")),
            Some(_) => return Some(format!("{name} is served by something else")),
            None => return Some(format!("the edge does not know {name}")),
        }
    }
    None
}

/// A failure in a phase that only a person can judge.
#[must_use]
pub(crate) fn failure_of(status: &ReleaseStatus) -> Failure {
    status.failure.clone().unwrap_or_else(|| {
        Failure::new(
            FailureKind::Internal,
            format!("the target says {:?} and not why", status.phase),
            "It is not known what was changed.",
            "Look at the agent's log.",
        )
    })
}
