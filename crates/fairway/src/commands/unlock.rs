//! `fairway unlock`.

use crate::{
    args,
    settings::{Context, print},
};
use fairway_delivery::{Error, exit};

pub(super) async fn run(arguments: &args::Unlock, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment(&manifest, &arguments.environment.environment)?;
    delivery.unlock(&environment, arguments.force).await?;
    print([format!("{environment} is free")]);
    Ok(exit::DONE)
}
