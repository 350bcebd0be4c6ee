//! The contract gate: may this service's contract change like this?

use crate::{
    ContractFinding, FindingLevel, PlanInput,
    order::consumers,
    text::{count, list, some},
};
use fairway_model::{Gate, ServiceName, ServiceSpec, Verdict, VerdictLevel};

/// The verdicts about the contracts of all services that stay.
pub(crate) fn verdicts(input: &PlanInput<'_>) -> Vec<Verdict> {
    let Some(serving) = input.serving else { return Vec::new() };
    let consumers = consumers(input.desired);
    let mut verdicts = Vec::new();
    for (name, desired) in &input.desired.services {
        let Some(recorded) = serving.services.get(name) else { continue };
        let Some(old) = &recorded.contract else { continue };
        let consumers = consumers.get(name).map(Vec::as_slice).unwrap_or_default();
        let (level, message) = match &desired.contract {
            None if consumers.is_empty() => {
                (VerdictLevel::Note, "the service promises no contract any more".to_owned())
            }
            None => (
                VerdictLevel::Warn,
                format!("the service promises no contract any more, and {} it", needing(consumers)),
            ),
            Some(new) if new.digest == old.digest => continue,
            Some(_) => match input.context.contracts.get(name) {
                None => (
                    VerdictLevel::Warn,
                    "the contract changed, and the two versions were not compared: look at the difference before \
                     you apply"
                        .to_owned(),
                ),
                Some(findings) => judge(input, name, desired, findings, consumers),
            },
        };
        verdicts.push(Verdict { level, gate: Gate::Contract, service: Some(name.clone()), message });
    }
    verdicts
}

fn judge(
    input: &PlanInput<'_>,
    name: &ServiceName,
    desired: &ServiceSpec,
    findings: &[ContractFinding],
    consumers: &[&ServiceName],
) -> (VerdictLevel, String) {
    let at = |level| findings.iter().filter(move |finding| finding.level == level).collect::<Vec<_>>();
    let (breaking, unknown) = (at(FindingLevel::Breaking), at(FindingLevel::Unknown));
    let compatible = at(FindingLevel::Compatible).len();
    if !breaking.is_empty() {
        return judge_breaking(input, name, desired, &breaking, consumers);
    }
    if !unknown.is_empty() {
        let what =
            format!("{} that nobody could classify: {}", count(unknown.len(), "difference"), shown(&unknown));
        return (VerdictLevel::Warn, format!("the contract has {what}. Look at them before you apply"));
    }
    let message = match compatible {
        0 => "the contract changed in words only: no difference that a client could see".to_owned(),
        number => {
            format!("the contract has {}; older clients keep working", count(number, "compatible difference"))
        }
    };
    (VerdictLevel::Note, message)
}

fn judge_breaking(
    input: &PlanInput<'_>,
    name: &ServiceName,
    desired: &ServiceSpec,
    breaking: &[&ContractFinding],
    consumers: &[&ServiceName],
) -> (VerdictLevel, String) {
    let what =
        format!("the contract has {}: {}", count(breaking.len(), "breaking difference"), shown(breaking));
    let unchanged: Vec<&ServiceName> =
        consumers.iter().copied().filter(|consumer| !program_changes(input, consumer)).collect();
    let public = !desired.routes.is_empty();
    if input.context.is_revert {
        let whom = match (public, unchanged.as_slice()) {
            (false, []) => String::new(),
            (true, []) => ". Clients outside that use the newer version may break".to_owned(),
            (_, unchanged) => format!(". {} as they are and may break", staying(unchanged)),
        };
        return (VerdictLevel::Warn, format!("{what}{whom}"));
    }
    if input.context.allow_breaking {
        return (VerdictLevel::Warn, format!("{what}. It was allowed"));
    }
    match (public, unchanged.as_slice()) {
        (_, unchanged @ [_, ..]) => (
            VerdictLevel::Refuse,
            format!(
                "{what}. {} as they are in this release: change them with {name}, keep the old form beside the new \
                 one, or allow breaking changes",
                staying(unchanged)
            ),
        ),
        (true, []) => (
            VerdictLevel::Refuse,
            format!(
                "{what}. {name} has public routes, so clients outside may break: keep the old form beside the new \
                 one, or allow breaking changes"
            ),
        ),
        (false, []) if consumers.is_empty() => {
            (VerdictLevel::Warn, format!("{what}. No service of the system needs {name}"))
        }
        (false, []) => (VerdictLevel::Warn, format!("{what}. {} with it", changing(consumers))),
    }
}

/// Its instances start from something else than before, so it can have been adapted.
fn program_changes(input: &PlanInput<'_>, service: &ServiceName) -> bool {
    let spec = |release: &fairway_model::Release| {
        release.services.get(service).and_then(ServiceSpec::process).cloned()
    };
    input.serving.and_then(spec) != spec(input.desired)
}

fn shown(findings: &[&ContractFinding]) -> String {
    let each: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} ({}, {})", finding.message, finding.place, finding.rule))
        .collect();
    some(&each, 3)
}

fn staying(services: &[&ServiceName]) -> String {
    format!("{} {}", list(services), if services.len() == 1 { "stays" } else { "stay" })
}

fn changing(services: &[&ServiceName]) -> String {
    format!("{} {}", list(services), if services.len() == 1 { "changes" } else { "change" })
}

fn needing(services: &[&ServiceName]) -> String {
    format!("{} {}", list(services), if services.len() == 1 { "needs" } else { "need" })
}
