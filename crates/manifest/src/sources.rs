//! The files that the manifest speaks of, as the caller has read them.

use crate::contracts;
use std::collections::BTreeMap;

/// Files of the repository by their path relative to its root, with `/` between the parts: the texts of
/// `config/**` and of the contracts, and the names of what lies in migration directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<String, Option<String>>,
    pub(crate) contracts: contracts::Memo,
}

impl Sources {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the text of a file.
    pub fn insert(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.files.insert(normal(&path.into()), Some(text.into()));
        self.contracts = contracts::Memo::default();
    }

    /// Adds the name of a file whose text does not matter, such as a migration.
    pub fn note(&mut self, path: impl Into<String>) {
        self.files.entry(normal(&path.into())).or_default();
    }

    /// The text of a file, if it was given.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(&normal(path))?.as_deref()
    }

    /// The file exists, with or without a text.
    #[must_use]
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains_key(&normal(path))
    }

    /// Some file lies in this directory or below it.
    #[must_use]
    pub fn has_directory(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    /// The paths of the files in this directory and below it.
    pub fn below(&self, path: &str) -> impl Iterator<Item = &str> {
        let directory = normal(path);
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        self.files
            .range::<String, _>(prefix.clone()..)
            .map(|(path, _)| path.as_str())
            .take_while(move |path| path.starts_with(&prefix))
    }

    /// The paths of all files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

impl<P: Into<String>, T: Into<String>> FromIterator<(P, T)> for Sources {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Self {
        let mut sources = Self::new();
        for (path, text) in files {
            sources.insert(path, text);
        }
        sources
    }
}

/// The path without `.` parts, doubled slashes and a slash at the end; `..` takes back the part before it.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Two paths one after the other.
pub(crate) fn join(directory: &str, path: &str) -> String {
    normal(&format!("{directory}/{path}"))
}

/// What a path must not do to stay inside the repository; `None` when it stays.
pub(crate) fn escape(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        Some("it is empty")
    } else if path.starts_with('/') {
        Some("it is absolute; write it relative to the root of the repository")
    } else if path.contains('\\') {
        Some("it has a backslash; write `/` between its parts")
    } else if normal(path).split('/').next() == Some("..") {
        Some("it leaves the repository")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normal() {
        for (path, expect) in [
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            (".", ""),
            ("../a", "../a"),
            ("a/b/../../c", "c"),
        ] {
            assert_eq!(normal(path), expect, "{path}");
        }
    }

    #[test]
    fn directories_are_what_files_lie_in() {
        let mut sources = Sources::from_iter([("a/b.yaml", "text")]);
        sources.note("a-b/c");
        assert!(sources.has_directory("a") && sources.has_directory("./a/") && sources.has_directory("a-b"));
        assert!(!sources.has_directory("a/b.yaml") && !sources.has_directory("a-"));
        assert_eq!(sources.below("a").collect::<Vec<_>>(), ["a/b.yaml"]);
        assert_eq!((sources.text("a-b/c"), sources.has_file("a-b/c")), (None, true));
    }

    #[test]
    fn what_leaves_the_repository_is_named() {
        for bad in ["", "/etc", "..", "a/../../b", "a\\b"] {
            assert!(escape(bad).is_some(), "{bad}");
        }
        for good in ["a/../b", ".", "..a/b"] {
            assert_eq!(escape(good), None, "{good}");
        }
    }
}
