//! Where accounts and issued certificates are kept.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

/// Small documents by name. Names are `/`-separated and consist of letters, digits, `.`, `_` and `-`.
///
/// What is kept holds private keys: nobody but the edges may read it. Several edges that share one storage share
/// accounts and certificates, answer each other's challenges, and leave orders to whoever created the lease first.
/// Readers see a document either before or after a write. An implementation that speaks to a network has deadlines of
/// its own: applying certificates waits for what is kept.
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// The document, None when there is none.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError>;
    /// Puts a document where there is none. False: there is one, and it stays.
    async fn create(&self, name: &str, content: &[u8]) -> Result<bool, StorageError>;
    /// Puts a document in the place of the one that is there, all of it or nothing.
    async fn write(&self, name: &str, content: &[u8]) -> Result<(), StorageError>;
    /// Removes a document. It is no error when there is none.
    async fn remove(&self, name: &str) -> Result<(), StorageError>;
}

/// A document could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("{document} could not be {verb}")]
pub struct StorageError {
    /// Which, as its storage names it.
    pub document: String,
    /// `read`, `written` or `removed`.
    pub verb: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A storage in a directory of this machine: one file per document, readable for its owner only.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Documents below this directory, which is made with the first of them.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.run(name, "read", |path| match std::fs::read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn create(&self, name: &str, content: &[u8]) -> Result<bool, StorageError> {
        let content = content.to_owned();
        self.run(name, "written", move |path| write_private(path, &content, false)).await
    }

    async fn write(&self, name: &str, content: &[u8]) -> Result<(), StorageError> {
        let content = content.to_owned();
        self.run(name, "written", move |path| write_private(path, &content, true)).await.map(drop)
    }

    async fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.run(name, "removed", |path| match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
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

    #[tokio::test]
    async fn a_document_is_all_there_or_not_at_all_and_private() {
        let home = tempfile::tempdir().unwrap();
        let storage = Directory::new(home.path().join("deep/certificates"));
        assert_eq!(storage.read("acme/a.json").await.unwrap(), None);
        storage.remove("acme/a.json").await.unwrap();
        assert!(storage.create("acme/a.json", b"one").await.unwrap());
        assert!(!storage.create("acme/a.json", b"other").await.unwrap());
        assert_eq!(storage.read("acme/a.json").await.unwrap().unwrap(), b"one");
        storage.write("acme/a.json", b"two").await.unwrap();
        assert_eq!(storage.read("acme/a.json").await.unwrap().unwrap(), b"two");
        let file = home.path().join("deep/certificates/acme/a.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let names: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "temporary files stay behind: {names:?}");
        storage.remove("acme/a.json").await.unwrap();
        assert_eq!(storage.read("acme/a.json").await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_error_names_the_file() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let storage = Directory::new(home.path().join("file"));
        let error = storage.write("a.json", b"").await.unwrap_err();
        assert!(error.to_string().contains("file/a.json could not be written"), "{error}");
    }
}
