//! `fairway plan`.

use super::interrupt::unless_stopped;
use crate::{
    args,
    render::plan::lines,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, Gates, Manner, Planned, exit};
use serde_json::json;

impl From<args::Gates> for Gates {
    fn from(gates: args::Gates) -> Self {
        let args::Gates { allow_breaking, allow_destructive } = gates;
        Self { allow_breaking, allow_destructive }
    }
}

pub(super) async fn run(arguments: &args::Plan, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment(&manifest, &arguments.environment.environment)?;
    let target = delivery.target(&manifest, &environment).await?;
    let planning = async {
        delivery.settle(&environment, &*target, Manner::wait(None)).await?;
        let (planned, desired) = delivery.plan(environment.as_str(), arguments.gates.into()).await?;
        if let Some(file) = &arguments.out {
            delivery.save_plan(&planned, &desired, &*target, file).await?;
        }
        Ok(planned)
    };
    let planned = unless_stopped(&environment, planning).await?;
    show(&planned, context);
    if planned.plan().refusals().next().is_some() {
        return Ok(exit::REFUSED);
    }
    Ok(if arguments.detailed_exitcode && !planned.plan().is_empty() { exit::CHANGES } else { exit::DONE })
}

/// The plan on standard output.
pub(super) fn show(planned: &Planned, context: &Context) {
    let plan = planned.plan();
    if context.json {
        print_json(&json!({ "format": 1, "id": plan.id(), "empty": plan.is_empty(), "plan": plan }));
    } else if plan.is_empty() {
        let serving = plan.base.serving.map_or_else(String::new, |(generation, digest)| {
            format!(": release {generation} ({}) is what the repository says", digest.short())
        });
        print([format!("nothing to do{serving}")]);
        print(plan.verdicts.iter().map(|verdict| format!("  {}", verdict.message)));
    } else {
        print(lines(plan, &planned.assignment.release, context.paint));
    }
}
