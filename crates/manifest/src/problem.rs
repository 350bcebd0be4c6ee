//! What is wrong with what people wrote: plain data with a place, ready for any renderer.

use crate::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing can be done with the manifest until this is mended.
    Error,
    /// It works, but probably not as its author thinks.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Path of the file, as the caller named it.
    pub file: String,
    /// Line, from 1; 0 when the problem is the whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 when the problem is the whole file.
    pub column: usize,
    /// Length of the offending text in characters, at least 1 when there is a line.
    pub length: usize,
    /// How bad it is.
    pub severity: Severity,
    /// Stable identifier of the rule, such as `unknown-key`.
    pub rule: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it, in one sentence without a full stop.
    pub help: Option<String>,
}

impl Problem {
    /// An error in this place.
    #[must_use]
    pub fn error(file: &str, span: Span, rule: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: span.line,
            column: span.column,
            // A mark of no width cannot be seen.
            length: if span.line > 0 { span.length.max(1) } else { 0 },
            severity: Severity::Error,
            rule: rule.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// A warning in this place.
    #[must_use]
    pub fn warning(file: &str, span: Span, rule: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, span, rule, message) }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same problem with advice, if there is any.
    #[must_use]
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The place of the problem.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { line: self.line, column: self.column, length: self.length }
    }

    /// The problem is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, length: _, severity, rule, message, help } = self;
        write!(f, "{file}:")?;
        if *line > 0 {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {severity}[{rule}]: {message}")?;
        if let Some(help) = help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// One or more problems of which at least one is an error, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Wraps a list; `None` when no problem in it is an error.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Option<Self> {
        sort(&mut problems);
        problems.iter().any(Problem::is_error).then_some(Self(problems))
    }

    /// One problem alone.
    #[must_use]
    pub fn one(problem: Problem) -> Self {
        Self(vec![Problem { severity: Severity::Error, ..problem }])
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// All of them, one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// All of them, by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Everything that [`crate::check`] has found, in the order of the places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Errors and warnings.
    pub problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self { problems }
    }

    /// At least one problem is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// The warnings alone.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_error())
    }

    /// The warnings when there are no errors, everything otherwise.
    ///
    /// # Errors
    /// All problems, when at least one is an error.
    pub fn into_result(self) -> Result<Vec<Problem>, Problems> {
        if self.has_errors() { Err(Problems(self.problems)) } else { Ok(self.problems) }
    }
}

/// By file, then by place. The manifest lies in the root, so it comes before what lies in directories.
fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by(|a, b| (a.file.contains('/'), a).cmp(&(b.file.contains('/'), b)));
    problems.dedup();
}
