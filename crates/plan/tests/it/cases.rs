//! What is planned for a shop that changes: one behaviour a case.

use crate::{
    shop::{artifact, changed, edit, environment, plan_from, plan_with, service, shop, steps, variable},
    world::World,
};
use fairway_model::{
    ConfigValue, Digest, Gate, Generation, InstanceState, Observed, Phase, Plan, Program, Release, RouteSpec,
    SecretVersion, ServedBy, ServiceChange, Sight, StepKind, VerdictLevel,
};
use fairway_plan::{Context, describe, moved_since};

fn check(plan: &Plan, expect: &[&str]) {
    assert_eq!(steps(plan), expect, "\n{plan:#?}");
}

fn observed(release: &Release, change: impl FnOnce(&mut World)) -> Observed {
    let mut world = World::running(release, Generation(4));
    change(&mut world);
    world.observe()
}

#[test]
fn the_first_release() {
    let shop = shop();
    let plan = plan_with(None, &shop, &Observed::nothing(environment()), Context::default());
    insta::assert_snapshot!(describe(&plan, &shop));
}

#[test]
fn nothing_to_do() {
    let shop = shop();
    let plan = plan_from(&shop, &shop);
    assert!(plan.is_empty() && plan.services.is_empty() && plan.verdicts.is_empty(), "{plan:#?}");
    assert_eq!(describe(&plan, &shop).summary, "nothing to do; 4 services are not touched");
}

#[test]
fn one_service_changes() {
    let desired = changed("commerce", |commerce| {
        commerce.artifact = artifact("commerce 2");
        commerce.config.insert(variable("LOG_LEVEL"), ConfigValue::Plain("debug".to_owned()));
        commerce
            .config
            .insert(variable("API_KEY"), ConfigValue::Secret(SecretVersion(Digest::of(b"keyed hash"))));
        commerce.limits.memory_bytes = None;
    });
    let plan = plan_from(&shop(), &desired);
    check(&plan, &["deliver commerce", "start commerce", "switch", "bake", "retire commerce"]);
    insta::assert_snapshot!(describe(&plan, &desired));
}

#[test]
fn routes_stubs_and_listeners_need_no_start() {
    let mut desired = shop();
    desired.services.get_mut("bff").unwrap().routes.push(RouteSpec {
        host: Some("shop.test".to_owned()),
        path: "/".to_owned(),
        guard: Default::default(),
    });
    check(&plan_from(&shop(), &desired), &["switch", "bake"]);

    let mut desired = shop();
    desired.listener = None;
    let plan = plan_from(&shop(), &desired);
    check(&plan, &["switch", "bake"]);
    assert!(plan.services.is_empty());
    assert_eq!(plan.environment_changes[0].what, "listener");
}

#[test]
fn a_program_becomes_a_stub_and_back() {
    let mut stubbed = shop();
    stubbed.services.get_mut("bff").unwrap().program = Program::Stub;
    check(&plan_from(&shop(), &stubbed), &["switch", "bake", "retire bff"]);
    check(&plan_from(&stubbed, &shop()), &["deliver bff", "start bff", "switch", "bake"]);
}

#[test]
fn more_and_fewer_replicas() {
    let mut more = shop();
    more.services.get_mut("bff").unwrap().replicas = 3;
    let plan = plan_from(&shop(), &more);
    check(&plan, &["start bff (3)", "switch", "bake"]);
    assert_eq!(plan.steps[0].reason, "3 instances are wanted instead of 1");
    check(&plan_from(&more, &shop()), &["switch", "bake", "retire bff"]);
}

#[test]
fn a_revert_while_the_old_instances_are_warm_is_a_switch() {
    let (old, new) = (shop(), changed("bff", |bff| bff.artifact = artifact("bff 2")));
    let warm = observed(&new, |world| {
        world.artifacts.insert(artifact("bff").digest);
        world.start(&old, &service("bff"), InstanceState::Ready);
    });
    let context = Context { is_revert: true, ..Context::default() };
    let plan = plan_with(Some(&new), &old, &warm, context);
    check(&plan, &["switch", "bake", "retire bff"]);

    let starting = observed(&new, |world| {
        world.artifacts.insert(artifact("bff").digest);
        world.start(&old, &service("bff"), InstanceState::Starting);
    });
    check(
        &plan_with(Some(&new), &old, &starting, Context::default()),
        &["start bff", "switch", "bake", "retire bff"],
    );
}

#[test]
fn a_service_leaves() {
    let mut desired = shop();
    desired.services.remove("commerce");
    edit(&mut desired, "bff").needs.remove("commerce");
    let plan = plan_from(&shop(), &desired);
    check(&plan, &["start bff", "switch", "bake", "retire bff", "retire commerce", "remove commerce"]);
    assert_eq!(plan.services["commerce"], ServiceChange::Remove);
    let note = plan.verdicts.iter().find(|verdict| verdict.gate == Gate::Revert).unwrap();
    assert_eq!(note.message, "the service goes, its database stays");
}

