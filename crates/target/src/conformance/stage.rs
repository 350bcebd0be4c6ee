//! The context of a case: short words for what all cases do, and the checks that they share.

use super::{Behaviour, Fixture, Timing, Wanted, assignment};
use crate::{Progress, Silent, Target, TargetError};
use fairway_model::{
    Assignment, EdgeSpec, EnvironmentName, Failure, FailureKind, Generation, InstanceState, Observed,
    ObservedInstance, Phase, Program, RELEASE_FORMAT, Release, ReleaseStatus, Resources, ServedBy,
    ServiceName, ServiceSpec, SystemName,
};
use std::{collections::BTreeMap, fmt, future::Future, time::Duration};
use tokio::time::Instant;

/// What a target did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// A violation unless the condition holds.
pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(what())) }
}

/// The context of a case.
pub struct Stage<'a> {
    pub(super) fixture: &'a dyn Fixture,
    pub(super) environment: EnvironmentName,
    pub(super) timing: Timing,
}

/// A wish for a good service.
pub(super) fn good(name: &str, version: &str) -> Wanted {
    behaving(name, version, Behaviour::Good)
}

/// A wish for a service.
pub(super) fn behaving(name: &str, version: &str, behaviour: Behaviour) -> Wanted {
    Wanted { name: service(name), version: version.to_owned(), behaviour, database: false, replicas: 1 }
}

pub(super) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).expect("the cases name services well")
}

impl<'a> Stage<'a> {
    /// The context of a case on this fixture.
    #[must_use]
    pub fn new(fixture: &'a dyn Fixture) -> Self {
        Self { fixture, environment: fixture.environment(), timing: fixture.timing() }
    }

