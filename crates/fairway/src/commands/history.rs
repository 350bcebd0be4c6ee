//! `fairway history`.

use crate::{
    args,
    render::table::table,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, exit};
use fairway_oplog::{Entry, Intent, When};
use serde_json::json;

pub(super) async fn run(arguments: &args::History, context: &Context) -> Result<u8, Error> {
    let delivery = context.delivery().await?;
    let manifest = delivery.manifest()?.manifest;
    let environment = delivery.environment_or_past(&manifest, &arguments.environment.environment).await?;
    let state = delivery.state(&environment).await?;
    let serving = state.serving().map(|serving| serving.generation);
    let entries: Vec<&Entry> = state.history().iter().rev().take(arguments.limit).collect();
    if context.json {
        let releases: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "generation": entry.committed.generation,
                    "release": entry.committed.release,
                    "plan": entry.committed.plan,
                    "intent": entry.committed.intent,
                    "outcome": entry.word(),
                    "serving": Some(entry.committed.generation) == serving,
                    "at": entry.at,
                    "by": entry.by,
                    "source": entry.committed.source,
                    "summary": entry.committed.summary,
                })
            })
            .collect();
        print_json(
            &json!({ "format": 1, "environment": environment, "serving": serving, "releases": releases }),
        );
        return Ok(exit::DONE);
    }
    if entries.is_empty() {
        print([format!("{environment} has no history yet")]);
        return Ok(exit::DONE);
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| row(entry, Some(entry.committed.generation) == serving, context))
        .collect();
    print(table(&["", "RELEASE", "WHEN", "WHO", "WHAT", "OUTCOME", "COMMIT", "SUMMARY"], &rows));
    Ok(exit::DONE)
}

fn row(entry: &Entry, serving: bool, context: &Context) -> Vec<String> {
    let what = match entry.committed.intent {
        Intent::Apply => "apply".to_owned(),
        Intent::Revert { to } => format!("revert to {to}"),
        Intent::Restore { of } => format!("restore {of}"),
        Intent::Down => "down".to_owned(),
    };
    let outcome = match entry.word() {
        "applied" => context.paint.good("applied"),
        "pending" => context.paint.warn("pending"),
        other => context.paint.bad(other),
    };
    let source = &entry.committed.source;
    let commit = source.commit.as_deref().map_or("-", |commit| &commit[..commit.len().min(8)]);
    vec![
        if serving { context.paint.good("●") } else { " ".to_owned() },
        entry.committed.generation.to_string(),
        When(entry.at).to_string(),
        entry.by.name.clone(),
        what,
        outcome,
        format!("{commit}{}", if source.dirty { "+" } else { "" }),
        entry.committed.summary.clone(),
    ]
}