#[test]
fn a_crashed_instance_is_started_again() {
    let shop = shop();
    let seen = observed(&shop, |world| {
        let instance =
            world.instances.iter_mut().find(|instance| instance.service == service("commerce")).unwrap();
        instance.state = InstanceState::CrashLoop { reason: "exit 1 after 0.2s".to_owned() };
    });
    let plan = plan_with(Some(&shop), &shop, &seen, Context::default());
    check(&plan, &["start commerce", "switch"]);
    let ServiceChange::Repair { observed } = &plan.services["commerce"] else { panic!("{plan:#?}") };
    assert!(
        observed.starts_with("none of 1 run (commerce-")
            && observed.ends_with("ended too often: exit 1 after 0.2s)"),
        "{observed}"
    );
    assert_eq!(plan.services.len(), 1);
}

#[test]
fn an_unready_instance_is_left_to_its_supervisor() {
    let shop = shop();
    let seen = observed(&shop, |world| {
        world.instances[0].state = InstanceState::Unready { reason: "503 from /ready".to_owned() };
    });
    let plan = plan_with(Some(&shop), &shop, &seen, Context::default());
    check(&plan, &[]);
    assert_eq!(plan.verdicts.len(), 1);
    assert_eq!((plan.verdicts[0].level, plan.verdicts[0].gate), (VerdictLevel::Warn, Gate::Observation));
    assert!(plan.verdicts[0].message.contains("503 from /ready"), "{plan:#?}");
}

#[test]
fn wrong_routes_are_put_right() {
    let shop = shop();
    for (served_by, expect) in [
        (None, "the edge does not know it"),
        (Some(ServedBy::Nothing), "the edge has no instance for it"),
        (Some(ServedBy::Stub), "the edge answers for it as for a stub"),
    ] {
        let seen = observed(&shop, |world| {
            match served_by {
                Some(served_by) => world.routes.services.insert(service("identity"), served_by),
                None => world.routes.services.remove("identity"),
            };
        });
        let plan = plan_with(Some(&shop), &shop, &seen, Context::default());
        check(&plan, &["switch"]);
        assert_eq!(plan.services["identity"], ServiceChange::Repair { observed: expect.to_owned() });
    }
}

#[test]
fn a_route_that_no_release_knows_goes() {
    let shop = shop();
    let seen = observed(&shop, |world| {
        world.routes.services.insert(service("ghost"), ServedBy::Stub);
    });
    let plan = plan_with(Some(&shop), &shop, &seen, Context::default());
    check(&plan, &["switch"]);
    assert!(plan.services.contains_key("ghost"));
}

#[test]
fn a_target_that_lost_everything_gets_everything_again() {
    let shop = shop();
    let plan = plan_with(Some(&shop), &shop, &Observed::nothing(environment()), Context::default());
    assert!(steps(&plan).starts_with(&["deliver identity".to_owned()]), "{plan:#?}");
    assert!(steps(&plan).contains(&"seed commerce".to_owned()));
    assert!(plan.services.values().all(|change| matches!(change, ServiceChange::Repair { .. })), "{plan:#?}");
}

#[test]
fn strangers_are_retired_only_when_they_are_seen() {
    let shop = shop();
    let mut other = shop.clone();
    other.services.insert(service("ghost"), other.services["bff"].clone());
    let mut seen = observed(&shop, |world| {
        world.start(&other, &service("ghost"), InstanceState::Ready);
        let old = changed("bff", |bff| bff.artifact = artifact("identity"));
        world.start(&old, &service("bff"), InstanceState::Unready { reason: "old".to_owned() });
    });
    let plan = plan_with(Some(&shop), &shop, &seen, Context::default());
    check(&plan, &["retire bff", "retire ghost"]);
    seen.instances = Sight::Unknown { reason: "the agent did not answer".to_owned() };
    let plan = plan_with(Some(&shop), &shop, &seen, Context::default());
    check(&plan, &[]);
    assert_eq!(plan.verdicts.len(), 1);
    assert!(plan.verdicts[0].message.contains("the agent did not answer. Assumed: "), "{plan:#?}");
}

#[test]
fn a_blind_target() {
    let desired = changed("bff", |bff| bff.artifact = artifact("bff 2"));
    let reason = || "connection refused".to_owned();
    let blind = Observed {
        instances: Sight::Unknown { reason: reason() },
        routes: Sight::Unknown { reason: reason() },
        databases: Sight::Unknown { reason: reason() },
        artifacts: Sight::Unknown { reason: reason() },
        ..Observed::nothing(environment())
    };
    let plan = plan_with(Some(&shop()), &desired, &blind, Context::default());
    insta::assert_snapshot!(describe(&plan, &desired));
}

#[test]
fn one_artifact_for_two_services_is_brought_once() {
    let mut desired = shop();
    edit(&mut desired, "identity").artifact = artifact("all in one");
    edit(&mut desired, "commerce").artifact = artifact("all in one");
    let plan = plan_from(&shop(), &desired);
    let deliveries: Vec<_> =
        plan.steps.iter().filter(|step| matches!(step.kind, StepKind::Deliver { .. })).collect();
    assert_eq!(deliveries.len(), 1);
    assert!(deliveries[0].reason.ends_with("identity and commerce run it"), "{}", deliveries[0].reason);
}

