//! What holds for every plan.

use crate::{
    generate::{Trouble, befall, release, trouble},
    shop::{environment, plan_with},
    world::World,
};
use fairway_model::{
    Generation, Observed, Plan, PlanBase, Release, ServiceName, Sight, SpecDigest, Step, StepKind,
    VerdictLevel,
};
use fairway_plan::{Context, PlanInput, describe};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn worlds() -> impl Strategy<Value = (Option<Release>, Release, World)> {
    let troubles = proptest::collection::vec(trouble(), 0..4);
    (proptest::option::weighted(0.9, release()), release(), any::<bool>(), troubles).prop_map(
        |(recorded, desired, same, troubles)| {
            let desired = if same { recorded.clone().unwrap_or(desired) } else { desired };
            let world = troubled(recorded.as_ref(), &troubles);
            (recorded, desired, world)
        },
    )
}

fn troubled(recorded: Option<&Release>, troubles: &[Trouble]) -> World {
    let mut world = match recorded {
        Some(release) => World::running(release, Generation(4)),
        None => World::empty(&environment()),
    };
    for trouble in troubles {
        befall(&mut world, trouble);
    }
    world
}

/// Hides parts of what was seen.
fn blind(mut observed: Observed, hidden: [bool; 4]) -> Observed {
    fn hide<T>(sight: &mut Sight<T>, hidden: bool) {
        if hidden {
            *sight = Sight::Unknown { reason: "hidden".to_owned() };
        }
    }
    hide(&mut observed.instances, hidden[0]);
    hide(&mut observed.routes, hidden[1]);
    hide(&mut observed.databases, hidden[2]);
    hide(&mut observed.artifacts, hidden[3]);
    observed
}

fn specs(release: Option<&Release>) -> BTreeMap<ServiceName, (SpecDigest, u32)> {
    let services = release.into_iter().flat_map(|release| &release.services);
    services.filter_map(|(name, spec)| Some((name.clone(), (spec.spec_digest()?, spec.replicas)))).collect()
}

fn of_service(step: &Step) -> ServiceName {
    step.service.clone().expect("a step of a service")
}

fn rank(kind: &StepKind) -> usize {
    match kind {
        StepKind::Deliver { .. } => 0,
        StepKind::EnsureServer => 1,
        StepKind::EnsureDatabase => 2,
        StepKind::Migrate => 3,
        StepKind::Seed => 4,
        StepKind::Start { .. } => 5,
        StepKind::Switch => 6,
        StepKind::Bake => 7,
        StepKind::Retire { .. } => 8,
        StepKind::Remove => 9,
    }
}

