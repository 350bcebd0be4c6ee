//! `fairway config`.

use crate::{
    args,
    render::table::table,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use serde_json::json;

pub(super) async fn run(arguments: &args::Config, context: &Context) -> Result<u8, Error> {
    let args::Config::Show { environment, service, origin } = arguments;
    let delivery = context.delivery().await?;
    let config = delivery.config(&environment.environment)?;
    let shown: Vec<_> = config
        .iter()
        .filter(|((name, _), _)| service.as_deref().is_none_or(|wanted| name.as_str() == wanted))
        .collect();
    if let (Some(service), true) = (service, shown.is_empty())
        && !delivery.manifest()?.manifest.services.contains_key(service.as_str())
    {
        return Err(Error::Usage(format!("there is no service `{service}` in the manifest")));
    }
    if context.json {
        let values: Vec<_> = shown
            .iter()
            .map(|((service, variable), resolved)| {
                json!({ "service": service, "variable": variable, "value": resolved.value.to_string(), "secret": resolved.is_secret(), "origin": resolved.origin })
            })
            .collect();
        print_json(&json!({ "format": 1, "values": values }));
        return Ok(exit::DONE);
    }
    let row = |((service, variable), resolved): &(
        &(fairway_model::ServiceName, fairway_model::VariableName),
        &fairway_manifest::Resolved,
    )| {
        let mut row = vec![service.to_string(), variable.to_string(), resolved.value.to_string()];
        if *origin {
            row.push(resolved.origin.to_string());
        }
        row
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    let head: &[&str] =
        if *origin { &["SERVICE", "VARIABLE", "VALUE", "FROM"] } else { &["SERVICE", "VARIABLE", "VALUE"] };
    print(table(head, &rows));
    Ok(exit::DONE)
}