    pub(super) fn target(&self) -> &'a dyn Target {
        self.fixture.target()
    }

    /// A release of these services, all of whose artifacts have been delivered.
    ///
    /// # Errors
    /// A [`Violation`] when an artifact cannot be delivered.
    pub async fn release(&self, wanted: &[Wanted]) -> Result<Release, Violation> {
        let mut services = BTreeMap::new();
        for wish in wanted {
            let made = self.fixture.make(wish).await;
            for artifact in &made.artifacts {
                self.target().deliver(artifact).await.map_err(|error| unexpected("deliver", &error))?;
            }
            services.insert(wish.name.clone(), made.spec);
        }
        Ok(self.release_of(services, wanted.iter().any(|wish| wish.database)))
    }

    pub(super) fn release_of(&self, services: BTreeMap<ServiceName, ServiceSpec>, database: bool) -> Release {
        Release {
            format: RELEASE_FORMAT,
            system: SystemName::new("conformance").expect("a good name"),
            environment: self.environment.clone(),
            listener: self.fixture.listener(),
            edge: EdgeSpec::default(),
            services,
            resources: if database { self.fixture.resources() } else { Resources::default() },
            bake: self.timing.bake,
            drain: self.timing.drain,
        }
    }

    /// The plan and release that lead from `from` to these services.
    ///
    /// # Errors
    /// A [`Violation`] when an artifact cannot be delivered.
    pub async fn plan(&self, from: Option<&Assignment>, wanted: &[Wanted]) -> Result<Assignment, Violation> {
        let release = self.release(wanted).await?;
        Ok(assignment(from, from.map_or(Generation(0), Assignment::generation), &release))
    }

    pub(super) async fn prepare(&self, assignment: &Assignment) -> Result<ReleaseStatus, TargetError> {
        self.target().prepare(assignment, &Silent).await
    }

    pub(super) async fn switch(&self, generation: Generation) -> Result<ReleaseStatus, TargetError> {
        self.target().switch(&self.environment, generation, &Silent).await
    }

    pub(super) async fn bake(&self, generation: Generation) -> Result<ReleaseStatus, TargetError> {
        self.target().bake(&self.environment, generation, &Silent).await
    }

    pub(super) async fn retire(&self, generation: Generation) -> Result<ReleaseStatus, TargetError> {
        self.target().retire(&self.environment, generation, &Silent).await
    }

    pub(super) async fn abort(&self, generation: Generation) -> Result<(), TargetError> {
        self.target().abort(&self.environment, generation).await
    }

    /// All four calls, each of which must do what it says.
    ///
    /// # Errors
    /// A [`Violation`] when one of them does not.
    pub async fn apply(&self, assignment: &Assignment) -> Result<ReleaseStatus, Violation> {
        self.apply_watched(assignment, &Silent).await
    }

    pub(super) async fn apply_watched(
        &self,
        assignment: &Assignment,
        progress: &dyn Progress,
    ) -> Result<ReleaseStatus, Violation> {
        let (target, generation) = (self.target(), assignment.generation());
        let prepared =
            target.prepare(assignment, progress).await.map_err(|error| unexpected("prepare", &error))?;
        in_phase("prepare", &prepared, generation, Phase::Prepared)?;
        let switched = target.switch(&self.environment, generation, progress).await;
        let switched = switched.map_err(|error| unexpected("switch", &error))?;
        ensure(switched.phase.is_serving(), || format!("after switch the phase is {:?}", switched.phase))?;
        let baked = target.bake(&self.environment, generation, progress).await;
        let baked = baked.map_err(|error| unexpected("bake", &error))?;
        ensure(matches!(baked.phase, Phase::Baked | Phase::Retiring | Phase::Applied), || {
            format!("after bake the phase is {:?}", baked.phase)
        })?;
        let retired = target.retire(&self.environment, generation, progress).await;
        let retired = retired.map_err(|error| unexpected("retire", &error))?;
        in_phase("retire", &retired, generation, Phase::Applied)?;
        Ok(retired)
    }

    /// Plans and applies these services after `from`.
    pub(super) async fn go(
        &self,
        from: Option<&Assignment>,
        wanted: &[Wanted],
    ) -> Result<Assignment, Violation> {
        let next = self.plan(from, wanted).await?;
        self.apply(&next).await?;
        Ok(next)
    }

    pub(super) async fn observe(&self) -> Result<Observed, Violation> {
        self.target().observe(&self.environment).await.map_err(|error| unexpected("observe", &error))
    }

    pub(super) async fn instances(&self) -> Result<Vec<ObservedInstance>, Violation> {
        let observed = self.observe().await?;
        let instances = observed.instances.known().cloned();
        instances.ok_or_else(|| Violation(format!("instances cannot be seen: {:?}", observed.instances)))
    }

    /// The names of a service's instances that run, sorted.
    pub(super) async fn running(&self, name: &str) -> Result<Vec<String>, Violation> {
        let mut ids: Vec<String> = self
            .instances()
            .await?
            .into_iter()
            .filter(|instance| instance.service == service(name) && instance.state != InstanceState::Stopped)
            .map(|instance| instance.id)
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// A service answers with this version, or not at all.
    pub(super) async fn answers(&self, name: &str, expect: Option<&str>) -> Result<(), Violation> {
        let answer = self.fixture.ask(&service(name)).await;
        ensure(answer.as_deref() == expect, || {
            format!("{name} should answer {expect:?} and answers {answer:?}")
        })
    }

    pub(super) async fn status(&self, generation: Generation) -> Result<ReleaseStatus, Violation> {
        let status = self.target().release(&self.environment, generation).await;
        let status = status.map_err(|error| unexpected("release", &error))?;
        status.ok_or_else(|| Violation(format!("release {generation} should be known")))
    }

    pub(super) async fn phase(
        &self,
        generation: Generation,
        expect: Phase,
    ) -> Result<ReleaseStatus, Violation> {
        let status = self.status(generation).await?;
        ensure(status.phase == expect, || {
            format!("release {generation} should be {expect:?} and is {:?}", status.phase)
        })?;
        Ok(status)
    }

    /// Waits for something that the target does by itself.
    pub(super) async fn eventually<F, Fut>(&self, what: &str, mut holds: F) -> Result<(), Violation>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<bool, Violation>>,
    {
        let deadline = Instant::now() + self.timing.patience;
        loop {
            if holds().await? {
                return Ok(());
            }
            ensure(Instant::now() < deadline, || {
                format!("within {:?} it did not happen that {what}", self.timing.patience)
            })?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The world is exactly what this release wants: its instances ready and nothing else running, its routes,
    /// its number.
    ///
    /// # Errors
    /// A [`Violation`] with the difference.
    pub async fn only(&self, assignment: &Assignment) -> Result<(), Violation> {
        let observed = self.observe().await?;
        let serving = Some((assignment.generation(), assignment.plan.child));
        ensure(observed.serving == serving, || {
            format!("release {} should serve, and {:?} does", assignment.generation(), observed.serving)
        })?;
        let mut expect = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (name, spec) in &assignment.release.services {
            match &spec.program {
                Program::Process(process) => {
                    expect.insert((name.clone(), process.digest()), spec.replicas);
                    routes.insert(name.clone(), ServedBy::Instances(process.digest()));
                }
                Program::Stub => {
                    routes.insert(name.clone(), ServedBy::Stub);
                }
            }
        }
        let mut found = BTreeMap::new();
        for instance in self.instances().await? {
            if instance.state == InstanceState::Stopped {
                continue;
            }
            ensure(instance.state == InstanceState::Ready, || {
                format!("{} is {:?}", instance.id, instance.state)
            })?;
            *found.entry((instance.service, instance.spec)).or_insert(0) += 1;
        }
        ensure(found == expect, || format!("instances should be {expect:?} and are {found:?}"))?;
        let seen = observed.routes.known().map(|routes| &routes.services);
        ensure(seen == Some(&routes), || format!("routes should be {routes:?} and are {seen:?}"))
    }

    /// As [`Stage::only`], once the target has cleaned up by itself.
    pub(super) async fn eventually_only(&self, assignment: &Assignment) -> Result<(), Violation> {
        let deadline = Instant::now() + self.timing.patience;
        loop {
            match self.only(assignment).await {
                Ok(()) => return Ok(()),
                Err(violation) if Instant::now() >= deadline => return Err(violation),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

pub(super) fn unexpected(verb: &str, error: &TargetError) -> Violation {
    match error.failure() {
        Some(failure) => Violation(format!("{verb} should work and failed: {failure:?}")),
        None => Violation(format!("{verb} should work: {error}")),
    }
}

pub(super) fn in_phase(
    verb: &str,
    status: &ReleaseStatus,
    generation: Generation,
    phase: Phase,
) -> Result<(), Violation> {
    ensure(status.generation == generation, || format!("{verb} answers for release {}", status.generation))?;
    ensure(status.phase == phase, || {
        format!("after {verb} the phase should be {phase:?} and is {:?}", status.phase)
    })?;
    ensure(status.failure.is_none(), || format!("after {verb} there is a failure: {:?}", status.failure))
}

/// The failure with which a call was refused.
pub(super) fn refused<T: fmt::Debug>(
    verb: &str,
    result: Result<T, TargetError>,
) -> Result<Failure, Violation> {
    match result {
        Ok(done) => Err(Violation(format!("{verb} should be refused and answers {done:?}"))),
        Err(TargetError::Failed(failure)) => {
            ensure(
                !failure.message.is_empty() && !failure.unchanged.is_empty() && !failure.next.is_empty(),
                || {
                    format!(
                        "the failure of {verb} does not say what happened, what was not changed and what to do: {failure:?}"
                    )
                },
            )?;
            Ok(*failure)
        }
        Err(error @ TargetError::Unreachable { .. }) => {
            Err(Violation(format!("{verb} should be refused: {error}")))
        }
    }
}

/// A call was refused, and for this kind of reason.
pub(super) fn refused_as<T: fmt::Debug>(
    verb: &str,
    result: Result<T, TargetError>,
    kind: impl Fn(&FailureKind) -> bool,
) -> Result<Failure, Violation> {
    let failure = refused(verb, result)?;
    ensure(kind(&failure.kind), || format!("{verb} is refused for the wrong reason: {failure:?}"))?;
    Ok(failure)
}