#[test]
fn a_secret_is_never_shown() {
    let with = |value: ConfigValue| {
        changed("bff", |bff| {
            bff.config.insert(variable("TOKEN"), value);
        })
    };
    let secret = |text: &str| ConfigValue::Secret(SecretVersion(Digest::of(text.as_bytes())));
    let plan = plan_from(&with(ConfigValue::Plain("hunter2".to_owned())), &with(secret("a")));
    let json = serde_json_text(&plan);
    assert!(!json.contains("hunter2"), "{json}");
    let ServiceChange::Update { changes } =
        &plan_from(&with(secret("a")), &with(secret("b"))).services["bff"]
    else {
        panic!("an update")
    };
    assert_eq!(changes.len(), 1);
    assert!(changes[0].from.as_ref().is_some_and(|from| from.starts_with("•••••• (version ")));
    assert_ne!(changes[0].from, changes[0].to);
}

fn serde_json_text(plan: &Plan) -> String {
    String::from_utf8(fairway_model::canonical_json(plan)).unwrap()
}

#[test]
fn input_that_contradicts_itself_is_refused() {
    let shop = shop();
    let mut elsewhere = shop.clone();
    elsewhere.environment = fairway_model::EnvironmentName::new("prod").unwrap();
    let plan = plan_from(&shop, &elsewhere);
    assert_eq!(
        plan.refusals().map(|verdict| verdict.message.as_str()).collect::<Vec<_>>(),
        ["the desired release is of the environment prod, and the plan is for staging"]
    );
}

#[test]
fn a_target_ahead_of_the_log_gets_a_number_it_accepts() {
    let desired = changed("bff", |bff| bff.artifact = artifact("bff 2"));
    let seen = observed(&shop(), |world| world.generation = Generation(9));
    let plan = plan_with(Some(&shop()), &desired, &seen, Context::default());
    assert_eq!(plan.generation, Generation(10));
    assert!(
        plan.verdicts
            .iter()
            .any(|verdict| verdict.level == VerdictLevel::Warn && verdict.message.contains("generation 9"))
    );
}

#[test]
fn an_unready_instance_without_a_route_is_left_to_its_supervisor_too() {
    let shop = shop();
    let seen = observed(&shop, |world| {
        let instance =
            world.instances.iter_mut().find(|instance| instance.service == service("identity")).unwrap();
        instance.state = InstanceState::Restarting { reason: "exit 1".to_owned() };
        world.routes.services.insert(service("identity"), ServedBy::Nothing);
    });
    check(&plan_with(Some(&shop), &shop, &seen, Context::default()), &[]);
}

#[test]
fn a_busy_target_is_remarked() {
    for (phase, words) in [
        (Phase::Preparing, Some("generation 5 is being prepared on the target")),
        (Phase::Baking, Some("generation 5 has switched, and its bake is not over")),
        (Phase::Stuck, Some("could not go back")),
        (Phase::Applied, None),
        (Phase::Failed, None),
    ] {
        let mut seen = observed(&shop(), |_| {});
        seen.activity = Some((Generation(5), phase));
        let plan = plan_with(Some(&shop()), &shop(), &seen, Context::default());
        let message = plan.verdicts.first().map(|verdict| verdict.message.as_str());
        assert_eq!(message.is_some(), words.is_some(), "{plan:#?}");
        assert!(message.unwrap_or_default().contains(words.unwrap_or_default()), "{message:?}");
    }
}

#[test]
fn a_world_that_moved_since_the_plan_was_shown() {
    let desired = changed("bff", |bff| bff.artifact = artifact("bff 2"));
    let shown = plan_from(&shop(), &desired);
    let again = |change: &dyn Fn(&mut World)| {
        let plan = plan_with(Some(&shop()), &desired, &observed(&shop(), change), Context::default());
        moved_since(&shown, &plan)
    };
    assert_eq!(again(&|_| {}), Vec::<String>::new());
    let brought = |world: &mut World| world.artifacts.extend([artifact("bff 2").digest]);
    assert_eq!(again(&brought), Vec::<String>::new());
    let gone = |world: &mut World| world.instances.retain(|instance| instance.service == service("identity"));
    assert_eq!(
        again(&gone),
        [
            "`retire` of bff is not necessary any more",
            "`start` of commerce has become necessary: none of 1 run"
        ]
    );
}

#[test]
fn instances_on_their_way_out_are_left_alone_and_replaced_where_they_are_wanted() {
    for state in [InstanceState::Draining, InstanceState::Stopped] {
        let shop = shop();
        let old = changed("bff", |bff| bff.artifact = artifact("identity"));
        let seen = observed(&shop, |world| world.start(&old, &service("bff"), state.clone()));
        check(&plan_with(Some(&shop), &shop, &seen, Context::default()), &[]);
        let seen = observed(&shop, |world| {
            let mut wanted = world.instances.iter_mut().filter(|instance| instance.service == service("bff"));
            wanted.next().unwrap().state = state.clone();
        });
        check(&plan_with(Some(&shop), &shop, &seen, Context::default()), &["start bff", "switch"]);
    }
}
