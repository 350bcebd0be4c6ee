//! What happens when everything goes well.

use super::{
    Wanted, assignment,
    stage::{Stage, Violation, ensure, good, in_phase, refused_as, service, unexpected},
};
use crate::{ArtifactSource, Progress};
use fairway_model::{
    ArtifactDigest, Digest, Event, EventKind, FailureKind, Generation, InstanceState, Phase, Program,
    ServedBy, ServiceSpec, TrafficSpec,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

pub(super) async fn a_first_release_goes_through_all_phases(stage: Stage<'_>) -> Result<(), Violation> {
    let observed = stage.observe().await?;
    ensure(observed.serving.is_none() && observed.generation == Generation(0), || {
        format!("a new environment should be empty: {observed:?}")
    })?;
    let mut release = stage.release(&[good("alpha", "v1"), good("beta", "v1")]).await?;
    let stub = ServiceSpec {
        program: Program::Stub,
        contract: None,
        routes: Vec::new(),
        replicas: 1,
        traffic: TrafficSpec::default(),
    };
    release.services.insert(service("gamma"), stub);
    let first = assignment(None, Generation(0), &release);

    let prepared = stage.prepare(&first).await.map_err(|error| unexpected("prepare", &error))?;
    in_phase("prepare", &prepared, Generation(1), Phase::Prepared)?;
    ensure(prepared.release == release.digest(), || {
        format!("prepare answers for release {}", prepared.release)
    })?;
    stage.answers("alpha", None).await?;
    ensure(stage.observe().await?.serving.is_none(), || "nothing should serve before the switch".to_owned())?;

    let switched = stage.switch(Generation(1)).await.map_err(|error| unexpected("switch", &error))?;
    ensure(switched.phase.is_serving(), || format!("after switch the phase is {:?}", switched.phase))?;
    stage.answers("alpha", Some("v1")).await?;
    stage.answers("beta", Some("v1")).await?;
    stage.answers("gamma", None).await?;

    let baked = stage.bake(Generation(1)).await.map_err(|error| unexpected("bake", &error))?;
    ensure(matches!(baked.phase, Phase::Baked | Phase::Retiring | Phase::Applied), || {
        format!("after bake the phase is {:?}", baked.phase)
    })?;
    let retired = stage.retire(Generation(1)).await.map_err(|error| unexpected("retire", &error))?;
    in_phase("retire", &retired, Generation(1), Phase::Applied)?;
    stage.only(&first).await?;
    stage.phase(Generation(1), Phase::Applied).await?;
    ensure(stage.observe().await?.generation == Generation(1), || {
        "the accepted generation should be 1".to_owned()
    })
}

pub(super) async fn only_what_changed_is_started(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    let (old_alpha, beta) = (stage.running("alpha").await?, stage.running("beta").await?);
    let second = stage.plan(Some(&first), &[good("alpha", "v2"), good("beta", "v1")]).await?;
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    stage.answers("alpha", Some("v1")).await?;
    let beside = stage.running("alpha").await?;
    ensure(beside.len() == 2 && old_alpha.iter().all(|id| beside.contains(id)), || {
        format!("the new instance of alpha should stand beside {old_alpha:?}: {beside:?}")
    })?;
    same("beta", &beta, &stage.running("beta").await?)?;
    let generation = second.generation();
    stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
    stage.answers("alpha", Some("v2")).await?;
    stage.answers("beta", Some("v1")).await?;
    let warm = stage.running("alpha").await?;
    ensure(warm == beside, || format!("while the release bakes, {beside:?} should stay warm: {warm:?}"))?;
    stage.bake(generation).await.map_err(|error| unexpected("bake", &error))?;
    stage.retire(generation).await.map_err(|error| unexpected("retire", &error))?;
    stage.only(&second).await?;
    same("beta", &beta, &stage.running("beta").await?)?;
    stage.answers("alpha", Some("v2")).await
}

/// A service's instances have not been touched.
pub(super) fn same(name: &str, before: &[String], after: &[String]) -> Result<(), Violation> {
    ensure(before == after, || {
        format!("the instances of {name} should still be {before:?} and are {after:?}")
    })
}

pub(super) async fn a_removed_service_loses_its_route(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1"), good("beta", "v1")]).await?;
    stage.answers("beta", Some("v1")).await?;
    let second = stage.go(Some(&first), &[good("alpha", "v1")]).await?;
    stage.answers("alpha", Some("v1")).await?;
    stage.answers("beta", None).await?;
    stage.only(&second).await
}

pub(super) async fn replicas_are_started(stage: Stage<'_>) -> Result<(), Violation> {
    let three = Wanted { replicas: 3, ..good("alpha", "v1") };
    let first = stage.go(None, &[three]).await?;
    stage.only(&first).await?;
    let before = stage.running("alpha").await?;
    let second = stage.go(Some(&first), &[good("alpha", "v1")]).await?;
    stage.only(&second).await?;
    let after = stage.running("alpha").await?;
    ensure(after.iter().all(|id| before.contains(id)), || {
        format!("fewer replicas of the same specification need no new instance: {before:?}, then {after:?}")
    })
}

pub(super) async fn observation_is_true_in_each_phase(stage: Stage<'_>) -> Result<(), Violation> {
    let first = stage.go(None, &[good("alpha", "v1")]).await?;
    let second = stage.plan(Some(&first), &[good("alpha", "v2")]).await?;
    let generation = second.generation();
    let look = |served_by: u64, phases: &'static [Phase], versions: [&'static str; 1]| {
        let (stage, first, second) = (&stage, &first, &second);
        async move {
            let observed = stage.observe().await?;
            let serving = if served_by == 1 { first } else { second };
            let expect = Some((serving.generation(), serving.plan.child));
            ensure(observed.serving == expect, || {
                format!("{expect:?} should serve, and {:?} does", observed.serving)
            })?;
            ensure(observed.generation == generation, || format!("accepted is {}", observed.generation))?;
            let active = observed
                .activity
                .is_some_and(|(active, phase)| active == generation && phases.contains(&phase));
            ensure(active, || {
                format!("the activity should be one of {phases:?} and is {:?}", observed.activity)
            })?;
            let spec = serving.release.services[&service("alpha")].spec_digest();
            let routes = observed.routes.known().and_then(|routes| routes.services.get(&service("alpha")));
            ensure(routes == spec.map(ServedBy::Instances).as_ref(), || {
                format!("alpha's route is {routes:?}")
            })?;
            for instance in stage.instances().await? {
                let owner = if instance.generation == first.generation() { first } else { second };
                let spec = owner.release.services[&service("alpha")].spec_digest();
                ensure(Some(instance.spec) == spec, || {
                    format!("{} has a foreign specification", instance.id)
                })?;
                ensure(instance.state != InstanceState::Starting, || {
                    format!("{} still starts", instance.id)
                })?;
            }
            for version in versions {
                stage.answers("alpha", Some(version)).await?;
            }
            Ok(())
        }
    };
    stage.prepare(&second).await.map_err(|error| unexpected("prepare", &error))?;
    look(1, &[Phase::Prepared], ["v1"]).await?;
    stage.switch(generation).await.map_err(|error| unexpected("switch", &error))?;
    look(2, &[Phase::Baking, Phase::Baked], ["v2"]).await?;
    stage.bake(generation).await.map_err(|error| unexpected("bake", &error))?;
    look(2, &[Phase::Baked], ["v2"]).await?;
    stage.retire(generation).await.map_err(|error| unexpected("retire", &error))?;
    look(2, &[Phase::Applied], ["v2"]).await?;
    stage.only(&second).await
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Progress for Recorder {
    fn event(&self, event: &Event) {
        self.0.lock().expect("nothing panics while it records").push(event.clone());
    }
}

pub(super) async fn events_come_once_and_in_order(stage: Stage<'_>) -> Result<(), Violation> {
    let recorder = Recorder::default();
    let first = stage.plan(None, &[good("alpha", "v1")]).await?;
    stage.apply_watched(&first, &recorder).await?;
    let events = recorder.0.into_inner().expect("nothing panics while it records");
    ensure(!events.is_empty(), || "there should be events".to_owned())?;
    let numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    ensure(numbers.windows(2).all(|pair| pair[0] < pair[1]), || format!("events come as {numbers:?}"))?;
    let phases: Vec<Phase> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Phase { phase } => Some(phase),
            _ => None,
        })
        .collect();
    for phase in [Phase::Prepared, Phase::Baking, Phase::Applied] {
        ensure(phases.contains(&phase), || {
            format!("no event says that the release is {phase:?}: {phases:?}")
        })?;
    }
    ensure(phases.is_sorted(), || format!("the phases come as {phases:?}"))
}

