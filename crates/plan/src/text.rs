//! Small pieces of language that several parts need.

use fairway_model::Change;
use std::fmt::Display;

/// `1 instance`, `3 instances`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: Display>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

/// The first few items, and how many more there are.
pub(crate) fn some<T: Display>(items: &[T], at_most: usize) -> String {
    if items.len() <= at_most {
        return list(items);
    }
    let shown: Vec<String> = items[..at_most].iter().map(ToString::to_string).collect();
    format!("{} and {} more", shown.join(", "), items.len() - at_most)
}

/// A change as a clause: `artifact changed 1a2b… → 3c4d…`, `config LOG_LEVEL added`.
pub(crate) fn clause(change: &Change) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) if change.what == "artifact" => format!("artifact changed {from} → {to}"),
        (Some(_), Some(_)) | (None, None) => format!("{} changed", change.what),
        (None, Some(_)) => format!("{} added", change.what),
        (Some(_), None) => format!("{} removed", change.what),
    }
}
