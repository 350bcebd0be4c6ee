//! `fairway revert`.

use super::{
    apply::{confirm, done},
    interrupt::until_interrupted,
    plan,
};
use crate::{args, settings::Context};
use fairway_delivery::Error;
use fairway_model::Generation;
use std::time::Instant;

pub(super) async fn run(arguments: &args::Revert, context: &Context) -> Result<u8, Error> {
    let begin = Instant::now();
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment(&manifest, &arguments.environment.environment)?;
    let target = delivery.target(&manifest, &environment).await?;
    let to = arguments.generation.map(Generation);
    let planned = delivery.plan_revert(&environment, to, arguments.gates.into(), &*target).await?;
    if arguments.yes && !arguments.events && !context.json {
        plan::show(&planned, context);
    }
    confirm(&planned, arguments.yes, arguments.events, context).await?;
    let work = delivery.execute_plan(planned, &*target);
    let applied = until_interrupted(&delivery, &environment, &*target, work).await?;
    Ok(done(&applied, begin, arguments.events, context))
}
