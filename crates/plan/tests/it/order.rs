//! The order of steps.

use crate::shop::{artifact, edit, environment, plan_from, plan_with, process, service, shop, steps};
use fairway_model::{Observed, Program, Release, StepKind};
use fairway_plan::Context;

#[test]
fn what_is_needed_starts_first_and_leaves_last() {
    let mut desired = shop();
    for name in ["identity", "commerce", "bff"] {
        edit(&mut desired, name).artifact = artifact("2");
    }
    let starts = |word: &str| {
        let plan = plan_from(&shop(), &desired);
        steps(&plan).into_iter().filter(|step| step.starts_with(word)).collect::<Vec<_>>()
    };
    assert_eq!(starts("start"), ["start identity", "start commerce", "start bff"]);
    assert_eq!(starts("retire"), ["retire bff", "retire commerce", "retire identity"]);
}

#[test]
fn a_circle_of_needs_still_has_an_order() {
    let mut desired = shop();
    edit(&mut desired, "identity").needs = process("identity", &["bff", "identity"]).needs;
    let plan = plan_with(None, &desired, &Observed::nothing(environment()), Context::default());
    let starts: Vec<_> = steps(&plan).into_iter().filter(|step| step.starts_with("start")).collect();
    assert_eq!(starts, ["start bff", "start commerce", "start identity"]);
}

/// A chain, each service needing the one before it, in an order that is not alphabetical.
fn chain(length: u32, version: &str) -> Release {
    let mut release = shop();
    let template = release.services.remove("bff").unwrap();
    release.services.clear();
    let name = |n: u32| format!("s{:04}", n.wrapping_mul(7_919) % 10_000);
    for n in 0..length {
        let needs = if n == 0 { Vec::new() } else { vec![name(n - 1), name(n / 2)] };
        let needs: Vec<&str> = needs.iter().map(String::as_str).filter(|need| *need != name(n)).collect();
        let mut program = process(&name(n), &needs);
        program.artifact = artifact(&format!("{n} {version}"));
        let mut spec = template.clone();
        spec.program = Program::Process(Box::new(program));
        release.services.insert(service(&name(n)), spec);
    }
    release
}

#[test]
fn five_hundred_services() {
    let (old, new) = (chain(500, "1"), chain(500, "2"));
    let plan = plan_from(&old, &new);
    assert_eq!(plan.services.len(), 500);
    assert_eq!(plan.steps.len(), 500 * 3 + 2);
    let mut started = std::collections::BTreeSet::new();
    for step in plan.steps.iter().filter(|step| matches!(step.kind, StepKind::Start { .. })) {
        let name = step.service.clone().unwrap();
        for need in new.services[&name].process().unwrap().needs.keys() {
            assert!(started.contains(need), "{name} starts before {need}");
        }
        started.insert(name);
    }
    assert_eq!(started.len(), 500);
    assert!(plan_from(&new, &new).is_empty());
}
