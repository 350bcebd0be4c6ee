//! A plan in words: lines without colours, which each mouth renders in its own way.

use crate::text::count;
use fairway_model::{Change, Gate, Plan, Release, Reversibility, ServiceChange, Step, Verdict, VerdictLevel};
use std::fmt;

/// A plan in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanText {
    /// Lines in order.
    pub lines: Vec<Line>,
    /// The last line alone: `2 services change, 4 are not touched; 7 steps; nothing is one-way`.
    pub summary: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says, which decides its colour.
    pub kind: LineKind,
    /// How deep it stands, from 0.
    pub indent: usize,
    /// The text, without marker and indentation, without line breaks.
    pub text: String,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    /// The title of what follows.
    Heading,
    /// Something is new.
    Add,
    /// Something differs.
    Change,
    /// Something goes away.
    Remove,
    /// Something is not as it should be and is put right.
    Repair,
    /// A step that can be taken back.
    Step,
    /// A step that cannot, or perhaps cannot, be taken back.
    OneWay,
    /// A verdict for information.
    Note,
    /// A verdict to look at.
    Warn,
    /// A verdict that refuses the plan.
    Refuse,
    /// The summary.
    Summary,
    /// An empty line.
    Blank,
}

impl LineKind {
    /// The character in front of the line, for mouths without colours; a space where there is none.
    #[must_use]
    pub fn marker(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Remove => '-',
            Self::Repair | Self::OneWay | Self::Warn | Self::Refuse => '!',
            Self::Heading | Self::Step | Self::Note | Self::Summary | Self::Blank => ' ',
        }
    }
}

impl fmt::Display for Line {
    /// Indentation, marker and text: `  ~ config LOG_LEVEL  info → debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, indent, text } = self;
        match kind.marker() {
            _ if *kind == LineKind::Blank => Ok(()),
            // Lines that stand among marked ones keep the marker's room.
            ' ' if !matches!(kind, LineKind::Step | LineKind::Note) => {
                write!(f, "{:width$}{text}", "", width = indent * 2)
            }
            marker => write!(f, "{:width$}{marker} {text}", "", width = indent * 2),
        }
    }
}

impl fmt::Display for PlanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl PlanText {
    /// The lines as a fenced block that Markdown renderers colour as a difference: the marker comes first, `~` as `!`.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        // Longer than any run of backticks inside, so that a config value cannot end the block.
        let longest = self.lines.iter().map(|line| longest_run(&line.text)).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let mut text = format!("{fence}diff\n");
        for Line { kind, indent, text: words } in &self.lines {
            let marker = match kind.marker() {
                '~' => '!',
                marker => marker,
            };
            let line = format!("{marker} {:width$}{words}", "", width = indent * 2);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push_str(&fence);
        text.push('\n');
        text
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A plan in words. `child` is the release that the plan brings: it tells how many services are not touched.
#[must_use]
pub fn describe(plan: &Plan, child: &Release) -> PlanText {
    let mut writer = Writer { lines: Vec::new() };
    let summary = summary(plan, child);
    writer.line(LineKind::Heading, 0, title(plan));
    for (name, change) in &plan.services {
        writer.service(name.as_str(), change);
    }
    if !plan.environment_changes.is_empty() {
        writer.section("environment");
        writer.changes(&plan.environment_changes);
    }
    if !plan.steps.is_empty() {
        writer.section("steps");
        writer.steps(&plan.steps);
    }
    if !plan.verdicts.is_empty() {
        writer.section("verdicts");
        let mut verdicts: Vec<&Verdict> = plan.verdicts.iter().collect();
        verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.level));
        for verdict in verdicts {
            writer.verdict(verdict);
        }
    }
    writer.line(LineKind::Blank, 0, String::new());
    writer.line(LineKind::Summary, 0, summary.clone());
    PlanText { lines: writer.lines, summary }
}

fn title(plan: &Plan) -> String {
    let Plan { environment, base, child, generation, .. } = plan;
    match &base.serving {
        _ if plan.is_empty() => format!("{environment}: nothing to do"),
        Some((serving, release)) => format!(
            "{environment}: generation {serving} (release {}) → {generation} (release {})",
            release.short(),
            child.short()
        ),
        None => {
            format!("{environment}: nothing serves → generation {generation} (release {})", child.short())
        }
    }
}

struct Writer {
    lines: Vec<Line>,
}

impl Writer {
    fn line(&mut self, kind: LineKind, indent: usize, text: String) {
        self.lines.push(Line { kind, indent, text });
    }

    fn section(&mut self, title: &str) {
        self.line(LineKind::Blank, 0, String::new());
        self.line(LineKind::Heading, 0, title.to_owned());
    }

    fn service(&mut self, name: &str, change: &ServiceChange) {
        self.line(LineKind::Blank, 0, String::new());
        match change {
            ServiceChange::Add { changes } => {
                self.line(LineKind::Add, 0, format!("{name} is new"));
                self.changes(changes);
            }
            ServiceChange::Update { changes } => {
                self.line(LineKind::Change, 0, format!("{name} changes"));
                self.changes(changes);
            }
            ServiceChange::Remove => self.line(LineKind::Remove, 0, format!("{name} is removed")),
            ServiceChange::Repair { observed } => {
                self.line(LineKind::Repair, 0, format!("{name} is repaired: {}", shown(observed)));
            }
        }
    }

