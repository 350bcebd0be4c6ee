//! Random calls against the rules, and the single rules by example.

use super::*;
use crate::conformance::assignment;
use fairway_model::{
    Artifact, ArtifactDigest, ArtifactKind, Assignment, Digest, Limits, Probes, ProcessSpec, Program,
    RELEASE_FORMAT, Release, Resources, ServiceSpec, SystemName,
};
use proptest::prelude::*;

const LEASE: Millis = Millis(1_000);
const BAKE: Millis = Millis(500);

fn environment() -> EnvironmentName {
    EnvironmentName::new("dev").unwrap()
}

fn release(content: u8) -> Release {
    let process = ProcessSpec {
        artifact: Artifact {
            digest: ArtifactDigest(Digest::of(&[content])),
            kind: ArtifactKind::Archive,
            size: 1,
        },
        command: vec!["serve".to_owned()],
        config: BTreeMap::new(),
        listen: None,
        needs: BTreeMap::new(),
        database: None,
        probes: Probes { ready: None, live: None, tls: None, start_deadline: Millis(100) },
        limits: Limits::default(),
        stop_grace: Millis(100),
    };
    let service = ServiceSpec {
        program: Program::Process(Box::new(process)),
        contract: None,
        routes: Vec::new(),
        replicas: 1 + u32::from(content % 2),
        traffic: Default::default(),
    };
    Release {
        format: RELEASE_FORMAT,
        system: SystemName::new("shop").unwrap(),
        environment: environment(),
        listener: None,
        edge: Default::default(),
        services: BTreeMap::from([(ServiceName::new("alpha").unwrap(), service)]),
        resources: Resources::default(),
        bake: BAKE,
        drain: Millis(100),
    }
}

fn offer(generation: u64, content: u8) -> Assignment {
    assignment(None, Generation(generation - 1), &release(content))
}

fn trouble() -> Failure {
    Failure::new(FailureKind::Bake, "it is not ready", "the routes went back", "look at the log")
}

/// A lifecycle in which this release has been applied.
fn applied(generation: u64, content: u8) -> Lifecycle {
    let mut life = Lifecycle::new(environment(), LEASE);
    apply(&mut life, generation, content, 0);
    life
}

fn apply(life: &mut Lifecycle, generation: u64, content: u8, now: u64) {
    baked(life, generation, content, now);
    assert_eq!(life.begin_retire(Generation(generation), now), Ok(Go::Do));
    life.on_retired(Generation(generation), now);
}

fn baking(life: &mut Lifecycle, generation: u64, content: u8, now: u64) {
    assert!(matches!(life.accept(&offer(generation, content), now), Accept::New { .. }));
    life.on_prepared(Generation(generation), now);
    assert_eq!(life.begin_switch(Generation(generation), now), Ok(Go::Do));
    life.on_switched(Generation(generation), now);
}

fn baked(life: &mut Lifecycle, generation: u64, content: u8, now: u64) {
    baking(life, generation, content, now);
    life.on_baked(Generation(generation), now);
}

fn specs(life: &Lifecycle) -> BTreeSet<SpecDigest> {
    life.keep().into_keys().map(|(_, spec)| spec).collect()
}

fn spec(content: u8) -> SpecDigest {
    release(content).services.values().next().and_then(ServiceSpec::spec_digest).unwrap()
}

#[test]
fn a_living_caller_keeps_others_out_and_a_lost_one_does_not() {
    let mut life = applied(1, 1);
    assert!(matches!(life.accept(&offer(2, 2), 0), Accept::New { .. }));
    let Accept::Busy(failure) = life.accept(&offer(3, 3), 999) else { panic!("let in") };
    assert!(failure.message.contains("release 2") && failure.next.contains("1ms"), "{failure:?}");
    life.renew(Generation(2), 999);
    assert!(matches!(life.accept(&offer(3, 3), 1_500), Accept::Busy(_)));
    assert_eq!(life.next_deadline(), Some(1_999));
    let accept = life.accept(&offer(3, 3), 1_999);
    assert_eq!(accept, Accept::New { aborted: Some(Generation(2)), superseded: None });
    assert_eq!(life.release(Generation(2)).unwrap().phase, Phase::Aborted);
    let failure = life.begin_switch(Generation(2), 2_000).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Stale { offered: Generation(2), current: Generation(3) });
}