pub(super) async fn artifacts_are_what_their_digest_says(stage: Stage<'_>) -> Result<(), Violation> {
    let made = stage.fixture.make(&good("alpha", "v1")).await;
    let other = stage.fixture.make(&good("alpha", "v2")).await;
    let [artifact, ..] = made.artifacts.as_slice() else {
        return Err(Violation("the fixture makes services without artifacts".to_owned()));
    };
    let wanted = BTreeSet::from([artifact.digest]);
    let missing = stage.target().missing(&wanted).await.map_err(|error| unexpected("missing", &error))?;
    ensure(missing == wanted, || format!("a new target should miss {wanted:?} and misses {missing:?}"))?;

    let lie =
        ArtifactSource { digest: ArtifactDigest(Digest::of(b"something else")), path: artifact.path.clone() };
    refused_as("deliver of other bytes", stage.target().deliver(&lie).await, |kind| {
        *kind == FailureKind::Invalid
    })?;
    let claimed = BTreeSet::from([lie.digest]);
    let missing = stage.target().missing(&claimed).await.map_err(|error| unexpected("missing", &error))?;
    ensure(missing == claimed, || "bytes that were refused should not be there".to_owned())?;

    for _ in 0..2 {
        stage.target().deliver(artifact).await.map_err(|error| unexpected("deliver", &error))?;
    }
    let missing = stage.target().missing(&wanted).await.map_err(|error| unexpected("missing", &error))?;
    ensure(missing.is_empty(), || format!("what was delivered is missing: {missing:?}"))?;
    let distinct =
        other.artifacts.iter().any(|other| other.digest != artifact.digest) || other.spec != made.spec;
    ensure(distinct, || "the fixture makes the same service for different versions".to_owned())?;
    let services = BTreeMap::from([(service("alpha"), made.spec)]);
    for rest in &made.artifacts {
        stage.target().deliver(rest).await.map_err(|error| unexpected("deliver", &error))?;
    }
    let first = assignment(None, Generation(0), &stage.release_of(services, false));
    stage.apply(&first).await?;
    stage.answers("alpha", Some("v1")).await
}