fn replan(world: &World, plan: &Plan, desired: &Release) -> Plan {
    let environment = environment();
    let generation = plan.generation;
    fairway_plan::plan(&PlanInput {
        environment: &environment,
        base: PlanBase { serving: Some((generation, desired.digest())), generation },
        serving: Some(desired),
        desired,
        observed: &world.observe(),
        context: Context::default(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn planning_the_planned_is_empty((recorded, desired, mut world) in worlds()) {
        let plan = plan_with(recorded.as_ref(), &desired, &world.observe(), Context::default());
        world.apply(&plan, &desired);
        let again = replan(&world, &plan, &desired);
        prop_assert!(again.steps.is_empty(), "first {plan:#?}\nagain {again:#?}");
        prop_assert!(again.services.is_empty(), "{again:#?}");
        prop_assert!(again.environment_changes.is_empty());
        prop_assert!(again.verdicts.iter().all(|verdict| verdict.level == VerdictLevel::Warn), "only unwell instances: {again:#?}");
    }

    /// What the planner assumes about what it cannot see is true when the recorded release runs undisturbed:
    /// then even a blind plan leads to the desired world.
    #[test]
    fn a_blind_plan_leads_there_when_the_record_is_true(
        (recorded, desired) in (release(), release()),
        hidden: [bool; 4],
    ) {
        let mut world = World::running(&recorded, Generation(4));
        let plan = plan_with(Some(&recorded), &desired, &blind(world.observe(), hidden), Context::default());
        world.apply(&plan, &desired);
        let again = replan(&world, &plan, &desired);
        prop_assert!(again.is_empty(), "first {plan:#?}\nagain {again:#?}");
    }

    #[test]
    fn steps_stand_in_the_order_of_phases_and_needs((recorded, desired, world) in worlds()) {
        let plan = plan_with(recorded.as_ref(), &desired, &world.observe(), Context::default());
        prop_assert!(plan.steps.is_sorted_by_key(|step| rank(&step.kind)), "{plan:#?}");
        for name in plan.steps.iter().filter_map(|step| step.service.as_ref()) {
            prop_assert!(plan.services.contains_key(name), "{name} is touched and not named: {plan:#?}");
        }
        let starts: Vec<ServiceName> = plan
            .steps
            .iter()
            .filter(|step| matches!(step.kind, StepKind::Start { .. }))
            .map(of_service)
            .collect();
        for (at, name) in starts.iter().enumerate() {
            let needs = &desired.services[name].process().unwrap().needs;
            for need in needs.keys() {
                prop_assert!(!starts[at..].contains(need), "{name} starts before {need}");
            }
        }
    }

    #[test]
    fn what_was_not_seen_is_never_removed(
        (recorded, desired, world) in worlds(),
        hidden: [bool; 4],
    ) {
        let observed = blind(world.observe(), hidden);
        let plan = plan_with(recorded.as_ref(), &desired, &observed, Context::default());
        let (before, after) = (specs(recorded.as_ref()), specs(Some(&desired)));
        for step in &plan.steps {
            match &step.kind {
                StepKind::Remove => {
                    let name = of_service(step);
                    prop_assert!(!desired.services.contains_key(&name));
                    prop_assert!(recorded.as_ref().is_some_and(|recorded| recorded.services.contains_key(&name)));
                }
                StepKind::Retire { spec } => {
                    let name = of_service(step);
                    match observed.instances.known() {
                        // Seen: there is something to retire, and more of it than the release wants.
                        Some(instances) => {
                            let there = instances
                                .iter()
                                .filter(|instance| instance.service == name && instance.spec == *spec)
                                .count();
                            let wanted = after.get(&name).filter(|(wanted, _)| wanted == spec).map_or(0, |(_, n)| *n);
                            prop_assert!(there > wanted as usize);
                        }
                        // Not seen: only what the recorded release wanted and the desired one does not.
                        None => {
                            let (recorded_spec, had) = before[&name];
                            prop_assert_eq!(recorded_spec, *spec);
                            let wants = after.get(&name).filter(|(wanted, _)| wanted == spec).map_or(0, |(_, n)| *n);
                            prop_assert!(wants < had);
                        }
                    }
                }
                _ => {}
            }
        }
        let warned = plan.verdicts.iter().filter(|verdict| verdict.message.contains("could not be seen: hidden")).count();
        prop_assert_eq!(warned, hidden.iter().filter(|hidden| **hidden).count());
    }

    #[test]
    fn only_what_changed_is_touched((recorded, desired) in (release(), release())) {
        let world = World::running(&recorded, Generation(4));
        let plan = plan_with(Some(&recorded), &desired, &world.observe(), Context::default());
        for (name, spec) in &desired.services {
            let same = recorded.services.get(name) == Some(spec);
            prop_assert_eq!(!same, plan.services.contains_key(name), "{}", name);
            if same {
                let touched = plan.steps.iter().any(|step| step.service.as_ref() == Some(name));
                prop_assert!(!touched, "{name} did not change: {plan:#?}");
            }
        }
        for name in plan.services.keys() {
            prop_assert!(recorded.services.contains_key(name) || desired.services.contains_key(name));
        }
        prop_assert_eq!(recorded != desired, !plan.is_empty());
        prop_assert_eq!(recorded != desired, !plan.services.is_empty() || !plan.environment_changes.is_empty());
    }

    #[test]
    fn usable_instances_are_not_started_and_present_artifacts_not_brought((recorded, desired, world) in worlds()) {
        let plan = plan_with(recorded.as_ref(), &desired, &world.observe(), Context::default());
        for step in &plan.steps {
            match &step.kind {
                StepKind::Start { spec, replicas } => {
                    let name = of_service(step);
                    let ready = world.instances.iter().filter(|instance| {
                        instance.service == name
                            && instance.spec == *spec
                            && instance.state == fairway_model::InstanceState::Ready
                    });
                    prop_assert!(ready.count() < *replicas as usize);
                }
                StepKind::Deliver { artifact } => prop_assert!(!world.artifacts.contains(artifact)),
                _ => {}
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_plan((recorded, desired, world) in worlds(), hidden: [bool; 4]) {
        let observed = blind(world.observe(), hidden);
        let plan = plan_with(recorded.as_ref(), &desired, &observed, Context::default());
        let mut shuffled = observed;
        if let Sight::Known(instances) = &mut shuffled.instances {
            instances.reverse();
            for instance in instances {
                instance.age_seconds += 17;
                instance.in_flight += 3;
                instance.pid = Some(4_711);
            }
        }
        let again = plan_with(recorded.as_ref(), &desired, &shuffled, Context::default());
        prop_assert_eq!(&plan, &again);
        let stored = serde_json::to_string(&plan).unwrap();
        let loaded: Plan = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(plan.id(), loaded.id());
        prop_assert_eq!(describe(&plan, &desired), describe(&again, &desired));
    }

    #[test]
    fn every_line_of_a_description_is_one_line((recorded, desired, world) in worlds()) {
        let plan = plan_with(recorded.as_ref(), &desired, &world.observe(), Context::default());
        let text = describe(&plan, &desired);
        for line in &text.lines {
            prop_assert!(!line.text.chars().any(char::is_control), "{line:?}");
            prop_assert!(line.text.trim_end() == line.text, "{line:?}");
        }
        prop_assert_eq!(text.to_string().lines().count(), text.lines.len());
    }
}