#[test]
fn a_lease_is_never_shortened() {
    let mut life = Lifecycle::new(environment(), LEASE);
    life.accept(&offer(1, 1), 5_000);
    life.renew(Generation(1), 1_000);
    assert_eq!(life.next_deadline(), Some(6_000));
    assert!(life.tick(5_999).is_empty());
    assert_eq!(life.tick(6_000), [Action::CleanUp(Generation(1))]);
}

#[test]
fn a_switch_after_the_lease_is_refused_even_when_nobody_ticked() {
    let mut life = Lifecycle::new(environment(), LEASE);
    life.accept(&offer(1, 1), 0);
    life.on_prepared(Generation(1), 10);
    let failure = life.begin_switch(Generation(1), 1_000).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Lease);
    assert_eq!(life.release(Generation(1)).unwrap().phase, Phase::Aborted);
}

#[test]
fn once_switching_no_lease_runs_out() {
    let mut life = Lifecycle::new(environment(), LEASE);
    life.accept(&offer(1, 1), 0);
    life.on_prepared(Generation(1), 10);
    assert_eq!(life.begin_switch(Generation(1), 20), Ok(Go::Do));
    assert!(life.tick(1_000_000).is_empty());
    assert!(matches!(life.accept(&offer(2, 2), 1_000_000), Accept::Busy(_)));
    assert_eq!(life.recover(1_000_000), [Action::Switch(Generation(1))]);
    assert!(life.abort(Generation(1), 1_000_000).is_err());
}

#[test]
fn the_release_before_stays_warm_until_it_is_retired() {
    let mut life = applied(1, 1);
    baked(&mut life, 2, 2, 0);
    assert_eq!(specs(&life), BTreeSet::from([spec(1), spec(2)]));
    assert_eq!(life.begin_retire(Generation(2), 0), Ok(Go::Do));
    assert_eq!(specs(&life), BTreeSet::from([spec(2)]));
    assert_eq!(life.recover(0), [Action::Retire(Generation(2))]);
    life.on_retired(Generation(2), 0);
    assert_eq!(specs(&life), BTreeSet::from([spec(2)]));
}

#[test]
fn trouble_goes_back_also_across_a_restart() {
    let mut life = applied(1, 1);
    baking(&mut life, 2, 2, 0);
    let back = Action::SwitchBack { from: Generation(2), to: Generation(1) };
    assert_eq!(life.on_trouble(Generation(2), 100, trouble()), Some(back.clone()));
    assert_eq!(life.on_trouble(Generation(2), 101, trouble()), None, "it is going back already");
    assert!(life.tick(BAKE.0 + 1).is_empty(), "a bake in trouble does not end well");
    life.on_baked(Generation(2), 102);
    let stored = serde_json::to_string(&life).unwrap();
    let mut life: Lifecycle = serde_json::from_str(&stored).unwrap();
    assert_eq!(life.recover(200), [back]);
    life.on_reverted(Generation(2), 200);
    assert_eq!(life.serving().map(Entry::generation), Some(Generation(1)));
    assert_eq!(specs(&life), BTreeSet::from([spec(1)]));
    assert_eq!(life.bake(Generation(2)).unwrap_err().kind, FailureKind::Bake);
    assert_eq!(life.accepted(), Generation(2), "the number is used up");
}

#[test]
fn trouble_without_a_way_back_is_stuck_and_the_next_release_may_come() {
    let mut life = Lifecycle::new(environment(), LEASE);
    baking(&mut life, 1, 1, 0);
    assert_eq!(life.on_trouble(Generation(1), 100, trouble()), None);
    assert_eq!(life.release(Generation(1)).unwrap().phase, Phase::Stuck);
    assert_eq!(specs(&life), BTreeSet::from([spec(1)]), "what serves, however badly, stays");
    apply(&mut life, 2, 2, 200);
    assert_eq!(specs(&life), BTreeSet::from([spec(2)]));
}

