//! A plan in colours.

use super::Paint;
use fairway_model::{Plan, Release};
use fairway_plan::LineKind;

/// The plan as lines for standard output.
pub(crate) fn lines(plan: &Plan, child: &Release, paint: Paint) -> Vec<String> {
    let text = fairway_plan::describe(plan, child);
    let colour = |line: &fairway_plan::Line| {
        let plain = line.to_string();
        match line.kind {
            LineKind::Heading | LineKind::Summary => paint.bold(plain),
            LineKind::Add => paint.good(plain),
            LineKind::Change | LineKind::Repair | LineKind::OneWay | LineKind::Warn => paint.warn(plain),
            LineKind::Remove | LineKind::Refuse => paint.bad(plain),
            LineKind::Note => paint.dim(plain),
            LineKind::Step | LineKind::Blank => plain,
        }
    };
    text.lines.iter().map(colour).collect()
}
