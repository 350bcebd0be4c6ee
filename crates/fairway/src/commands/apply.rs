//! `fairway apply`.

use super::{
    interrupt::{unless_stopped, until_interrupted},
    plan,
};
use crate::{
    args,
    render::release,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Applied, Error, Manner, Planned, exit};
use fairway_model::Millis;
use std::{
    io::{BufRead, IsTerminal, Write},
    path::Path,
    time::Instant,
};

pub(super) async fn run(arguments: &args::Apply, context: &Context) -> Result<u8, Error> {
    let begin = Instant::now();
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let wait = arguments.wait.as_deref().map(str::parse::<Millis>).transpose();
    let manner = Manner::wait(wait.map_err(|error| Error::Usage(format!("--wait: {error}")))?);
    let file = Path::new(&arguments.what);
    let is_environment =
        manifest.environments.contains_key(arguments.what.split('/').next().unwrap_or_default());
    if !is_environment && file.is_file() {
        let planned = delivery.load_plan(file).await?;
        let environment = planned.plan().environment.clone();
        let target = delivery.target(&manifest, &environment).await?;
        delivery.settle(&environment, &*target, manner).await?;
        confirm(&planned, arguments.yes, arguments.events, context).await?;
        let work = delivery.apply_saved(planned, &*target);
        let applied = Box::pin(until_interrupted(&delivery, &environment, &*target, work)).await?;
        return Ok(done(&applied, begin, arguments.events, context));
    }
    if !is_environment && looks_like_a_file(&arguments.what) {
        return Err(Error::Usage(format!(
            "there is no file {}, and no environment of that name: nothing was changed; \
             `fairway plan ENV -o FILE` writes one",
            arguments.what
        )));
    }
    let environment = delivery.environment(&manifest, &arguments.what)?;
    let target = delivery.target(&manifest, &environment).await?;
    let planning = async {
        delivery.settle(&environment, &*target, manner).await?;
        delivery.plan(environment.as_str(), arguments.gates.into()).await
    };
    let (planned, desired) = unless_stopped(&environment, planning).await?;
    confirm(&planned, arguments.yes, arguments.events, context).await?;
    let work = delivery.apply(planned, &desired, &*target);
    let applied = until_interrupted(&delivery, &environment, &*target, work).await?;
    Ok(done(&applied, begin, arguments.events, context))
}

/// Names of environments have no dots, and not more than the one slash of an instance.
fn looks_like_a_file(what: &str) -> bool {
    what.contains('.') || what.matches('/').count() > 1
}

/// Shows the plan and asks a person. Without a terminal nobody can agree, so `--yes` must have been said.
pub(super) async fn confirm(
    planned: &Planned,
    yes: bool,
    events: bool,
    context: &Context,
) -> Result<(), Error> {
    if planned.plan().is_empty() || planned.plan().refusals().next().is_some() {
        return Ok(());
    }
    if yes {
        return Ok(());
    }
    // Where standard output belongs to a program nobody is asked, and silence is not a yes.
    if events || context.json || !std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "nobody is there to agree to the plan: say --yes. Nothing was changed".to_owned(),
        ));
    }
    plan::show(planned, context);
    eprint!("\nApply this plan to {}? [y/N] ", context.paint_error.bold(&planned.plan().environment));
    let _ = std::io::stderr().flush();
    // The thread that reads may wait for ever; Ctrl-C is an answer too.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer).unwrap_or_default()
    });
    let answer =
        unless_stopped(&planned.plan().environment, async { Ok(read.await.unwrap_or_default()) }).await?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Error::Usage("not applied; nothing was changed".to_owned()))
    }
}

/// The final block.
pub(super) fn done(applied: &Applied, begin: Instant, events: bool, context: &Context) -> u8 {
    context.progress.finish();
    if events {
        print([release::as_json(applied, begin.elapsed()).to_string()]);
    } else if context.json {
        print_json(&release::as_json(applied, begin.elapsed()));
    } else {
        print(release::block(applied, begin.elapsed(), context.paint));
    }
    exit::DONE
}