#[test]
fn a_superseded_release_is_finished_by_the_target_when_the_newer_one_ends() {
    let mut life = applied(1, 1);
    baking(&mut life, 2, 2, 0);
    let accept = life.accept(&offer(3, 3), 100);
    assert_eq!(accept, Accept::New { aborted: None, superseded: Some(Generation(2)) });
    assert_eq!(life.bake(Generation(2)).unwrap_err().kind, FailureKind::Superseded);
    assert_eq!(specs(&life), BTreeSet::from([spec(1), spec(2), spec(3)]));
    life.on_failed(Generation(3), 200, trouble());
    assert_eq!(life.tick(600), [Action::EndBake(Generation(2))]);
    life.on_baked(Generation(2), 600);
    assert_eq!(life.tick(600), [Action::Retire(Generation(2))]);
    life.on_retired(Generation(2), 700);
    assert_eq!(specs(&life), BTreeSet::from([spec(2)]));
    assert_eq!(life.status(Generation(2), 0).unwrap().failure, None);
}

#[test]
fn a_superseded_release_ends_when_the_newer_one_switches_and_is_the_way_back() {
    let mut life = applied(1, 1);
    baking(&mut life, 2, 2, 0);
    baking(&mut life, 3, 3, 100);
    let status = life.status(Generation(2), 0).unwrap();
    assert_eq!(
        (status.phase, status.failure.map(|f| f.kind)),
        (Phase::Applied, Some(FailureKind::Superseded))
    );
    let back = life.on_trouble(Generation(3), 150, trouble());
    assert_eq!(back, Some(Action::SwitchBack { from: Generation(3), to: Generation(2) }));
    life.on_reverted(Generation(3), 160);
    assert_eq!(life.serving().map(Entry::generation), Some(Generation(2)));
    assert_eq!(specs(&life), BTreeSet::from([spec(2)]), "nothing is left of what was warm for release 2");
}

#[test]
fn trouble_during_the_preparation_of_the_next_release_changes_its_way_back() {
    let mut life = applied(1, 1);
    baking(&mut life, 2, 2, 0);
    assert!(matches!(life.accept(&offer(3, 3), 100), Accept::New { .. }));
    assert!(life.on_trouble(Generation(2), 150, trouble()).is_some());
    life.on_reverted(Generation(2), 160);
    life.on_prepared(Generation(3), 170);
    assert_eq!(life.begin_switch(Generation(3), 180), Ok(Go::Do));
    life.on_switched(Generation(3), 190);
    assert_eq!(life.release(Generation(3)).unwrap().before, Some(Generation(1)));
}

#[test]
fn what_was_destroyed_keeps_its_number() {
    let mut life = applied(3, 1);
    assert!(matches!(life.accept(&offer(4, 2), 0), Accept::New { .. }));
    life.on_destroyed(10);
    assert!(life.keep().is_empty() && life.serving().is_none() && life.pending().is_none());
    assert!(matches!(life.accept(&offer(4, 3), 20), Accept::Stale(_)));
    assert!(matches!(life.accept(&offer(4, 2), 20), Accept::Ended(_)));
    apply(&mut life, 5, 1, 30);
}

#[test]
fn a_plan_and_a_release_that_do_not_belong_together_are_refused() {
    let mut life = Lifecycle::new(environment(), LEASE);
    let mut wrong = offer(1, 1);
    wrong.release = release(2);
    let mut foreign = offer(1, 1);
    foreign.plan.environment = EnvironmentName::new("prod").unwrap();
    for offered in [wrong, foreign] {
        assert!(matches!(life.accept(&offered, 0), Accept::Invalid(_)));
    }
    assert_eq!(life, Lifecycle::new(environment(), LEASE));
}

#[test]
fn history_is_kept_short() {
    let mut life = Lifecycle::new(environment(), LEASE);
    for generation in 1..=100 {
        apply(&mut life, generation, u8::try_from(generation).unwrap(), generation);
    }
    assert!(life.releases().count() <= HISTORY + 3, "{}", life.releases().count());
    assert!(
        matches!(life.accept(&offer(1, 1), 1_000), Accept::Stale(_)),
        "what is forgotten is still the past"
    );
}

