//! `fairway unlock`.

use crate::{
    args,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use serde_json::json;

pub(super) async fn run(arguments: &args::Unlock, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment_or_past(&manifest, &arguments.environment.environment).await?;
    delivery.unlock(&environment, arguments.force).await?;
    if context.json {
        print_json(&json!({ "format": 1, "environment": environment, "locked": false }));
    } else {
        print([format!("{environment} is free")]);
    }
    Ok(exit::DONE)
}
