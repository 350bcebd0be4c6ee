use std::fmt;

use serde::Serialize;

use crate::Place;

/// One reason why a contract cannot be read, with the place to mend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where the fault is written.
    pub place: Place,
    /// What sort of fault it is.
    pub kind: ProblemKind,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

/// The sorts of fault a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The entry file, or a file it refers to, could not be read.
    Unreadable,
    /// The text is neither YAML nor JSON.
    Syntax,
    /// The document is not OpenAPI 3.0 or 3.1.
    UnsupportedVersion,
    /// A required key is absent.
    Missing,
    /// A key that OpenAPI does not know at this place.
    UnknownKey,
    /// A value has the wrong shape: a list where a mapping is needed, and so on.
    WrongShape,
    /// A value has the right shape and cannot be accepted.
    InvalidValue,
    /// Something is written twice that may be written once.
    Duplicate,
    /// A path template and the declared path parameters disagree.
    PathParameter,
    /// A `$ref` leads nowhere, to something of the wrong kind, or round in a circle.
    BrokenReference,
    /// A `$ref` leads to another machine.
    RemoteReference,
    /// A security requirement names a scheme that is not declared.
    UnknownSecurityScheme,
    /// The document unfolds into more than can be reasoned about.
    TooLarge,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a contract, in the order of file and line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts, removes repetitions, and gives `None` when there is nothing to report.
    pub(crate) fn collect(mut list: Vec<Problem>) -> Option<Problems> {
        list.sort();
        list.dedup();
        if list.is_empty() { None } else { Some(Problems(list)) }
    }

    /// The problems, by file and line.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
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
