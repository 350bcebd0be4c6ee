//! Where accounts and certificates are kept: documents that change by new versions.
//!
//! A version is a number that is created if it is absent, and the last one counts. Whoever writes number 8 has read
//! number 7; whoever finds 8 taken reads it and decides again. That is the only way in which edges agree on anything.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

pub use fairway_store::Version;

/// How many versions of a document a directory keeps: more than anybody can have missed who read one and now writes
/// the next.
const KEPT: usize = 8;

/// Documents by name: parts of `a-z`, `0-9` and `-`, separated by `/`. What they hold includes private keys.
///
/// Edges that share one storage share accounts and certificates and answer each other's challenges. An
/// implementation that speaks to a network has deadlines of its own.
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// The newest version of a document; None when there is none.
    async fn newest(&self, name: &str) -> Result<Option<Version>, StorageError>;
    /// Writes the version that follows the newest one. False: somebody else has written it.
    async fn create(&self, name: &str, version: &Version) -> Result<bool, StorageError>;
    /// What this machine can tell of a document by itself; it may be behind the newest version.
    async fn at_hand(&self, name: &str) -> Result<Option<Version>, StorageError> {
        self.newest(name).await
    }
}

/// A document could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("{document} could not be {verb}")]
pub struct StorageError {
    /// Which, as its storage names it.
    pub document: String,
    /// `read` or `written`.
    pub verb: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A storage in a directory of this machine, readable for its owner only: a directory per document, a file per
/// version. The last few are kept.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Documents below this directory, which is made with the first of them.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Keeps a version, whatever there is already: this directory then is a copy of another storage.
    pub(crate) async fn put(&self, name: &str, version: &Version) -> Result<(), StorageError> {
        let version = version.clone();
        self.run(name, "written", move |folder| {
            write_private(&folder.join(file(version.number)), &version.content, true)?;
            for number in numbers(folder)?.into_iter().filter(|number| *number != version.number) {
                remove(&folder.join(file(number)))?;
            }
            Ok(())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        name: &str,
        verb: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let path = self.root.join(name);
        let done = tokio::task::spawn_blocking({
            let path = path.clone();
            move || work(&path)
        })
        .await
        .unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        done.map_err(|error| StorageError {
            document: path.display().to_string(),
            verb,
            source: error.into(),
        })
    }
}

#[async_trait]
impl Storage for Directory {
    async fn newest(&self, name: &str) -> Result<Option<Version>, StorageError> {
        self.run(name, "read", |folder| {
            loop {
                let Some(number) = numbers(folder)?.pop() else { return Ok(None) };
                match std::fs::read(folder.join(file(number))) {
                    Ok(content) => return Ok(Some(Version { number, content })),
                    // So many newer ones were written that this one was taken away.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        })
        .await
    }

    async fn create(&self, name: &str, version: &Version) -> Result<bool, StorageError> {
        let version = version.clone();
        self.run(name, "written", move |folder| {
            if numbers(folder)?.last().is_some_and(|newest| *newest >= version.number)
                || !write_private(&folder.join(file(version.number)), &version.content, false)?
            {
                return Ok(false);
            }
            let mut old = numbers(folder)?;
            old.truncate(old.len().saturating_sub(KEPT));
            for number in old {
                remove(&folder.join(file(number)))?;
            }
            Ok(true)
        })
        .await
    }
}

fn file(number: u64) -> String {
    format!("{number:08}.json")
}

/// The versions in a folder, in order.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
        // What is being written is not there yet.
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file that only its owner may read: into a temporary one beside it, to the disk, then renamed, so that a
/// crash leaves the old content or the new. Without `replace` a file that is there already stays, and the answer is
/// false.
pub(crate) fn write_private(path: &Path, content: &[u8], replace: bool) -> io::Result<bool> {
    let directory = path.parent().ok_or_else(|| io::Error::other("the path has no directory"))?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    let written = if replace {
        file.persist(path)?;
        true
    } else {
        match file.persist_noclobber(path) {
            Ok(_) => true,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error.error),
        }
    };
    // The rename itself must be on the disk too.
    std::fs::File::open(directory)?.sync_all()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64, content: &str) -> Version {
        Version { number, content: content.as_bytes().to_vec() }
    }

    #[tokio::test]
    async fn a_version_is_all_there_or_not_at_all_and_private() {
        let home = tempfile::tempdir().unwrap();
        let storage = Directory::new(home.path().join("deep/certificates"));
        assert_eq!(storage.newest("acme/a").await.unwrap(), None);
        assert!(storage.create("acme/a", &version(1, "one")).await.unwrap());
        assert!(!storage.create("acme/a", &version(1, "other")).await.unwrap());
        assert!(storage.create("acme/a", &version(2, "two")).await.unwrap());
        assert_eq!(storage.newest("acme/a").await.unwrap(), Some(version(2, "two")));
        let file = home.path().join("deep/certificates/acme/a/00000002.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let names: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 2, "temporary files stay behind: {names:?}");
    }

    #[tokio::test]
    async fn old_versions_go_and_their_numbers_stay_taken() {
        let home = tempfile::tempdir().unwrap();
        let storage = Directory::new(home.path());
        for number in 1..=20 {
            assert!(storage.create("a", &version(number, "x")).await.unwrap());
        }
        assert_eq!(numbers(&home.path().join("a")).unwrap(), (13..=20).collect::<Vec<_>>());
        assert!(!storage.create("a", &version(1, "late")).await.unwrap());
        assert!(!storage.create("a", &version(12, "late")).await.unwrap());
        // A copy has what it was given last, whatever was there.
        storage.put("a", &version(3, "copied")).await.unwrap();
        assert_eq!(storage.newest("a").await.unwrap(), Some(version(3, "copied")));
    }

    #[tokio::test]
    async fn an_error_names_the_document() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let storage = Directory::new(home.path().join("file"));
        let error = storage.create("a", &version(1, "")).await.unwrap_err();
        assert!(error.to_string().contains("file/a could not be written"), "{error}");
    }
}
