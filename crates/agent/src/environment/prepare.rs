//! Making a release ready beside what runs: the steps of its plan, as they stand there.

use super::{Environment, table};
use crate::{disk::Survives, fail};
use fairway_model::{
    ArtifactDigest, Assignment, EventKind, Failure, FailureKind, Generation, Millis, Program, Release,
    ServiceName, Step, StepKind,
};
use futures::future::{self, BoxFuture};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a preparation ended without being done.
#[derive(Debug)]
pub(super) enum End {
    /// Somebody gave the release up, or another service of it failed.
    Cancelled,
    /// It failed.
    Failed(Box<Failure>),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// The steps of one service with their place in the plan.
fn steps_of<'a>(
    assignment: &'a Assignment,
    service: &'a ServiceName,
) -> impl Iterator<Item = (usize, &'a Step)> {
    assignment.plan.steps.iter().enumerate().filter(move |(_, step)| step.service.as_ref() == Some(service))
}

impl Environment {
    /// Begins, or goes on after a restart of the agent.
    pub(super) fn begin_prepare(self: &Arc<Self>, generation: Generation) {
        let cancel = CancellationToken::new();
        let before = self.lock_preparing().replace((generation, cancel.clone()));
        if let Some((_, before)) = before {
            before.cancel();
        }
        let environment = Arc::clone(self);
        self.spawn(generation, async move { environment.prepare(generation, cancel).await });
    }

    /// Ends the preparation of a release. What it is in the middle of ends as soon as it can.
    pub(super) fn cancel_preparation(&self, generation: Generation) {
        if let Some((preparing, cancel)) = &*self.lock_preparing()
            && *preparing == generation
        {
            cancel.cancel();
        }
    }