    fn changes(&mut self, changes: &[Change]) {
        let width = changes.iter().map(|change| change.what.chars().count()).max().unwrap_or(0);
        for Change { what, from, to } in changes {
            let (kind, values) = match (from, to) {
                (Some(from), Some(to)) => (LineKind::Change, format!("{} → {}", shown(from), shown(to))),
                (None, Some(to)) => (LineKind::Add, shown(to)),
                (Some(from), None) => (LineKind::Remove, shown(from)),
                (None, None) => (LineKind::Change, String::new()),
            };
            self.line(kind, 1, format!("{what:width$}  {values}").trim_end().to_owned());
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        let verbs = steps.iter().map(|step| step.kind.verb().len()).max().unwrap_or(0);
        let names = steps.iter().filter_map(|step| step.service.as_ref());
        let names = names.map(|name| name.as_str().len()).max().unwrap_or(0);
        for (number, Step { kind, service, reason, reversibility }) in steps.iter().enumerate() {
            let number = number + 1;
            let digits = steps.len().to_string().len();
            let service = service.as_ref().map_or("", |service| service.as_str());
            let verb = kind.verb();
            let reason = shown(reason);
            let text = format!("{number:digits$}  {verb:verbs$}  {service:names$}  {reason}");
            match reversibility {
                Reversibility::Reversible => self.line(LineKind::Step, 1, text),
                Reversibility::OneWay { why } => {
                    self.line(LineKind::OneWay, 1, format!("{text} [one-way: {}]", shown(why)));
                }
                Reversibility::Unknown { why } => {
                    self.line(LineKind::OneWay, 1, format!("{text} [perhaps one-way: {}]", shown(why)));
                }
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let Verdict { level, gate, service, message } = verdict;
        let (kind, word) = match level {
            VerdictLevel::Note => (LineKind::Note, "note"),
            VerdictLevel::Warn => (LineKind::Warn, "look"),
            VerdictLevel::Refuse => (LineKind::Refuse, "refused"),
        };
        let gate = match gate {
            Gate::Contract => "contract",
            Gate::Migration => "migration",
            Gate::Observation => "observation",
            Gate::Revert => "revert",
            Gate::Capacity => "capacity",
        };
        let about = service.as_ref().map_or_else(String::new, |service| format!(" of {service}"));
        self.line(kind, 1, format!("{word}, {gate}{about}: {}", shown(message)));
    }
}

/// A value on one line: as it is, or quoted where it would not read as one.
fn shown(value: &str) -> String {
    let plain = !value.is_empty() && value.trim() == value && !value.chars().any(char::is_control);
    if plain { value.to_owned() } else { format!("{value:?}") }
}

fn summary(plan: &Plan, child: &Release) -> String {
    let of =
        |which: fn(&ServiceChange) -> bool| plan.services.values().filter(|change| which(change)).count();
    let kinds = [
        (of(|change| matches!(change, ServiceChange::Add { .. })), "is new", "are new"),
        (of(|change| matches!(change, ServiceChange::Update { .. })), "changes", "change"),
        (of(|change| matches!(change, ServiceChange::Repair { .. })), "is repaired", "are repaired"),
        (of(|change| matches!(change, ServiceChange::Remove)), "is removed", "are removed"),
        (
            child.services.keys().filter(|name| !plan.services.contains_key(*name)).count(),
            "is not touched",
            "are not touched",
        ),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (number, one, many) in kinds.into_iter().filter(|(number, ..)| *number > 0) {
        // The noun stands once, with the first number.
        let noun = match (parts.is_empty(), number) {
            (false, _) => "",
            (true, 1) => "service ",
            (true, _) => "services ",
        };
        parts.push(format!("{number} {noun}{}", if number == 1 { one } else { many }));
    }
    let services = if parts.is_empty() { "no services".to_owned() } else { parts.join(", ") };
    let mut text = if plan.is_empty() {
        format!("nothing to do; {services}")
    } else {
        format!("{services}; {}; {}", count(plan.steps.len(), "step"), reversibility(plan))
    };
    match plan.refusals().count() {
        0 => {}
        number => text.push_str(&format!("; refused for {}", count(number, "reason"))),
    }
    text
}

fn reversibility(plan: &Plan) -> String {
    let of = |which: fn(&Reversibility) -> bool| {
        plan.steps.iter().filter(|step| which(&step.reversibility)).count()
    };
    let one_way = of(|reversibility| matches!(reversibility, Reversibility::OneWay { .. }));
    let unknown = of(|reversibility| matches!(reversibility, Reversibility::Unknown { .. }));
    match (one_way, unknown) {
        (0, 0) => "nothing is one-way".to_owned(),
        (0, unknown) => format!("{unknown} perhaps one-way"),
        (one_way, 0) => format!("{one_way} one-way"),
        (one_way, unknown) => format!("{one_way} one-way, {unknown} perhaps"),
    }
}
