//! Starting instances and finding out whether they are ready.

use super::{
    Environment,
    command::INSTANCE_VARIABLE,
    journal::{InstanceRecord, instance_id, wanted},
    prepare::End,
};
use crate::{
    clock,
    disk::Survives,
    fail,
    instance::{Condition, Health, Managed, describe},
};
use fairway_model::{Failure, FailureKind, Generation, Millis, ProcessSpec, Release, ServiceName};
use fairway_supervisor::{Adoption, Identity, Instance, find_by_env, log};
use futures::future;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many log lines a failure carries.
pub(super) const LOG_LINES: usize = 20;

/// What the probes may take longer than the start deadline before the agent stops waiting for their verdict.
const SLACK: Duration = Duration::from_secs(2);

impl Environment {
    /// Starts the instances of a service that are not there, and waits until all are ready.
    pub(super) async fn start_service(
        self: &Arc<Self>,
        generation: Generation,
        release: &Release,
        service: &ServiceName,
        cancel: &CancellationToken,
    ) -> Result<String, End> {
        let ids = wanted(release, service);
        let Some(process) = release.services[service].process() else { return Ok("nothing to start".into()) };
        let began = Instant::now();
        let starts = ids.iter().map(|id| self.start_instance(generation, service, process, id, cancel));
        let started: Vec<bool> = future::try_join_all(starts).await?;
        let new = started.iter().filter(|new| **new).count();
        Ok(match (new, ids.len()) {
            (0, 1) => "already running and ready".to_owned(),
            (0, all) => format!("all {all} already running and ready"),
            (1, 1) => format!("ready after {}", Millis::from(began.elapsed())),
            (new, all) if new == all => format!("{all} ready after {}", Millis::from(began.elapsed())),
            (new, all) => {
                format!("{new} of {all} started, all ready after {}", Millis::from(began.elapsed()))
            }
        })
    }

    /// Services that the plan does not touch have their instances, usually. One that has lost them gets new ones: a
    /// release must not switch to nothing.
    pub(super) async fn complete_service(
        self: &Arc<Self>,
        generation: Generation,
        release: &Release,
        service: &ServiceName,
        cancel: &CancellationToken,
    ) -> Result<(), End> {
        let lost: Vec<String> =
            wanted(release, service).into_iter().filter(|id| self.managed(id).is_none()).collect();
        let Some(process) = release.services[service].process() else { return Ok(()) };
        for id in lost {
            self.note(
                generation,
                Some(service),
                format!("{id} is not there although the plan expected it; it is started"),
            )
            .await;
            self.start_instance(generation, service, process, &id, cancel).await?;
        }
        Ok(())
    }

    /// Starts one instance unless it is there, and waits until it is ready. True when it was started.
    async fn start_instance(
        self: &Arc<Self>,
        generation: Generation,
        service: &ServiceName,
        process: &ProcessSpec,
        id: &str,
        cancel: &CancellationToken,
    ) -> Result<bool, End> {
        let limit = Duration::from(process.probes.start_deadline) + SLACK;
        let (managed, new) = loop {
            let Some(there) = self.managed(id) else {
                let record = InstanceRecord {
                    service: service.clone(),
                    spec: process.digest(),
                    process: process.clone(),
                    generation,
                    port: None,
                    identity: None,
                    started: 0,
                    restarts: 0,
                };
                break (self.launch(id, record).await?, true);
            };
            match there.health().condition {
                _ if there.is_stopping() => {
                    let gone = self.wait_for(Duration::from(process.stop_grace) + limit, |_| {
                        self.managed(id).is_none().then_some(())
                    });
                    tokio::select! {
                        () = cancel.cancelled() => return Err(End::Cancelled),
                        _ = gone => {}
                    }
                }
                // Whoever wants it started does not want to wait for the rest of its pause.
                Condition::Restarting | Condition::CrashLoop | Condition::Stopped => {
                    let _alone = there.dismissal.lock().await;
                    there.set_stopping();
                    if let Err(error) = there.stop().await {
                        return Err(self
                            .start_failure(service, id, fail::chain(&error), &there.health())
                            .into());
                    }
                    self.forget(id, &there).await;
                }
                _ => {
                    there.set_draining(false);
                    break (there, false);
                }
            }
        };
        let exits = if new { 0 } else { managed.health().exits };
        let health = self.until_ready(service, id, &managed, exits, limit, cancel).await?;
        if new {
            let took = health.ready_after.unwrap_or_default();
            self.measured_start(generation, id, took.into(), &health.notes).await;
        }
        Ok(new)
    }

