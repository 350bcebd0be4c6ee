//! `fairway up`.

use super::{
    down,
    interrupt::{patiently, stop_signal, unless_stopped, until_interrupted},
    logs,
};
use crate::{
    args,
    render::release,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Delivery, Error, Gates, Manner, Notice, Reporter, exit};
use fairway_model::EnvironmentName;
use fairway_protocol::agent::Endpoints;
use notify::{RecursiveMode, Watcher};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Quiet time after a change before anything is built: editors write several files at once.
const SETTLE: Duration = Duration::from_millis(250);

pub(super) async fn run(arguments: &args::Up, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment(&manifest, &arguments.environment.environment)?;
    let gates = Gates::from(arguments.gates);
    let endpoints = release(&delivery, &environment, gates, context).await?;
    if arguments.detach {
        return Ok(exit::DONE);
    }
    if !context.json {
        print(where_to_look(&endpoints));
    }
    let following = logs::follow(&delivery, &environment, &[], 0, true, context);
    if arguments.watch {
        tokio::select! {
            result = following => result?,
            result = watch(&delivery, &environment, gates, context) => result?,
            () = stop_signal() => {}
        }
    } else {
        tokio::select! {
            result = following => result?,
            () = stop_signal() => {}
        }
    }
    eprintln!("stopping {environment} …");
    let host = delivery.host(&manifest, &environment).await?;
    let stopping = Box::pin(delivery.down(&environment, false, &host));
    patiently(&environment, "stopping the services", stopping).await?;
    down::stop_idle(&host).await?;
    Ok(exit::DONE)
}

/// Build, plan, apply.
async fn release(
    delivery: &Delivery,
    environment: &EnvironmentName,
    gates: Gates,
    context: &Context,
) -> Result<Endpoints, Error> {
    let begin = Instant::now();
    let manifest = delivery.manifest()?.manifest;
    let host = delivery.host(&manifest, environment).await?;
    let planning = async {
        delivery.settle(environment, &host, Manner::wait(None)).await?;
        delivery.plan(environment.as_str(), gates).await
    };
    let (planned, desired) = unless_stopped(environment, planning).await?;
    let work = delivery.apply(planned, &desired, &host);
    let applied = until_interrupted(delivery, environment, &host, work).await?;
    context.progress.finish();
    let endpoints = host.endpoints(environment).await?;
    if context.json {
        let mut value = release::as_json(&applied, begin.elapsed());
        value["endpoints"] = serde_json::to_value(&endpoints).unwrap_or_default();
        print_json(&value);
    } else {
        print(release::block(&applied, begin.elapsed(), context.paint));
        let words = std::iter::once("open").chain(std::iter::repeat(""));
        let lines = endpoints.urls().into_iter().zip(words);
        print(lines.map(|(url, word)| format!("  {} {url}", context.paint.dim(format!("{word:<10}")))));
    }
    Ok(endpoints)
}

fn where_to_look(endpoints: &Endpoints) -> Vec<String> {
    let mut lines = vec![String::new(), "following the logs; Ctrl-C stops the environment".to_owned()];
    lines.extend(
        endpoints.services.iter().map(|(service, address)| format!("  {service:<14} http://{address}/")),
    );
    lines.push(String::new());
    lines
}

/// Builds and releases whatever changes, until the end.
async fn watch(
    delivery: &Delivery,
    environment: &EnvironmentName,
    gates: Gates,
    context: &Context,
) -> Result<(), Error> {
    let (sender, mut changes) = mpsc::channel(64);
    let root = delivery.project().root().to_owned();
    let repository = repository(&root);
    let ignored = ignored(&repository);
    let event = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let wanted = |path: &Path| {
            !ignored.matched_path_or_any_parents(path, path.is_dir()).is_ignore() && !internal(path)
        };
        if !event.kind.is_access() && event.paths.iter().any(|path| wanted(path)) {
            // A full queue means that a release is due anyway.
            let _ = sender.try_send(());
        }
    };
    let watching =
        |error: notify::Error| Error::Usage(format!("{} cannot be watched: {error}", repository.display()));
    let mut watcher = notify::recommended_watcher(event).map_err(watching)?;
    watcher.watch(&repository, RecursiveMode::Recursive).map_err(watching)?;
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, changes.recv()).await {}
        eprintln!("{}", context.paint_error.bold("something changed"));
        if let Err(error) = release(delivery, environment, gates, context).await {
            context.progress.finish();
            eprintln!("{}", crate::render::error::error(&error, context.paint_error, Some(&root)));
            context.progress.notice(Notice::Warning(
                "what ran before still runs; the next change is tried again".to_owned(),
            ));
        }
    }
    Ok(())
}

/// The directory that is watched: the whole repository, because builds reach beyond the manifest's directory.
fn repository(root: &Path) -> std::path::PathBuf {
    root.ancestors().find(|directory| directory.join(".git").exists()).unwrap_or(root).to_owned()
}

fn ignored(repository: &Path) -> ignore::gitignore::Gitignore {
    let mut builder = ignore::gitignore::GitignoreBuilder::new(repository);
    // A broken line of a .gitignore only means more builds.
    let _ = builder.add(repository.join(".gitignore"));
    builder.build().unwrap_or_else(|_| ignore::gitignore::Gitignore::empty())
}

fn internal(path: &Path) -> bool {
    path.components().any(|part| {
        matches!(part.as_os_str().to_str(), Some(".git" | ".fairway" | "target" | "node_modules"))
    })
}
