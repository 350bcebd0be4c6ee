//! `fairway down`.

use crate::{
    args,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use fairway_host::{Host, Instances};
use fairway_target::Target as _;
use serde_json::json;

pub(super) async fn run(arguments: &args::Down, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment_or_past(&manifest, &arguments.environment.environment).await?;
    let state = delivery.state(&environment).await?;
    let idle = state.serving().is_none() && state.pending().is_none() && !arguments.purge;
    if idle && Host::running(&delivery.host_home()).await?.is_none() {
        if context.json {
            print_json(
                &json!({ "format": 1, "environment": environment, "purged": false, "agent_stopped": false }),
            );
        } else {
            print([format!("{environment} is down already")]);
        }
        return Ok(exit::DONE);
    }
    let host = delivery.host(&manifest, &environment).await?;
    delivery.down(&environment, arguments.purge, &host).await?;
    let last = stop_idle(&host).await?;
    if context.json {
        print_json(
            &json!({ "format": 1, "environment": environment, "purged": arguments.purge, "agent_stopped": last }),
        );
    } else {
        let data =
            if arguments.purge { "its data is deleted" } else { "its data is kept (--purge deletes it)" };
        print([format!("{environment} is down; {data}")]);
    }
    Ok(exit::DONE)
}

/// The agent of a project has nothing to do when its last environment is down; it ends, and the edge with it.
pub(super) async fn stop_idle(host: &Host) -> Result<bool, Error> {
    for environment in host.environments().await? {
        if host.observe(&environment).await?.serving.is_some() {
            return Ok(false);
        }
    }
    host.shutdown(Instances::Stop).await?;
    Ok(true)
}
