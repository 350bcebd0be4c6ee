//! `fairway logs`.

use crate::{
    args,
    settings::{Context, print},
};
use fairway_delivery::{Delivery, Error, exit};
use fairway_host::LogQuery;
use fairway_model::{EnvironmentName, ServiceName};
use fairway_protocol::agent::LogLine;

pub(super) async fn run(arguments: &args::Logs, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let parsed = delivery.manifest()?;
    let environment =
        delivery.environment_or_past(&parsed.manifest, &arguments.environment.environment).await?;
    let services = arguments
        .service
        .iter()
        .map(|name| ServiceName::new(name.as_str()))
        .collect::<Result<Vec<_>, _>>()?;
    for service in &services {
        if !parsed.manifest.services.contains_key(service.as_str()) {
            return Err(Error::Usage(format!("there is no service `{service}` in the manifest")));
        }
    }
    tokio::select! {
        result = follow(&delivery, &environment, &services, arguments.tail, arguments.follow, context) => result?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(exit::DONE)
}

/// Prints log lines until the agent ends them.
pub(super) async fn follow(
    delivery: &Delivery,
    environment: &EnvironmentName,
    services: &[ServiceName],
    tail: usize,
    follow: bool,
    context: &Context,
) -> Result<(), Error> {
    let manifest = delivery.manifest()?.manifest;
    let host = delivery.host(&manifest, environment).await?;
    // The agent tells one service or all; several are picked from all.
    let service = if let [only] = services { Some(only.clone()) } else { None };
    let mut lines = host.logs(environment, &LogQuery { service, tail, follow }).await?;
    while let Some(line) = lines.next().await? {
        if !services.is_empty() && !services.contains(&line.service) {
            continue;
        }
        if context.json {
            print([serde_json::to_string(&line).unwrap_or_default()]);
        } else {
            let LogLine { service, instance, line } = line;
            let who = speaker(&service, &instance);
            print([format!("{} {line}", context.paint.dim(format!("{who:<16} │")))]);
        }
    }
    Ok(())
}

/// Who speaks: `identity`, `identity/1` for its second instance, `identity/migrate` for a one-shot command.
fn speaker(service: &ServiceName, instance: &str) -> String {
    let (name, number) = instance.rsplit_once('-').unwrap_or((instance, ""));
    match (instance.starts_with(service.as_str()), number) {
        (true, "0") => service.to_string(),
        (true, replica) => format!("{service}/{replica}"),
        (false, _) => format!("{service}/{name}"),
    }
}
