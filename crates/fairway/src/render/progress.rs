//! What a verb tells while it works: moving lines on a terminal, one line each elsewhere, NDJSON for programs.

use super::Paint;
use fairway_delivery::{Notice, Reporter};
use fairway_model::{Event, EventKind, Millis, Phase};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::Write,
    sync::Mutex,
    time::{Duration, Instant},
};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Moving lines, for a terminal.
    Moving,
    /// One line for each thing that happened.
    Lines,
    /// One JSON object for each event on standard output.
    Events,
    /// Nothing but warnings.
    Quiet,
}

/// Shows notices.
pub(crate) struct Progress {
    mode: Mode,
    paint: Paint,
    bars: MultiProgress,
    open: Mutex<BTreeMap<String, (ProgressBar, Instant)>>,
}

impl Progress {
    pub(crate) fn new(mode: Mode, paint: Paint) -> Self {
        Self { mode, paint, bars: MultiProgress::new(), open: Mutex::new(BTreeMap::new()) }
    }

    /// Leaves no moving line behind.
    pub(crate) fn finish(&self) {
        for (_, (bar, _)) in std::mem::take(&mut *self.lock()) {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (ProgressBar, Instant)>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        match self.mode {
            Mode::Moving => {
                // With no bar drawn, `println` of a MultiProgress is a plain line; either way it goes to standard error.
                let _ = self.bars.println(text);
            }
            Mode::Lines => eprintln!("{text}"),
            Mode::Events | Mode::Quiet => {}
        }
    }

    fn begin(&self, key: &str, text: &str) {
        match self.mode {
            Mode::Moving => {
                let style = ProgressStyle::with_template("  {spinner:.cyan} {msg} {elapsed:.dim}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                let bar =
                    self.bars.add(ProgressBar::new_spinner().with_style(style).with_message(text.to_owned()));
                bar.enable_steady_tick(Duration::from_millis(100));
                self.lock().insert(key.to_owned(), (bar, Instant::now()));
            }
            Mode::Lines => eprintln!("  … {text}"),
            Mode::Events | Mode::Quiet => {}
        }
    }

    fn end(&self, key: &str) {
        if let Some((bar, _)) = self.lock().remove(key) {
            bar.finish_and_clear();
        }
    }

    fn event(&self, event: &Event) {
        let who = event.service.as_ref().map_or_else(|| "environment".to_owned(), ToString::to_string);
        match &event.kind {
            EventKind::Phase { phase } => {
                if let Some(text) = phase_text(*phase) {
                    self.line(&self.paint.bold(text));
                }
            }
            // What had to be brought was told when it was brought.
            EventKind::StepStarted { step } | EventKind::StepDone { step, .. } if step == "deliver" => {}
            EventKind::StepStarted { step } => {
                self.begin(&format!("{who}/{step}"), &format!("{who:<14} {step}"))
            }
            EventKind::StepDone { step, took, detail } => {
                self.end(&format!("{who}/{step}"));
                let took = self.paint.dim(format!("{took:>7}"));
                // How long it took to get ready stands beside it already.
                let detail = if detail.starts_with("ready after") { "ready" } else { detail.as_str() };
                self.line(
                    format!("  {} {who:<14} {step:<10} {took}  {detail}", self.paint.good("✔")).trim_end(),
                );
            }
            EventKind::StepFailed { step, message } => {
                self.end(&format!("{who}/{step}"));
                self.line(&format!("  {} {who:<14} {step:<10} {message}", self.paint.bad("✘")));
            }
            EventKind::Note { message } => {
                let who = event.service.as_ref().map_or_else(String::new, |service| format!("{service}: "));
                self.line(&format!("  {} {who}{message}", self.paint.dim("·")));
            }
        }
    }

    fn as_json(&self, notice: &Notice) -> Option<serde_json::Value> {
        use serde_json::json;
        Some(match notice {
            Notice::Event(event) => serde_json::to_value(event).ok()?,
            Notice::Building { services, .. } => json!({"event": "building", "services": services}),
            Notice::BuildLine(_) => return None,
            Notice::Built { service, artifact, size } => {
                json!({"event": "built", "service": service, "artifact": artifact, "size": size})
            }
            Notice::Delivered { artifact, took } => {
                json!({"event": "delivered", "artifact": artifact, "took": took})
            }
            Notice::Planned(plan) => json!({"event": "planned", "id": plan.id(), "steps": plan.steps.len()}),
            Notice::Committed { environment, generation } => {
                json!({"event": "committed", "environment": environment, "generation": generation})
            }
            Notice::Settled { generation, outcome } => {
                json!({"event": "settled", "generation": generation, "outcome": outcome})
            }
            Notice::Warning(message) => json!({"event": "warning", "message": message}),
            _ => return None,
        })
    }
}

impl Reporter for Progress {
    fn notice(&self, notice: Notice) {
        if self.mode == Mode::Events {
            if let Some(value) = self.as_json(&notice) {
                let mut out = std::io::stdout().lock();
                let _ = writeln!(out, "{value}").and_then(|()| out.flush());
            }
            return;
        }
        match notice {
            Notice::Building { services, command } => {
                let names = services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                self.line(&self.paint.bold("build"));
                self.begin("build", &format!("{names}  {command}"));
            }
            Notice::BuildLine(line) => {
                if let Some((bar, _)) = self.lock().get("build") {
                    bar.set_message(console::truncate_str(line.trim(), 100, "…").into_owned());
                }
            }
            Notice::Built { service, artifact, size } => {
                self.end("build");
                let name = service.to_string();
                self.line(&format!(
                    "  {} {name:<14} {} {}",
                    self.paint.good("✔"),
                    artifact.short(),
                    self.paint.dim(bytes(size))
                ));
            }
            Notice::Delivered { artifact, took } => {
                self.line(&format!(
                    "  {} {:<14} {} {}",
                    self.paint.good("✔"),
                    "deliver",
                    artifact.short(),
                    self.paint.dim(took)
                ));
            }
            Notice::Settled { generation, outcome } => {
                self.line(&format!("release {generation} had not finished: {outcome}"))
            }
            Notice::Warning(message) => eprintln!("{} {message}", self.paint.warn("warning:")),
            Notice::Event(event) => self.event(&event),
            Notice::Committed { environment, generation } => {
                self.line(&self.paint.bold(format!("release {generation} of {environment}")));
            }
            _ => {}
        }
    }
}

fn phase_text(phase: Phase) -> Option<&'static str> {
    Some(match phase {
        Phase::Preparing => "prepare",
        Phase::Switching => "switch",
        Phase::Baking => "bake",
        Phase::Retiring => "retire",
        Phase::Reverted => "reverted: the routes are back on the release before",
        Phase::Aborted => "aborted: nothing was switched",
        Phase::Failed => "failed: nothing was switched",
        Phase::Stuck => "stuck: a person is needed",
        Phase::Prepared | Phase::Baked | Phase::Applied => return None,
    })
}

/// A size for people.
pub(crate) fn bytes(size: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let size = size as f64;
    if size < 1024.0 * 1024.0 {
        format!("{:.1} KB", size / 1024.0)
    } else {
        format!("{:.1} MB", size / (1024.0 * 1024.0))
    }
}

/// A duration for people.
pub(crate) fn took(duration: Duration) -> String {
    Millis::from(duration).to_string()
}
