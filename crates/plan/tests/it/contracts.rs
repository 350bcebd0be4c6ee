//! The contract gate.

use crate::{
    shop::{artifact, edit, plan_with, service, shop},
    world::World,
};
use fairway_model::{ContractDigest, Digest, Gate, Generation, Release, Verdict, VerdictLevel};
use fairway_plan::{Context, ContractFinding, FindingLevel};

fn finding(level: FindingLevel) -> ContractFinding {
    ContractFinding {
        level,
        rule: "operation-removed".to_owned(),
        place: "GET /items".to_owned(),
        message: "the operation is gone".to_owned(),
    }
}

/// The shop with another contract for a service.
fn promising(name: &str) -> Release {
    let mut release = shop();
    let contract = release.services.get_mut(name).unwrap().contract.as_mut().unwrap();
    contract.digest = ContractDigest(Digest::of(b"another meaning"));
    release
}

fn verdict(desired: &Release, context: Context) -> Verdict {
    let observed = World::running(&shop(), Generation(4)).observe();
    let plan = plan_with(Some(&shop()), desired, &observed, context);
    let mut about: Vec<Verdict> =
        plan.verdicts.into_iter().filter(|verdict| verdict.gate == Gate::Contract).collect();
    assert_eq!(about.len(), 1, "{about:?}");
    about.remove(0)
}

fn check(
    name: &str,
    desired: &Release,
    findings: Option<&[FindingLevel]>,
    context: Context,
    level: VerdictLevel,
    words: &str,
) {
    let mut context = context;
    if let Some(findings) = findings {
        context.contracts.insert(service(name), findings.iter().copied().map(finding).collect());
    }
    let verdict = verdict(desired, context);
    assert_eq!(verdict.level, level, "{verdict:?}");
    assert!(verdict.message.contains(words), "{verdict:?}");
    assert_eq!(verdict.service, Some(service(name)));
}

#[test]
fn the_table() {
    use FindingLevel::{Breaking, Compatible, Unknown};
    let none = Context::default;
    let commerce = promising("commerce");
    check("commerce", &commerce, None, none(), VerdictLevel::Warn, "were not compared");
    check("commerce", &commerce, Some(&[]), none(), VerdictLevel::Note, "in words only");
    check(
        "commerce",
        &commerce,
        Some(&[Compatible, Compatible]),
        none(),
        VerdictLevel::Note,
        "2 compatible differences",
    );
    check(
        "commerce",
        &commerce,
        Some(&[Compatible, Unknown]),
        none(),
        VerdictLevel::Warn,
        "1 difference that nobody",
    );
    check(
        "commerce",
        &commerce,
        Some(&[Unknown, Breaking]),
        none(),
        VerdictLevel::Refuse,
        "bff stays as they are",
    );
}

#[test]
fn consumers_that_change_with_it_make_a_breaking_change_a_warning() {
    let mut desired = promising("commerce");
    edit(&mut desired, "bff").artifact = artifact("bff 2");
    check(
        "commerce",
        &desired,
        Some(&[FindingLevel::Breaking]),
        Context::default(),
        VerdictLevel::Warn,
        "bff changes with it",
    );
}

#[test]
fn a_consumer_whose_routes_alone_change_has_not_been_adapted() {
    let mut desired = promising("commerce");
    desired.services.get_mut("bff").unwrap().replicas = 2;
    check(
        "commerce",
        &desired,
        Some(&[FindingLevel::Breaking]),
        Context::default(),
        VerdictLevel::Refuse,
        "bff stays",
    );
}

#[test]
fn clients_outside_do_not_change_with_it() {
    let desired = promising("bff");
    let breaking = Some([FindingLevel::Breaking].as_slice());
    check("bff", &desired, breaking, Context::default(), VerdictLevel::Refuse, "clients outside may break");
    let allowed = Context { allow_breaking: true, ..Context::default() };
    check("bff", &desired, breaking, allowed, VerdictLevel::Warn, "It was allowed");
    let revert = Context { is_revert: true, ..Context::default() };
    check("bff", &desired, breaking, revert, VerdictLevel::Warn, "that use the newer version may break");
}

#[test]
fn a_contract_that_goes_away() {
    let mut desired = shop();
    desired.services.get_mut("identity").unwrap().contract = None;
    check("identity", &desired, None, Context::default(), VerdictLevel::Warn, "bff and commerce need it");
    let mut desired = shop();
    desired.services.get_mut("bff").unwrap().contract = None;
    check("bff", &desired, None, Context::default(), VerdictLevel::Note, "no contract any more");
}
