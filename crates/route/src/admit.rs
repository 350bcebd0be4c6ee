//! Receivers refuse the past.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// Where a table stands in its environment's history; later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The release generation.
    pub generation: u64,
    /// The table's number within the generation.
    pub revision: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.revision)
    }
}

/// What a receiver does with a table that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is newer than what is served, or the first: take it.
    Newer,
    /// It is what is served already: answer as if it had just been taken.
    Same,
    /// It has the position of what is served and other content: two writers disagree. Refuse it.
    Contradicts(Position),
    /// It is older than what is served. Refuse it.
    Stale(Position),
}

/// Compares an arriving table with the one that is served.
pub fn admit(current: Option<&Table>, incoming: &Table) -> Admission {
    let Some(current) = current else { return Admission::Newer };
    let at = current.position();
    match incoming.position().cmp(&at) {
        std::cmp::Ordering::Greater => Admission::Newer,
        std::cmp::Ordering::Less => Admission::Stale(at),
        std::cmp::Ordering::Equal if current == incoming => Admission::Same,
        std::cmp::Ordering::Equal => Admission::Contradicts(at),
    }
}
