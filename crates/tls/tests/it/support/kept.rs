//! What an edge keeps in a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every file below a directory.
pub(crate) fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// The newest version of each document.
pub(crate) fn documents(storage: &Path) -> BTreeMap<PathBuf, serde_json::Value> {
    let mut versions = walk(storage);
    versions.sort();
    let newest = |path: PathBuf| {
        let content = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (path.parent().unwrap().to_owned(), content)
    };
    versions.into_iter().map(newest).collect()
}

/// What edges know together, where one certificate is wanted.
pub(crate) fn record(storage: &Path) -> serde_json::Value {
    let mut records = documents(storage).into_iter().filter(|(path, _)| !path.ends_with("account"));
    let (_, record) = records.next().unwrap();
    assert_eq!(records.next(), None);
    record
}
