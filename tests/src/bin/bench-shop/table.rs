//! The tables of the rows.

use crate::row::{CONNECTIONS, Measured, PACE, Round, Spans};
use fairway_stories::measure::report::{median, thousands};
use std::time::Duration;

/// Requests per second, times, statements and CPU time; then what stands beside it.
pub(crate) fn load(all: &[Measured], nginx: bool) -> String {
    let mut text =
        "| through the gateway | requests/s | p50 | p99 | statements: identity | commerce | CPU time: \
                    gateway | identity | commerce | PostgreSQL |\n|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for found in all {
        text.push_str(&row(found));
    }
    let beside: Vec<String> = all.iter().filter_map(|found| ratios(found, nginx)).collect();
    if !beside.is_empty() {
        text.push_str(
            "\n| requests/s | the service alone | through the gateway | through nginx |\n|---|---|---|---|\n",
        );
        text.push_str(&beside.concat());
    }
    text
}

fn of(found: &Measured, value: impl Fn(&Round) -> f64) -> f64 {
    median(found.rounds.iter().map(value).collect())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn row(found: &Measured) -> String {
    let [identity, commerce] = found.statements;
    let cpu: Vec<String> =
        (0..4).map(|index| format!("{:.0} µs", of(found, |round| round.cpu[index]))).collect();
    format!(
        "| {} | {}/s | {:.2} ms | {:.2} ms | {identity:.1} | {commerce:.1} | {} |\n",
        found.row.label(),
        thousands(of(found, |round| round.rate)),
        of(found, |round| millis(round.median)),
        of(found, |round| millis(round.slow)),
        cpu.join(" | "),
    )
}

/// The service alone in absolute numbers, the others relative to it, round by round.
fn ratios(found: &Measured, nginx: bool) -> Option<String> {
    let relative = |of: &dyn Fn(&Round) -> Option<f64>| -> Option<f64> {
        let all: Option<Vec<f64>> =
            found.rounds.iter().map(|round| Some(of(round)? / round.direct?)).collect();
        all.map(median)
    };
    let alone = found.rounds.iter().map(|round| round.direct).collect::<Option<Vec<f64>>>().map(median)?;
    let gateway = relative(&|round| Some(round.rate))?;
    let nginx = match relative(&|round| round.nginx) {
        Some(ratio) => format!("{ratio:.2}"),
        None if nginx => "-".to_owned(),
        None => "needs nginx".to_owned(),
    };
    Some(format!("| {} | {}/s | {gateway:.2} | {nginx} |\n", found.row.label(), thousands(alone)))
}

/// How it was measured, and what went wrong.
pub(crate) fn notes(all: &[Measured], rounds: usize, spans: Spans, postgres: &str) -> String {
    let seconds = spans.lasts.as_secs();
    let mut notes = vec![
        format!(
            "{rounds} rounds of {seconds} s each after a warm-up; {CONNECTIONS} connections; PostgreSQL {postgres}."
        ),
        format!(
            "p50 and p99 are those at {PACE} requests/s, counted from the moment at which a request was due."
        ),
    ];
    for found in all {
        let failed: u64 = found.rounds.iter().map(|round| round.failed).sum();
        if failed > 0 {
            notes.push(format!("{}: {failed} requests went wrong.", found.row.label()));
        }
    }
    format!("\n{}\n", notes.iter().map(|note| format!("- {note}\n")).collect::<String>())
}
