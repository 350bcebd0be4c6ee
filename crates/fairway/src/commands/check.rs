//! `fairway check`.

use crate::{
    args,
    render::{count, error::manifest as render},
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use fairway_manifest::Problem;
use serde_json::json;

pub(super) async fn run(arguments: &args::Check, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let parsed = delivery.manifest()?;
    let environments = match &arguments.environment {
        Some(name) => vec![delivery.environment(&parsed.manifest, name)?],
        None => Vec::new(),
    };
    let problems = delivery.check(&parsed, &environments)?;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let failed = errors > 0 || (arguments.strict && !problems.is_empty());
    if context.json {
        print_json(&json!({ "format": 1, "valid": !failed, "problems": problems }));
    } else {
        if !problems.is_empty() {
            eprintln!("{}", render(problems.iter(), context.paint_error, Some(delivery.project().root())));
        }
        if !failed {
            let manifest = &parsed.manifest;
            let warnings = problems.iter().filter(|problem: &&Problem| !problem.is_error()).count();
            let warnings =
                if warnings > 0 { format!(", {}", count(warnings, "warning")) } else { String::new() };
            let line = format!(
                "{}, {}: valid{warnings}",
                count(manifest.services.len(), "service"),
                count(manifest.environments.len(), "environment")
            );
            print([format!("{} {line}", context.paint.good("✔"))]);
        }
    }
    Ok(if failed { exit::INVALID } else { exit::DONE })
}