/// The journal that version 1 wrote in the middle of a bake, with a superseding release being prepared.
#[test]
fn the_sample_of_format_1_loads() {
    let mut life = applied(1, 1);
    baking(&mut life, 2, 2, 1_000);
    assert!(matches!(life.accept(&offer(3, 3), 1_200), Accept::New { .. }));
    life.record(Generation(3), 1_210, None, EventKind::Note { message: "a note".to_owned() });
    let text = include_str!("../../tests/samples/lifecycle-1.json");
    assert_eq!(serde_json::from_str::<Lifecycle>(text).unwrap(), life);
    let later = text.replacen("\"format\": 1", "\"format\": 2", 1);
    let error = serde_json::from_str::<Lifecycle>(&later).unwrap_err().to_string();
    assert!(error.contains("has format 2"), "{error}");
}

/// One random call.
#[derive(Debug, Clone)]
enum Call {
    Offer(u64, u8),
    Renew(u64),
    Prepared(u64),
    Failed(u64),
    BeginSwitch(u64),
    Switched(u64),
    Baked(u64),
    Trouble(u64),
    Reverted(u64),
    Stuck(u64),
    BeginRetire(u64),
    Retired(u64),
    Abort(u64),
    Destroyed,
    Tick,
    Restart,
    Pass(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let generation = 1..9_u64;
    prop_oneof![
        4 => (generation.clone(), 0..3_u8).prop_map(|(generation, content)| Call::Offer(generation, content)),
        1 => generation.clone().prop_map(Call::Renew),
        4 => generation.clone().prop_map(Call::Prepared),
        1 => generation.clone().prop_map(Call::Failed),
        4 => generation.clone().prop_map(Call::BeginSwitch),
        4 => generation.clone().prop_map(Call::Switched),
        3 => generation.clone().prop_map(Call::Baked),
        2 => generation.clone().prop_map(Call::Trouble),
        2 => generation.clone().prop_map(Call::Reverted),
        1 => generation.clone().prop_map(Call::Stuck),
        3 => generation.clone().prop_map(Call::BeginRetire),
        3 => generation.clone().prop_map(Call::Retired),
        1 => generation.prop_map(Call::Abort),
        1 => Just(Call::Destroyed),
        3 => Just(Call::Tick),
        1 => Just(Call::Restart),
        2 => (0..700_u64).prop_map(Call::Pass),
    ]
}

fn perform(life: &mut Lifecycle, call: &Call, now: &mut u64) {
    let at = *now;
    match call {
        Call::Offer(generation, content) => drop(life.accept(&offer(*generation, *content), at)),
        Call::Renew(generation) => life.renew(Generation(*generation), at),
        Call::Prepared(generation) => life.on_prepared(Generation(*generation), at),
        Call::Failed(generation) => life.on_failed(Generation(*generation), at, trouble()),
        Call::BeginSwitch(generation) => drop(life.begin_switch(Generation(*generation), at)),
        Call::Switched(generation) => life.on_switched(Generation(*generation), at),
        Call::Baked(generation) => life.on_baked(Generation(*generation), at),
        Call::Trouble(generation) => drop(life.on_trouble(Generation(*generation), at, trouble())),
        Call::Reverted(generation) => life.on_reverted(Generation(*generation), at),
        Call::Stuck(generation) => life.on_stuck(Generation(*generation), at, trouble()),
        Call::BeginRetire(generation) => drop(life.begin_retire(Generation(*generation), at)),
        Call::Retired(generation) => life.on_retired(Generation(*generation), at),
        Call::Abort(generation) => drop(life.abort(Generation(*generation), at)),
        Call::Destroyed => life.on_destroyed(at),
        Call::Tick => drop(life.tick(at)),
        Call::Restart => drop(life.recover(at)),
        Call::Pass(time) => *now += time,
    }
}

/// Where a release may go from a phase in one call.
fn may_follow(from: Phase, to: Phase) -> bool {
    use Phase::{
        Aborted, Applied, Baked, Baking, Failed, Prepared, Preparing, Retiring, Reverted, Stuck, Switching,
    };
    from == to
        || matches!(
            (from, to),
            (Preparing, Prepared | Failed | Aborted)
                | (Prepared, Switching | Failed | Aborted)
                | (Switching, Baking | Failed | Aborted)
                // Superseded by a switch, or destroyed.
                | (Baking, Baked | Reverted | Stuck | Applied)
                | (Baked, Retiring | Applied)
                | (Retiring, Applied)
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_whatever_comes(calls in proptest::collection::vec(call(), 0..80)) {
        let mut life = Lifecycle::new(environment(), LEASE);
        let mut now = 0;
        for call in &calls {
            let before = life.clone();
            perform(&mut life, call, &mut now);

            prop_assert!(life.accepted() >= before.accepted(), "{call:?} lowered the accepted generation");
            prop_assert!(life.releases().filter(|entry| entry.is_pending()).count() <= 1, "{call:?}: two pending");
            if let Some(entry) = life.serving() {
                let serves = entry.phase.is_serving() || entry.phase == Phase::Stuck;
                prop_assert!(serves, "{call:?}: {:?} serves", entry.phase);
            }
            if let Some(pending) = life.pending() {
                prop_assert_eq!(pending.generation(), life.accepted());
                prop_assert_eq!(pending.waits_for_caller(), pending.lease_until.is_some());
            }
            let keep = life.keep();
            for entry in life.serving().into_iter().chain(life.pending()) {
                for (name, service) in &entry.assignment.release.services {
                    let count = service.spec_digest().and_then(|spec| keep.get(&(name.clone(), spec)));
                    prop_assert!(count.is_some_and(|count| *count >= service.replicas), "{call:?}: {name} may be stopped");
                }
            }
            // The way back of a bake is never stopped.
            if let Some(entry) = life.serving().filter(|entry| entry.phase == Phase::Baking)
                && let Some(old) = entry.before.and_then(|before| life.release(before))
            {
                for (name, service) in &old.assignment.release.services {
                    let kept = service.spec_digest().is_some_and(|spec| keep.contains_key(&(name.clone(), spec)));
                    prop_assert!(kept, "{call:?}: {name} of the release before may be stopped");
                }
            }
            for entry in life.releases() {
                let was = before.release(entry.generation());
                let from = was.map_or(Phase::Preparing, |was| was.phase);
                prop_assert!(may_follow(from, entry.phase), "{call:?}: {from:?} to {:?}", entry.phase);
                let bad = matches!(entry.phase, Phase::Failed | Phase::Aborted | Phase::Reverted | Phase::Stuck);
                prop_assert!(!bad || entry.failure.is_some(), "{call:?}: {:?} without a failure", entry.phase);
                let numbers: Vec<u64> = entry.events.iter().map(|event| event.sequence).collect();
                prop_assert!(numbers.iter().copied().eq(1..=entry.sequence), "{call:?}: events {numbers:?}");
            }
            // What is written down is what is read back.
            let stored = serde_json::to_vec(&life).unwrap();
            let read: Lifecycle = serde_json::from_slice(&stored).unwrap();
            prop_assert_eq!(&read, &life);
        }
    }

    /// However it got there, a target whose caller is patient can always apply the next release.
    #[test]
    fn there_is_always_a_way_on(calls in proptest::collection::vec(call(), 0..60)) {
        let mut life = Lifecycle::new(environment(), LEASE);
        let mut now = 0;
        for call in &calls {
            perform(&mut life, call, &mut now);
        }
        if let Some(pending) = life.pending().filter(|entry| entry.phase == Phase::Switching).map(Entry::generation) {
            life.on_switched(pending, now);
        }
        now += LEASE.0;
        let _ = life.tick(now);
        if let Some(entry) = life.serving().filter(|entry| entry.trouble.is_some()).map(Entry::generation) {
            life.on_reverted(entry, now);
        }
        let next = life.accepted().next().0;
        apply(&mut life, next, 9, now);
        prop_assert_eq!(specs(&life), BTreeSet::from([spec(9)]));
        prop_assert_eq!(life.serving().map(Entry::generation), Some(Generation(next)));
    }
}