    fn lock_preparing(&self) -> std::sync::MutexGuard<'_, Option<(Generation, CancellationToken)>> {
        self.preparing.lock().expect("nobody panics while holding this lock")
    }

    async fn prepare(self: &Arc<Self>, generation: Generation, cancel: CancellationToken) {
        let _alone = self.preparation.lock().await;
        let ended = self.make_ready(generation, &cancel).await;
        match ended {
            Ok(()) => {
                self.change(Survives::Machine, |journal, now| journal.lifecycle.on_prepared(generation, now))
                    .await
            }
            Err(End::Cancelled) => {}
            Err(End::Failed(failure)) => {
                self.change(Survives::Machine, |journal, now| {
                    journal.lifecycle.on_failed(generation, now, *failure);
                })
                .await;
                drop(_alone);
                self.clean_up(generation).await;
            }
        }
    }

    async fn make_ready(
        self: &Arc<Self>,
        generation: Generation,
        cancel: &CancellationToken,
    ) -> Result<(), End> {
        let assignment = {
            let journal = self.journal.lock().await;
            let Some(entry) = journal.lifecycle.release(generation) else { return Err(End::Cancelled) };
            entry.assignment.clone()
        };
        let assignment = &assignment;
        let release = &assignment.release;
        self.give_ports(release).await?;
        self.check_artifacts(generation, assignment).await?;
        for version in release.edge.secrets() {
            self.secrets().get(version)?;
        }
        let unserved = {
            let journal = self.journal.lock().await;
            table::unserved(&journal, release)
        };
        let stubs = unserved.iter().filter(|name| matches!(release.services[*name].program, Program::Stub));
        self.serve_early(stubs.cloned().collect()).await?;
        self.ensure_server(generation, assignment).await?;
        // Everything that touches data comes before everything that starts, as in the plan: a migration that fails
        // has then started nothing.
        self.each_service(release, cancel, |service, cancel| {
            Box::pin(self.data_chain(generation, assignment, service, cancel))
        })
        .await?;
        let starting: BTreeSet<&ServiceName> = assignment
            .plan
            .steps
            .iter()
            .filter(|step| matches!(step.kind, StepKind::Start { .. }))
            .filter_map(|step| step.service.as_ref())
            .collect();
        let (unserved, starting) = (&unserved, &starting);
        self.each_service(release, cancel, |service, cancel| {
            Box::pin(self.start_chain(generation, assignment, service, unserved, starting, cancel))
        })
        .await?;
        self.publish().await?;
        Ok(())
    }

    /// Runs the chains of all services side by side. The first that fails ends the others, each at its next opportunity.
    async fn each_service<'a>(
        &self,
        release: &'a Release,
        cancel: &CancellationToken,
        chain: impl Fn(&'a ServiceName, CancellationToken) -> BoxFuture<'a, Result<(), End>>,
    ) -> Result<(), End> {
        let cancel = cancel.child_token();
        let first: Mutex<Option<Box<Failure>>> = Mutex::new(None);
        let chains = release.services.keys().map(|service| async {
            if let Err(End::Failed(failure)) = chain(service, cancel.clone()).await {
                first.lock().expect("nobody panics while holding this lock").get_or_insert(failure);
                cancel.cancel();
            }
        });
        future::join_all(chains).await;
        match first.into_inner().expect("nobody panics while holding this lock") {
            Some(failure) => Err(End::Failed(failure)),
            None if cancel.is_cancelled() => Err(End::Cancelled),
            None => Ok(()),
        }
    }

    /// The steps of one service that touch data.
    async fn data_chain(
        &self,
        generation: Generation,
        assignment: &Assignment,
        service: &ServiceName,
        cancel: CancellationToken,
    ) -> Result<(), End> {
        let release = &assignment.release;
        for (index, step) in steps_of(assignment, service) {
            if cancel.is_cancelled() {
                return Err(End::Cancelled);
            }
            match &step.kind {
                StepKind::EnsureDatabase => {
                    self.step(generation, step, self.ensure_database(release, service)).await?;
                }
                StepKind::Migrate | StepKind::Seed => {
                    if !self.journal.lock().await.done.contains(&index) {
                        self.step(
                            generation,
                            step,
                            Box::pin(self.one_shot(generation, release, service, &step.kind)),
                        )
                        .await?;
                        self.change(Survives::Machine, |journal, _| {
                            journal.done.insert(index);
                        })
                        .await;
                    }
                }
                // Checked before, started after, or done for the whole environment.
                StepKind::Deliver { .. }
                | StepKind::EnsureServer
                | StepKind::Start { .. }
                | StepKind::Switch
                | StepKind::Bake
                | StepKind::Retire { .. }
                | StepKind::Remove => {}
            }
        }
        Ok(())
    }

    /// The start of one service.
    async fn start_chain(
        self: &Arc<Self>,
        generation: Generation,
        assignment: &Assignment,
        service: &ServiceName,
        unserved: &BTreeSet<ServiceName>,
        starting: &BTreeSet<&ServiceName>,
        cancel: CancellationToken,
    ) -> Result<(), End> {
        let release = &assignment.release;
        for (_, step) in steps_of(assignment, service) {
            if !matches!(step.kind, StepKind::Start { .. }) {
                continue;
            }
            self.wait_for_needs(release, service, unserved, starting, &cancel).await?;
            self.step(generation, step, self.start_service(generation, release, service, &cancel)).await?;
            if unserved.contains(service) {
                self.serve_early([service.clone()].into()).await?;
            }
        }
        if cancel.is_cancelled() {
            return Err(End::Cancelled);
        }
        self.complete_service(generation, release, service, &cancel).await
    }

    /// Runs one step with its events around it.
    pub(super) async fn step<E: Into<End>>(
        &self,
        generation: Generation,
        step: &Step,
        work: impl Future<Output = Result<String, E>>,
    ) -> Result<(), End> {
        let verb = step.kind.verb().to_owned();
        let service = step.service.as_ref();
        self.record(generation, service, EventKind::StepStarted { step: verb.clone() }).await;
        let began = Instant::now();
        let done = Box::pin(work).await.map_err(Into::into);
        let kind = match &done {
            Ok(detail) => {
                EventKind::StepDone { step: verb, took: began.elapsed().into(), detail: detail.clone() }
            }
            Err(End::Cancelled) => EventKind::StepFailed { step: verb, message: "given up".into() },
            Err(End::Failed(failure)) => {
                EventKind::StepFailed { step: verb, message: failure.message.clone() }
            }
        };
        self.record(generation, service, kind).await;
        done.map(drop)
    }

    /// Every service of the release gets its loopback port at the edge, if it has none yet.
    async fn give_ports(&self, release: &Release) -> Result<(), Failure> {
        let no_port = |error: crate::ports::NoPort| {
            Failure::new(
                FailureKind::Machine,
                error.to_string(),
                fail::NOTHING_MOVED,
                "Free some ports on the host",
            )
        };
        let (mut wanted, public, tls) = {
            let journal = self.journal.lock().await;
            let serves = |program: &Program| match program {
                Program::Stub => true,
                Program::Process(process) => process.listen.is_some(),
            };
            let wanted = release
                .services
                .iter()
                .filter(|(name, spec)| serves(&spec.program) && !journal.ports.contains_key(*name));
            let any_port = release.listener.as_ref().is_some_and(|listener| listener.address.port() == 0);
            let any_tls_port = release.edge.tls.as_ref().is_some_and(|tls| tls.address.port() == 0);
            (
                wanted.map(|(name, _)| (name.clone(), 0)).collect::<Vec<_>>(),
                any_port && journal.public_port.is_none(),
                any_tls_port && journal.tls_port.is_none(),
            )
        };
        if wanted.is_empty() && !public && !tls {
            return Ok(());
        }
        for (_, port) in &mut wanted {
            *port = self.machine.ports.take().map_err(no_port)?;
        }
        let public = if public { Some(self.machine.ports.take().map_err(no_port)?) } else { None };
        let tls = if tls { Some(self.machine.ports.take().map_err(no_port)?) } else { None };
        self.try_change(Survives::Machine, |journal, _| {
            journal.ports.extend(wanted);
            journal.public_port = public.or(journal.public_port);
            journal.tls_port = tls.or(journal.tls_port);
        })
        .await
        .map_err(|error| fail::machine("the ports of the environment could not be written down", &error))
    }

    /// Everything that the plan delivers must be here before anything is begun.
    async fn check_artifacts(&self, generation: Generation, assignment: &Assignment) -> Result<(), End> {
        for step in &assignment.plan.steps {
            if let StepKind::Deliver { artifact } = &step.kind {
                self.step(generation, step, async { self.arrived(artifact) }).await?;
            }
        }
        Ok(())
    }

    fn arrived(&self, artifact: &ArtifactDigest) -> Result<String, Failure> {
        if self.machine.artifacts.has(artifact) {
            return Ok(format!("{} is here", artifact.short()));
        }
        Err(Failure::new(
            FailureKind::Missing,
            format!("artifact {artifact} has not arrived on this host"),
            fail::NOTHING_MOVED,
            "Deliver it and apply again",
        ))
    }

    /// Gives services that nothing served before their internal route.
    async fn serve_early(&self, services: BTreeSet<ServiceName>) -> Result<(), Failure> {
        if services.is_empty() {
            return Ok(());
        }
        self.change(Survives::Process, |journal, _| journal.early.extend(services)).await;
        self.publish().await
    }

    /// A service whose neighbours are new as well starts after them: its readiness may depend on theirs.
    async fn wait_for_needs(
        &self,
        release: &Release,
        service: &ServiceName,
        unserved: &BTreeSet<ServiceName>,
        starting: &BTreeSet<&ServiceName>,
        cancel: &CancellationToken,
    ) -> Result<(), End> {
        let Some(process) = release.services[service].process() else { return Ok(()) };
        let awaited: Vec<&ServiceName> = process
            .needs
            .keys()
            .filter(|need| unserved.contains(*need) && starting.contains(*need) && *need != service)
            .collect();
        let all = self.wait_for(self.machine.settings.timing.one_shot * 2, |journal| {
            awaited.iter().all(|need| journal.early.contains(*need)).then_some(())
        });
        tokio::select! {
            () = cancel.cancelled() => Err(End::Cancelled),
            waited = all => match waited {
                Some(()) => Ok(()),
                None => Err(fail::invalid(
                    format!("service {service} waits for {awaited:?}, which never became ready"),
                    "Check the needs of these services for a circle",
                )
                .of_service(service)
                .into()),
            },
        }
    }

    async fn ensure_server(&self, generation: Generation, assignment: &Assignment) -> Result<(), End> {
        let step = assignment.plan.steps.iter().find(|step| step.kind == StepKind::EnsureServer);
        match (step, &assignment.release.resources.postgres) {
            (Some(step), Some(postgres)) => self.step(generation, step, self.database_server(postgres)).await,
            _ => Ok(()),
        }
    }

    /// Adds the time that a service took to start to the evidence.
    pub(super) async fn measured_start(
        &self,
        generation: Generation,
        id: &str,
        took: Millis,
        notes: &[String],
    ) {
        self.change(Survives::Process, |journal, _| {
            if let Some(evidence) = journal.lifecycle.evidence(generation) {
                evidence.starts.insert(id.to_owned(), took);
                for note in notes {
                    if !evidence.notes.contains(note) {
                        evidence.notes.push(note.clone());
                    }
                }
            }
        })
        .await;
    }
}
