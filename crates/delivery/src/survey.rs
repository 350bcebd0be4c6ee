//! What a repository holds, for a first manifest.

use crate::Error;
use std::{collections::BTreeMap, path::Path};

/// The largest text that can tell anything about a project.
const LARGEST: u64 = 512 * 1024;
/// How many files are looked at; a first manifest needs no more.
const MOST: usize = 20_000;

/// Every file of a directory that git would track, by its path relative to it, with its text when the file is one that
/// projects and contracts are described by, and an empty text otherwise.
///
/// # Errors
/// When the directory cannot be read.
pub fn survey(directory: &Path) -> Result<BTreeMap<String, String>, Error> {
    let failed = |source: std::io::Error| Error::File { path: directory.to_owned(), source };
    std::fs::read_dir(directory).map_err(failed)?;
    let mut files = BTreeMap::new();
    let walk = ignore::WalkBuilder::new(directory).require_git(false).max_depth(Some(8)).build();
    for entry in
        walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())).take(MOST)
    {
        let Ok(relative) = entry.path().strip_prefix(directory) else { continue };
        let told = tells(entry.path()) && entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST);
        // A file that cannot be read or is not text says nothing, which is what an empty text means.
        let text =
            if told { std::fs::read_to_string(entry.path()).unwrap_or_default() } else { String::new() };
        files.insert(relative.to_string_lossy().into_owned(), text);
    }
    Ok(files)
}

fn tells(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension, "toml" | "mod" | "json" | "yaml" | "yml" | "go" | "py" | "cfg" | "txt")
        || name.contains("Dockerfile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_ignores_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("target")).unwrap();
        for (path, text) in [
            ("Cargo.toml", "[package]"),
            ("main.rs", "fn main() {}"),
            (".gitignore", "/target\n"),
            ("target/x.toml", "x"),
        ] {
            std::fs::write(directory.path().join(path), text).unwrap();
        }
        let files = survey(directory.path()).unwrap();
        assert_eq!(
            files.into_iter().collect::<Vec<_>>(),
            [("Cargo.toml".to_owned(), "[package]".to_owned()), ("main.rs".to_owned(), String::new())]
        );
    }
}
