//! `fairway status`.

use crate::{
    args,
    render::table::table,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use fairway_model::{InstanceState, Observed, ObservedInstance, ServedBy, Sight};
use fairway_oplog::{State, When};
use fairway_protocol::agent::Endpoints;
use serde_json::json;

pub(super) async fn run(arguments: &args::Environment, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment_or_past(&manifest, &arguments.environment).await?;
    let state = delivery.state(&environment).await?;
    // Looking at what is not there starts nothing.
    let idle = state.serving().is_none() && state.pending().is_none();
    let unknown = match fairway_host::Host::running(&delivery.host_home()).await? {
        Some(agent) if idle => !agent.environments().await?.contains(&environment),
        running => running.is_none(),
    };
    if idle && unknown {
        if context.json {
            print_json(
                &json!({ "format": 1, "environment": environment, "recorded": null, "observed": null }),
            );
        } else {
            print([format!("{environment} has no release, and nothing runs")]);
        }
        return Ok(exit::DONE);
    }
    let host = delivery.host(&manifest, &environment).await?;
    if !host.environments().await?.contains(&environment) {
        elsewhere(&state, context);
        return Ok(exit::DONE);
    }
    let observed = fairway_target::Target::observe(&host, &environment).await?;
    let endpoints = host.endpoints(&environment).await?;
    let info = host.info().await?;
    if context.json {
        print_json(&json!({
            "format": 1, "environment": environment, "recorded": state.serving(), "pending": state.pending(), "lock": state.lock(),
            "observed": observed, "endpoints": endpoints, "host": info,
        }));
        return Ok(exit::DONE);
    }
    print(head(&state, &observed, &endpoints, context));
    match &observed.instances {
        Sight::Known(instances) => {
            let mut rows: Vec<_> = instances.iter().map(|instance| row(instance, context)).collect();
            if let Some(routes) = observed.routes.known() {
                let stubs = routes.services.iter().filter(|(_, served)| **served == ServedBy::Stub);
                rows.extend(
                    stubs.map(|(service, _)| {
                        vec![service.to_string(), context.paint.dim("stub"), String::new()]
                    }),
                );
            }
            rows.sort();
            if rows.is_empty() {
                print(["nothing runs"]);
            } else {
                print(table(
                    &[
                        "SERVICE",
                        "STATE",
                        "RELEASE",
                        "AGE",
                        "RESTARTS",
                        "IN FLIGHT",
                        "ADDRESS",
                        "PID",
                        "INSTANCE",
                    ],
                    &rows,
                ));
            }
        }
        Sight::Unknown { reason } => print([format!("instances could not be seen: {reason}")]),
    }
    print(info.notes.iter().map(|note| context.paint.dim(format!("note: {note}"))));
    Ok(exit::DONE)
}

/// The log knows of releases and this machine does not: they run on another one, or its state was deleted.
fn elsewhere(state: &State, context: &Context) {
    let environment = state.environment();
    if context.json {
        print_json(&json!({
            "format": 1, "environment": environment, "recorded": state.serving(), "pending": state.pending(), "lock": state.lock(),
            "observed": null,
        }));
        return;
    }
    let recorded = state
        .serving()
        .map_or_else(|| "no release of".to_owned(), |serving| format!("release {} of", serving.generation));
    print([context.paint.warn(format!(
        "the log says {recorded} {environment}, and this machine runs nothing of it: `fairway apply {environment}` brings it here"
    ))]);
}

fn head(state: &State, observed: &Observed, endpoints: &Endpoints, context: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    match (state.serving(), &observed.serving) {
        (None, None) => lines.push(format!("{} has no release", state.environment())),
        (Some(recorded), Some((generation, digest)))
            if (recorded.generation, recorded.release) == (*generation, *digest) =>
        {
            lines.push(format!(
                "{} release {generation} of {} ({}) since {} by {}",
                context.paint.good("●"),
                state.environment(),
                digest.short(),
                When(recorded.at),
                recorded.by.name
            ));
        }
        // A release that has switched and is not over yet.
        (recorded, Some((generation, digest)))
            if state.pending().is_some_and(|pending| pending.committed.generation == *generation) =>
        {
            let before = recorded
                .map_or_else(String::new, |serving| format!(", release {} stands by", serving.generation));
            lines.push(format!(
                "{} release {generation} of {} ({}) serves{before}",
                context.paint.warn("●"),
                state.environment(),
                digest.short()
            ));
        }
        (recorded, observed) => {
            let recorded = recorded
                .map_or_else(|| "nothing".to_owned(), |serving| format!("release {}", serving.generation));
            let observed = observed
                .map_or_else(|| "nothing".to_owned(), |(generation, _)| format!("release {generation}"));
            lines.push(context.paint.warn(format!(
                "the log says {recorded}, the host serves {observed}: `fairway apply` settles it"
            )));
        }
    }
    if let Some(pending) = state.pending() {
        let phase =
            observed.activity.map_or_else(String::new, |(_, phase)| format!(" ({phase:?})").to_lowercase());
        lines.push(context.paint.warn(format!(
            "release {} by {} is on its way{phase}",
            pending.committed.generation, pending.by
        )));
    }
    lines.extend(endpoints.urls());
    lines
}

fn row(instance: &ObservedInstance, context: &Context) -> Vec<String> {
    let state = match &instance.state {
        InstanceState::Ready => context.paint.good("ready"),
        InstanceState::Starting => context.paint.warn("starting"),
        InstanceState::Unready { reason } => context.paint.bad(format!("unready: {reason}")),
        InstanceState::Restarting { reason } => context.paint.bad(format!("restarting: {reason}")),
        InstanceState::CrashLoop { reason } => context.paint.bad(format!("crash loop: {reason}")),
        InstanceState::Draining => context.paint.dim("draining"),
        InstanceState::Stopped => context.paint.dim("stopped"),
    };
    vec![
        instance.service.to_string(),
        state,
        instance.generation.to_string(),
        fairway_model::Millis::from_secs(instance.age_seconds).to_string(),
        instance.restarts.to_string(),
        instance.in_flight.to_string(),
        instance.address.map_or_else(String::new, |address| address.to_string()),
        instance.pid.map_or_else(String::new, |pid| pid.to_string()),
        instance.id.clone(),
    ]
}
