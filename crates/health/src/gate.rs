//! Whether a new release does as well as the old one.
//!
//! All questions of the gate (errors, clients that gave up, slow answers) are about a part of the requests, and a part of few requests is
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        let more = f64::from(more_errors_permille) / 1_000.0;
        let mut unclear = Vec::new();
        let errors = "requests to the new release failed or were answered 5xx";
        // Who waits for an answer that does not come gives up, which is nobody's error in the counters.
        let given_up = "clients of the new release went away before an answer";
        let before = |count: fn(&Counts) -> u64| old.map_or(0.0, |old| part(count(old), old.requests));
        for (what, found, before) in [
            (errors, new.errors(), before(Counts::errors)),
            (given_up, new.given_up, before(|old| old.given_up)),
        ] {
            let of = new.requests;
            // With too few requests, they are held against as many as it takes: when that is too much already,
            // nothing that may come can make up for it.
            match compare(found, of.max(least), before + more) {
                Part::Within => {}
                Part::Unclear => unclear.push(format!("{found} of {of} {what}, {CHANCE}")),
                Part::Beyond => {
                    return Verdict::Fail(format!(
                        "{found} of {of} {what} ({}); with the old one it was {}, and {} more is allowed",
                        percent(part(found, of)),
                        percent(before),
                        percent(more)
                    ));
                }
            }
        }
        if new.requests < least {
            return Verdict::Hold(format!(
                "the new release had {} of the {least} requests that a comparison takes",
                new.requests
            ));
        }
        // Few answers among many requests have been judged above.
        let comparable = old.filter(|old| old.answers >= least && new.answers >= least);
        if let Some(before) = comparable.and_then(Counts::p99) {
            let limit = (before * f64::from(p99_percent) / 100.0).max(f64::from(p99_floor_ms));
            let (slow, of) = (new.slower_than(limit), new.answers);
            let what = format!("{slow} of {of} answers of the new release took longer than {limit} ms");
            match compare(slow, of, 0.01) {
                Part::Within => {}
                Part::Unclear => unclear.push(format!("{what}, {CHANCE}")),
                Part::Beyond => {
                    return Verdict::Fail(format!(
                        "{what} ({}); 99 of 100 of the old one took at most {before} ms",
                        percent(part(slow, of))
                    ));
                }
            }
        }
        if unclear.is_empty() { Verdict::Pass } else { Verdict::Hold(unclear.join("; ")) }
    }
}

/// Why a comparison holds.
const CHANCE: &str = "which is more than is allowed and may be chance";

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

/// A part in percent, with one digit behind the point.
fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