    async fn until_ready(
        &self,
        service: &ServiceName,
        id: &str,
        managed: &Managed,
        exits: u64,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Health, End> {
        let mut watch = managed.watch();
        let deadline = Instant::now() + limit;
        loop {
            let health = watch.borrow_and_update().clone();
            if health.exits > exits {
                let how = health.last_exit.as_ref().map_or_else(|| "ended".to_owned(), ToString::to_string);
                return Err(self
                    .start_failure(service, id, format!("{how} before it was ready"), &health)
                    .into());
            }
            match health.condition {
                Condition::Ready => return Ok(health),
                Condition::Late => return Err(self.not_ready(service, id, limit - SLACK, &health).into()),
                Condition::Stopped => return Err(End::Cancelled),
                _ => {}
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(End::Cancelled),
                changed = watch.changed() => if changed.is_err() { return Err(End::Cancelled) },
                () = tokio::time::sleep_until(deadline) => return Err(self.not_ready(service, id, limit - SLACK, &health).into()),
            }
        }
    }

    fn not_ready(&self, service: &ServiceName, id: &str, limit: Duration, health: &Health) -> Failure {
        let last = match &health.probe {
            Some(probe) => format!("; the last probe: {}", describe(probe)),
            None => String::new(),
        };
        self.start_failure(service, id, format!("was not ready within {}{last}", Millis::from(limit)), health)
    }

    /// A failure with everything that helps to find the reason.
    fn start_failure(&self, service: &ServiceName, id: &str, what: String, health: &Health) -> Failure {
        let path = self.machine.home.log(&self.name, service, id);
        let log = log::tail(&path, LOG_LINES).unwrap_or_default();
        let next = if log.is_empty() {
            format!("It has printed nothing to {}; run its command by hand, then apply again", path.display())
        } else {
            format!("Read {}, correct the service and apply again", path.display())
        };
        let message = format!("{id} {what}");
        let mut failure =
            Failure::new(FailureKind::Start, message, fail::NOTHING_MOVED, next).of_service(service);
        failure.instance = Some(id.to_owned());
        failure.log = log;
        failure.probe.clone_from(&health.probe);
        failure
    }

    /// Starts a process and looks after it. It is written down before and after, so that it is found again whenever
    /// the agent is killed.
    pub(super) async fn launch(
        self: &Arc<Self>,
        id: &str,
        mut record: InstanceRecord,
    ) -> Result<Arc<Managed>, Failure> {
        let service = record.service.clone();
        if record.process.listen.is_some() && record.port.is_none() {
            let port = self.machine.ports.take().map_err(|error| {
                Failure::new(
                    FailureKind::Machine,
                    error.to_string(),
                    fail::NOTHING_MOVED,
                    "Free some ports on the host",
                )
                .of_service(&service)
            })?;
            record.port = Some(port);
        }
        record.started = clock::now();
        record.identity = None;
        let written = record.clone();
        self.change(Survives::Process, |journal, _| {
            journal.instances.insert(id.to_owned(), written);
        })
        .await;
        let started = match self.instance_spec(id, &record).await {
            Ok(spec) => Instance::start(spec).await.map_err(|error| {
                let health = Health {
                    condition: Condition::Stopped,
                    identity: None,
                    exits: 0,
                    restarts: 0,
                    last_exit: None,
                    probe: None,
                    ready_after: None,
                    notes: Vec::new(),
                };
                self.start_failure(
                    &service,
                    id,
                    format!("could not be started: {}", fail::chain(&error)),
                    &health,
                )
            }),
            Err(failure) => Err(failure),
        };
        match started {
            Ok(instance) => Ok(self.look_after(id, &record, instance).await),
            Err(failure) => {
                self.change(Survives::Process, |journal, _| journal.instances.remove(id)).await;
                if let Some(port) = record.port {
                    self.machine.ports.release(port);
                }
                Err(failure)
            }
        }
    }

    async fn look_after(
        self: &Arc<Self>,
        id: &str,
        record: &InstanceRecord,
        instance: Instance,
    ) -> Arc<Managed> {
        let managed = Arc::new(Managed::new(instance, &record.process, record.address()));
        self.lock_instances().insert(id.to_owned(), Arc::clone(&managed));
        let identity = managed.health().identity;
        self.change(Survives::Process, |journal, _| {
            if let Some(record) = journal.instances.get_mut(id) {
                record.identity = identity;
            }
        })
        .await;
        self.follow_instance(id, record.restarts, &managed);
        managed
    }

    /// Writes down who an instance is whenever that changes, and keeps the routes in step with its health.
    fn follow_instance(self: &Arc<Self>, id: &str, restarts_before: u32, managed: &Arc<Managed>) {
        let environment = Arc::downgrade(self);
        let (id, mut watch, managed) = (id.to_owned(), managed.watch(), Arc::downgrade(managed));
        let closed = self.closed.clone();
        tokio::spawn(async move {
            let mut known = watch.borrow_and_update().clone();
            while let Some(Ok(())) = closed.run_until_cancelled(watch.changed()).await {
                let now = watch.borrow_and_update().clone();
                let (Some(environment), true) = (environment.upgrade(), Weak::strong_count(&managed) > 0)
                else {
                    return;
                };
                if now.identity != known.identity || now.exits != known.exits {
                    environment
                        .change(Survives::Process, |journal, at| {
                            if let Some(record) = journal.instances.get_mut(&id) {
                                if now.identity.is_some() && now.identity != known.identity {
                                    record.started = at;
                                }
                                record.identity.clone_from(&now.identity);
                                // A process that was stopped because of its liveness probe did not exit by itself.
                                let again = u32::try_from(now.exits.max(now.restarts)).unwrap_or(u32::MAX);
                                record.restarts = restarts_before.saturating_add(again);
                            }
                        })
                        .await;
                } else {
                    environment.announce();
                }
                if now.condition != known.condition {
                    tracing::info!(environment = %environment.name, instance = %id, condition = ?now.condition, "instance");
                }
                known = now;
                environment.publish_or_log().await;
            }
        });
    }

    /// Takes an instance off the books after it was stopped.
    pub(super) async fn forget(&self, id: &str, managed: &Arc<Managed>) {
        {
            let mut instances = self.lock_instances();
            if instances.get(id).is_some_and(|there| Arc::ptr_eq(there, managed)) {
                instances.remove(id);
            } else {
                return;
            }
        }
        self.forget_record(id).await;
    }

    pub(super) async fn forget_record(&self, id: &str) {
        let record = self.change(Survives::Process, |journal, _| journal.instances.remove(id)).await;
        if let Some(port) = record.and_then(|record| record.port) {
            self.machine.ports.release(port);
        }
        if let Err(error) = crate::disk::remove(&self.machine.home.work(&self.name).join(id)) {
            tracing::warn!(environment = %self.name, instance = id, %error, "its working directory is left");
        }
    }

    /// Takes over the process of a record. One that is gone and still wanted is started again by
    /// [`Environment::revive`], after whatever it needs is there.
    pub(super) async fn take_over(self: &Arc<Self>, id: &str, record: InstanceRecord, wanted: bool) {
        let spec = match self.instance_spec(id, &record).await {
            Ok(spec) => spec,
            Err(failure) => {
                tracing::error!(environment = %self.name, instance = id, %failure, "it cannot be looked after");
                return;
            }
        };
        let tagged = || find_by_env(INSTANCE_VARIABLE, &self.instance_tag(id)).pop();
        let known = record.identity.clone().filter(Identity::is_running).or_else(tagged);
        if let Some(identity) = known
            && let Adoption::Adopted(instance) = Instance::adopt(&identity, spec)
        {
            self.look_after(id, &record, instance).await;
            return;
        }
        if !wanted {
            self.forget_record(id).await;
            return;
        }
        tracing::warn!(environment = %self.name, instance = id, "it ended while no agent ran");
        self.change(Survives::Process, |journal, _| {
            if let Some(record) = journal.instances.get_mut(id) {
                record.identity = None;
                record.restarts += 1;
            }
        })
        .await;
    }

    /// Instances of the serving release that are not there are started again.
    pub(crate) async fn revive(self: &Arc<Self>) {
        let missing: Vec<(String, InstanceRecord)> = {
            let journal = self.journal.lock().await;
            let Some((generation, release)) = journal.serving() else { return };
            let records = release.services.iter().flat_map(|(service, spec)| {
                let process = spec.process()?;
                let digest = process.digest();
                let records = (0..spec.replicas).map(move |replica| {
                    let record = InstanceRecord {
                        service: service.clone(),
                        spec: digest,
                        process: process.clone(),
                        generation,
                        port: None,
                        identity: None,
                        started: 0,
                        restarts: 1,
                    };
                    (instance_id(service, digest, replica), record)
                });
                Some(records)
            });
            records
                .flatten()
                .filter(|(id, _)| self.managed(id).is_none())
                .map(|(id, record)| {
                    let known = journal.instances.get(&id).cloned();
                    (id, known.unwrap_or(record))
                })
                .collect()
        };
        if missing.is_empty() || self.closed.is_cancelled() {
            return;
        }
        // Not in the middle of a preparation, which may be starting the very same instance.
        let Ok(_alone) = self.preparation.try_lock() else { return };
        if self.needs_private_server().await
            && let Err(failure) = self.machine.databases.private(None).await
        {
            tracing::error!(environment = %self.name, %failure, "the database server does not run; instances are started without it");
        }
        for (id, record) in missing {
            if self.managed(&id).is_none() {
                tracing::info!(environment = %self.name, instance = id, "it is started again");
                if let Err(failure) = self.launch(&id, record).await {
                    tracing::error!(environment = %self.name, instance = id, %failure, "it could not be started again");
                }
            }
        }
    }
}
