//! `fairway routes`.

use super::place::{self, Place};
use crate::{
    args,
    render::{columns, routes},
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) async fn run(arguments: &args::DevEnvironment, context: &Context) -> Result<u8, Error> {
    let Place { environment, host } = place::find(&arguments.environment, context).await?;
    let traffic = match host {
        Some(host) => host.traffic(&environment).await?,
        None => None,
    };
    if context.json {
        print_json(&json!({ "format": 1, "environment": environment, "traffic": traffic }));
        return Ok(exit::DONE);
    }
    match traffic {
        None => print([format!("the edge of this machine serves nothing of {environment}")]),
        Some(traffic) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            print(routes::lines(&traffic, now, context.paint, columns::width()));
        }
    }
    Ok(exit::DONE)
}
