//! The one place where an error becomes words: kind, chain, place, log, what was not changed, what to do.

use super::{Paint, count};
use fairway_delivery::Error;
use fairway_manifest::{Problem, Severity};
use fairway_model::{Failure, ProbeReport, VerdictLevel};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use std::{collections::BTreeMap, path::Path};

/// The whole error as text for standard error.
pub(crate) fn error(error: &Error, paint: Paint, root: Option<&Path>) -> String {
    let mut lines = Vec::new();
    match error {
        Error::Manifest(problems) => return manifest(problems.iter(), paint, root),
        Error::Refused(verdicts) => {
            lines.push(format!("{} {error}", paint.bad("error:")));
            for verdict in verdicts {
                let service =
                    verdict.service.as_ref().map_or_else(String::new, |service| format!("{service}: "));
                lines.push(format!("  {} {service}{}", paint.bad("✘"), verdict.message));
            }
        }
        _ => lines.push(format!("{} {}", paint.bad("error:"), error.chain())),
    }
    if let Some(failure) = error.failure() {
        lines.extend(details(failure, paint));
    }
    if !error.log().is_empty() {
        lines.push(format!("  {}", paint.dim("its last output:")));
        lines.extend(error.log().iter().map(|line| format!("  {} {line}", paint.dim("│"))));
    }
    lines.extend(error.unchanged().map(|text| format!("  {} {text}", paint.dim("unchanged:"))));
    lines.extend(error.next().map(|text| format!("  {} {text}", paint.dim("next:"))));
    lines.join("\n")
}

fn details(failure: &Failure, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let who = [failure.service.as_ref().map(ToString::to_string), failure.instance.clone()];
    let who: Vec<_> = who.into_iter().flatten().collect();
    if !who.is_empty() {
        lines.push(format!("  {} {}", paint.dim("where:"), who.join(", instance ")));
    }
    if let Some(ProbeReport { url, status, body, error, hint }) = &failure.probe {
        let answer = match (status, error) {
            (Some(status), _) => format!("{status} {}", body.trim()),
            (None, Some(error)) => error.clone(),
            (None, None) => "no answer".to_owned(),
        };
        lines.push(format!("  {} GET {url}: {answer}", paint.dim("last probe:")));
        lines.extend(hint.iter().map(|hint| format!("  {} {hint}", paint.dim("hint:"))));
    }
    lines
}

/// Problems of the manifest, each with the offending line.
pub(crate) fn manifest<'a>(
    problems: impl Iterator<Item = &'a Problem>,
    paint: Paint,
    root: Option<&Path>,
) -> String {
    let mut texts: BTreeMap<String, Option<String>> = BTreeMap::new();
    let theme = if paint.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(110).without_cause_chain();
    let mut out = String::new();
    let (mut errors, mut warnings) = (0, 0);
    for problem in problems {
        match problem.severity {
            Severity::Error => errors += 1,
            Severity::Warning => warnings += 1,
        }
        let text = texts
            .entry(problem.file.clone())
            .or_insert_with(|| std::fs::read_to_string(root?.join(&problem.file)).ok());
        if handler.render_report(&mut out, diagnostic(problem, text.as_deref()).as_ref()).is_err() {
            out.push_str(&problem.to_string());
        }
        out.push('\n');
    }
    let summary = match (errors, warnings) {
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    let tail = if errors > 0 { ". Nothing was changed." } else { "" };
    out.push_str(&format!("{}{tail}", paint.bold(summary)));
    out
}

fn diagnostic(problem: &Problem, text: Option<&str>) -> Report {
    let severity = match problem.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
    };
    let shown = text.and_then(|text| Some((text, offset(text, problem)?)));
    // With the line shown, its place stands above it.
    let message = match shown {
        Some(_) => problem.message.clone(),
        None if problem.line > 0 => {
            format!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message)
        }
        None => format!("{}: {}", problem.file, problem.message),
    };
    let mut diagnostic =
        MietteDiagnostic::new(message).with_severity(severity).with_code(problem.rule.clone());
    if let Some(help) = &problem.help {
        diagnostic = diagnostic.with_help(help.clone());
    }
    match shown {
        Some((text, (start, length))) => {
            let label = LabeledSpan::new_primary_with_span(None, (start, length));
            Report::new(diagnostic.with_label(label))
                .with_source_code(NamedSource::new(&problem.file, text.to_owned()))
        }
        None => Report::new(diagnostic),
    }
}

/// Byte offset and length of a problem's place.
fn offset(text: &str, problem: &Problem) -> Option<(usize, usize)> {
    let line_index = problem.line.checked_sub(1)?;
    let line_start: usize = text.split_inclusive('\n').take(line_index).map(str::len).sum();
    let line = text.get(line_start..)?.lines().next()?;
    let bytes = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at);
    let start = bytes(problem.column.saturating_sub(1));
    let end = bytes(problem.column.saturating_sub(1) + problem.length);
    Some((line_start + start, end - start))
}

/// The error as JSON.
pub(crate) fn json(error: &Error) -> serde_json::Value {
    let verdicts = match error {
        Error::Refused(verdicts) => {
            verdicts.iter().filter(|v| v.level == VerdictLevel::Refuse).cloned().collect()
        }
        _ => Vec::new(),
    };
    let problems = match error {
        Error::Manifest(problems) => serde_json::to_value(problems).unwrap_or_default(),
        _ => serde_json::Value::Array(Vec::new()),
    };
    serde_json::json!({
        "format": 1,
        "error": {
            "exit_code": error.exit_code(),
            "message": error.chain(),
            "failure": error.failure(),
            "verdicts": verdicts,
            "problems": problems,
            "log": error.log(),
            "unchanged": error.unchanged(),
            "next": error.next(),
        }
    })
}
