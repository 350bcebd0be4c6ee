//! Where things stand in the text.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A piece of text on one line. A piece that goes on over several lines is cut at the end of its first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Line, from 1; 0 for a whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 for a whole file.
    pub column: usize,
    /// Length in characters.
    pub length: usize,
}

impl Span {
    /// No place in particular: the whole file.
    pub const FILE: Self = Self { line: 0, column: 0, length: 0 };
}

/// The way from the root to a node: keys, and indices of lists as decimal numbers.
pub type Path = Vec<String>;

/// The places of one node: its key (where it has one) and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePlace {
    /// The key in the parent mapping; the value itself for items of a list and for the root.
    pub key: Span,
    /// The value.
    pub value: Span,
}

/// The place of every node of one file.
#[derive(Debug, Clone, Default)]
pub struct Places(pub(crate) BTreeMap<Path, NodePlace>);

impl Places {
    /// The place of the value at a path, or of the nearest node above it that was written.
    #[must_use]
    pub fn value(&self, path: &[&str]) -> Span {
        self.nearest(path).map_or(Span::FILE, |place| place.value)
    }

    /// The place of the key at a path, or of the nearest node above it that was written.
    #[must_use]
    pub fn key(&self, path: &[&str]) -> Span {
        self.nearest(path).map_or(Span::FILE, |place| place.key)
    }

    /// Something stands at exactly this path.
    #[must_use]
    pub fn contains(&self, path: &[&str]) -> bool {
        self.exact(path).is_some()
    }

    fn exact(&self, path: &[&str]) -> Option<&NodePlace> {
        let path: Path = path.iter().map(|&part| part.to_owned()).collect();
        self.0.get(&path)
    }

    fn nearest(&self, path: &[&str]) -> Option<NodePlace> {
        if let Some(place) = self.exact(path) {
            return Some(*place);
        }
        // What was not written is missing from its parent, and the parent's key is what people recognise.
        (0..path.len()).rev().find_map(|end| {
            let place = self.exact(&path[..end])?;
            if end == 0 { None } else { Some(NodePlace { key: place.key, value: place.key }) }
        })
    }
}
