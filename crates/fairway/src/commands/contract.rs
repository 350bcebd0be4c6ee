//! `fairway contract`.

use crate::{
    args,
    render::table::table,
    settings::{Context, print, print_json},
};
use fairway_contract::{Contract, Verdict};
use fairway_delivery::{ContractDiff, Error, exit};
use serde_json::json;

pub(super) async fn run(arguments: &args::Contract, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    match arguments {
        args::Contract::Diff { old, new } => {
            let diff = delivery.contract_diff(old, new, &context.directory).await?;
            Ok(show(&diff, context))
        }
        args::Contract::Operations { file } => {
            let contract = delivery.read_contract(&file.to_string_lossy(), &context.directory).await?;
            operations(&contract, context);
            Ok(exit::DONE)
        }
    }
}

/// Exit code 4 when something breaks, so that a pipeline can stop here.
fn show(diff: &ContractDiff, context: &Context) -> u8 {
    let ContractDiff { findings, consumers } = diff;
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (breaking, unknown, compatible) =
        (count(Verdict::Breaking), count(Verdict::Unknown), count(Verdict::Compatible));
    let code = if breaking > 0 { exit::REFUSED } else { exit::DONE };
    if context.json {
        print_json(&json!({
            "format": 1, "breaking": breaking, "unknown": unknown, "compatible": compatible, "findings": findings, "consumers": consumers,
        }));
        return code;
    }
    for finding in findings {
        let (mark, word) = match finding.verdict {
            Verdict::Breaking => (context.paint.bad("✘"), context.paint.bad("breaking")),
            Verdict::Unknown => (context.paint.warn("?"), context.paint.warn("unknown")),
            Verdict::Compatible => (context.paint.good("✔"), context.paint.dim("compatible")),
        };
        let operation = finding.operation().map_or_else(String::new, |operation| format!("{operation}: "));
        let place = |place: Option<&fairway_contract::Place>| {
            place.map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        print([
            format!("{mark} {word} {}", context.paint.dim(format!("[{}]", finding.rule.id()))),
            format!("    {operation}{}", finding.message),
            format!(
                "    {}",
                context.paint.dim(format!(
                    "old {}  new {}",
                    place(finding.old.as_ref()),
                    place(finding.new.as_ref())
                ))
            ),
        ]);
    }
    print([format!("{breaking} breaking, {unknown} unknown, {compatible} compatible")]);
    if breaking + unknown > 0 && !consumers.is_empty() {
        let names: Vec<_> = consumers.iter().map(ToString::to_string).collect();
        print([format!("services of this system that need it: {}", names.join(", "))]);
    }
    code
}

fn operations(contract: &Contract, context: &Context) {
    if context.json {
        let operations: Vec<_> = contract
            .operations()
            .iter()
            .map(|operation| json!({ "method": operation.method.to_string(), "path": operation.path.as_str(), "id": operation.id, "tags": operation.tags, "deprecated": operation.deprecated }))
            .collect();
        print_json(
            &json!({ "format": 1, "title": contract.title(), "version": contract.version(), "digest": contract.digest(), "operations": operations }),
        );
        return;
    }
    let rows: Vec<_> = contract
        .operations()
        .iter()
        .map(|operation| {
            vec![
                operation.method.to_string(),
                operation.path.as_str().to_owned(),
                operation.id.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print(table(&["METHOD", "PATH", "OPERATION"], &rows));
}
