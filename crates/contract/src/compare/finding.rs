use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Rule;
use crate::{OperationKey, Place};

/// What a difference means for those who use the contract as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Somebody who kept to the old contract fails against the new one.
    Breaking,
    /// The documents cannot tell. A person has to look.
    Unknown,
    /// Nobody who kept to the old contract notices.
    Compatible,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Breaking => "breaking",
            Verdict::Unknown => "unknown",
            Verdict::Compatible => "compatible",
        })
    }
}

/// One difference between two versions of a contract.
///
/// A schema that several operations use is one finding that lists them all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// What it means.
    pub verdict: Verdict,
    /// The rule that says so.
    pub rule: Rule,
    /// What is different, in words.
    pub message: String,
    /// The operations it touches and where in them; empty when it concerns the contract as a whole.
    pub affects: Vec<Affected>,
    /// Where the old contract says it; nothing for what is new.
    pub old: Option<Place>,
    /// Where the new contract says it; nothing for what is gone.
    pub new: Option<Place>,
}

/// A spot in an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Affected {
    /// The operation.
    pub operation: OperationKey,
    /// Where in it: `response 200 application/json items[].price`; empty for the operation itself.
    pub spot: String,
}

impl Finding {
    /// The first operation it touches.
    pub fn operation(&self) -> Option<&OperationKey> {
        self.affects.first().map(|a| &a.operation)
    }
}

impl fmt::Display for Finding {
    /// Several lines: the verdict, the rule and the message; then what is touched; then the places.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { verdict, rule, message, affects, old, new } = self;
        write!(f, "{verdict} [{rule}] {message}")?;
        for Affected { operation, spot } in affects {
            write!(f, "\n  in {operation}")?;
            if !spot.is_empty() {
                write!(f, ", {spot}")?;
            }
        }
        if let Some(place) = old {
            write!(f, "\n  old: {place}")?;
        }
        if let Some(place) = new {
            write!(f, "\n  new: {place}")?;
        }
        Ok(())
    }
}

/// How many findings there are of each verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Findings that break somebody.
    pub breaking: usize,
    /// Findings that nobody notices.
    pub compatible: usize,
    /// Findings that a person has to judge.
    pub unknown: usize,
}

impl Summary {
    /// Counts.
    pub fn of(findings: &[Finding]) -> Summary {
        let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
        Summary {
            breaking: count(Verdict::Breaking),
            compatible: count(Verdict::Compatible),
            unknown: count(Verdict::Unknown),
        }
    }

    /// The gravest verdict there is; nothing when there are no findings.
    pub fn worst(&self) -> Option<Verdict> {
        let Summary { breaking, compatible, unknown } = *self;
        [(breaking, Verdict::Breaking), (unknown, Verdict::Unknown), (compatible, Verdict::Compatible)]
            .into_iter()
            .find(|(count, _)| *count > 0)
            .map(|(_, verdict)| verdict)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { breaking, compatible, unknown } = self;
        write!(f, "{breaking} breaking, {unknown} unknown, {compatible} compatible")
    }
}

/// A finding without what it affects: verdict, rule, message, old place, new place.
type Difference = (Verdict, Rule, String, Option<Place>, Option<Place>);

/// Collects findings; the same difference seen from several operations becomes one.
#[derive(Default)]
pub(super) struct Ledger {
    findings: BTreeMap<Difference, BTreeSet<Affected>>,
    /// How often something was added, repetitions included.
    pub(super) count: usize,
}

impl Ledger {
    pub(super) fn add(
        &mut self,
        verdict: Verdict,
        rule: Rule,
        message: String,
        affected: Option<Affected>,
        old: Option<Place>,
        new: Option<Place>,
    ) {
        self.count += 1;
        self.findings.entry((verdict, rule, message, old, new)).or_default().extend(affected);
    }

    /// Breaking first, then unknown; within a verdict by operation.
    pub(super) fn finish(self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .findings
            .into_iter()
            .map(|((verdict, rule, message, old, new), affects)| Finding {
                verdict,
                rule,
                message,
                affects: affects.into_iter().collect(),
                old,
                new,
            })
            .collect();
        findings.sort_by(|a, b| {
            (a.verdict, &a.affects, a.rule, &a.message, a)
                .cmp(&(b.verdict, &b.affects, b.rule, &b.message, b))
        });
        findings
    }
}
