//! `fairway diff`.

use super::interrupt::unless_stopped;
use crate::{
    args,
    render::plan::lines,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, ReleaseDiff, exit};
use fairway_model::{Generation, Plan};
use serde_json::json;

pub(super) async fn run(arguments: &args::Diff, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment(&manifest, &arguments.environment.environment)?;
    let comparing = async {
        delivery.diff(&environment, arguments.from.map(Generation), arguments.to.map(Generation)).await
    };
    let ReleaseDiff { plan, to } = unless_stopped(&environment, comparing).await?;
    if context.json {
        print_json(
            &json!({ "format": 1, "services": plan.services, "environment": plan.environment_changes }),
        );
    } else if plan.services.is_empty() && plan.environment_changes.is_empty() {
        print(["no difference"]);
    } else {
        // Steps and verdicts belong to a plan; this only compares.
        let shown = Plan { steps: Vec::new(), verdicts: Vec::new(), ..plan };
        let text = lines(&shown, &to, context.paint);
        print(text.iter().skip(1).take(text.len().saturating_sub(2)));
    }
    Ok(exit::DONE)
}
