//! Whether a new release does as well as the old one.
//!
//! Both questions of the gate, errors and slow answers, are about a part of the requests, and a part of few requests is
//! mostly chance. So the gate passes when the part is within the limit, fails when it is beyond the limit by more than
//! chance explains (three standard deviations, because a gate is asked again and again), and holds in between: more
//! requests will tell.

use fairway_model::traffic::GateLimits;

use crate::counts::Counts;

/// A gate with its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// The limits.
    pub limits: GateLimits,
}

/// How many standard deviations are taken for chance.
const DEVIATIONS: f64 = 3.0;

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The new release does as well as the old one.
    Pass,
    /// It cannot be said yet; the sentence says why. More requests will tell.
    Hold(String),
    /// It does worse; the sentence says how.
    Fail(String),
}

/// How a part of the requests compares with what is allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Within,
    Unclear,
    Beyond,
}

impl Gate {
    /// A gate with these limits.
    #[must_use]
    pub fn new(limits: GateLimits) -> Self {
        Self { limits }
    }

    /// Compares the releases by what they did in the same time. Without an old one, the new one is held to the limits
    /// as if the old one had made no errors, and its latency is not compared.
    #[must_use]
    pub fn judge(&self, old: Option<&Counts>, new: &Counts) -> Verdict {
        let GateLimits { requests: least, more_errors_permille, p99_percent, p99_floor_ms } = self.limits;
        let least = least.max(1);
        if let Some(old) = old.filter(|old| old.requests < least) {
            return Verdict::Hold(format!(
                "the old release had {} of the {least} requests that a comparison takes",
                old.requests
            ));
        }
        let before = old.map_or(0.0, |old| part(old.errors(), old.requests));
        let allowed = before + f64::from(more_errors_permille) / 1_000.0;
        let enough = new.requests >= least;
        // With too few requests, the errors are held against as many as it takes: when that is too much already,
        // nothing that may come can make up for it.
        let errors = compare(new.errors(), new.requests.max(least), allowed);
        if errors == Part::Beyond {
            return Verdict::Fail(format!(
                "{} of {} requests to the new release failed or were answered 5xx ({}), {} of the old one, and {} more is allowed",
                new.errors(),
                new.requests,
                percent(part(new.errors(), new.requests)),
                percent(before),
                percent(f64::from(more_errors_permille) / 1_000.0)
            ));
        }
        if !enough {
            return Verdict::Hold(format!(
                "the new release had {} of the {least} requests that a comparison takes",
                new.requests
            ));
        }
        let mut unclear = Vec::new();
        if errors == Part::Unclear {
            unclear.push(format!(
                "{} of {} requests failed or were answered 5xx, which is more than is allowed and may be chance",
                new.errors(),
                new.requests
            ));
        }
        // Few answers among many requests are errors, which have been judged.
        let old = old.filter(|old| old.answers >= least && new.answers >= least);
        if let Some(before) = old.and_then(Counts::p99) {
            let limit = (before * f64::from(p99_percent) / 100.0).max(millis(p99_floor_ms));
            let slow = new.slower_than(limit);
            match compare(slow, new.answers, 0.01) {
                Part::Within => {}
                Part::Unclear => unclear.push(format!(
                    "{slow} of {} answers took longer than {limit} ms, which is more than one in a hundred and may be chance",
                    new.answers
                )),
                Part::Beyond => {
                    return Verdict::Fail(format!(
                        "{slow} of {} answers of the new release ({}) took longer than {limit} ms; 99 of 100 of the old one took at most {before} ms",
                        new.answers,
                        percent(part(slow, new.answers))
                    ));
                }
            }
        }
        if unclear.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Hold(format!("the new release: {}", unclear.join("; ")))
        }
    }
}

/// Whether `count` of `of` is within the allowed part, or beyond it by more than chance explains.
fn compare(count: u64, of: u64, allowed: f64) -> Part {
    let allowed = allowed.clamp(0.0, 1.0);
    let found = part(count, of);
    if found <= allowed {
        return Part::Within;
    }
    let deviation = (allowed * (1.0 - allowed) / float(of.max(1))).sqrt();
    if found > allowed + DEVIATIONS * deviation { Part::Beyond } else { Part::Unclear }
}

fn part(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { float(count) / float(of) }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

fn millis(ms: u32) -> f64 {
    f64::from(ms)
}

/// A part in percent, with one digit behind the point.
fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
