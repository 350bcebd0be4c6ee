//! Files: pictures that were uploaded, reports, exports. Kept in a directory, served under `/assets/media`.
//!
//! Several instances need a directory that they share. Names are made here (ids and a known ending), never taken
//! from a client, so that no name can lead out of the directory.

pub mod covers;
pub mod http;
pub mod kind;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use crate::settings::MediaSettings;

/// The directory and the address of what is in it.
#[derive(Debug)]
pub struct Media {
    directory: PathBuf,
    base_url: String,
}

impl Media {
    /// Files as configured. The directory is made when the first file is written.
    pub fn new(settings: MediaSettings) -> Self {
        let MediaSettings { directory, base_url } = settings;
        Self { directory, base_url }
    }

    /// The address of a file, e.g. `http://localhost:8080/assets/media/product-requests/….png`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url)
    }

    /// Writes a file: whole or not at all, whoever reads meanwhile.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub async fn write(&self, path: &str, content: Bytes) -> io::Result<()> {
        let to = self.directory.join(path);
        blocking(move || {
            let temporary = beside(&to)?;
            std::fs::write(&temporary, &content)?;
            std::fs::rename(&temporary, &to)
        })
        .await
    }

    /// A new file to write to; it is in its place when [`Media::keep`] has been called with both paths.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub async fn begin(&self, path: &str) -> io::Result<(std::fs::File, PathBuf)> {
        let to = self.directory.join(path);
        blocking(move || {
            let temporary = beside(&to)?;
            Ok((std::fs::File::create(&temporary)?, temporary))
        })
        .await
    }

    /// Puts a file that was begun in its place.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub async fn keep(&self, temporary: PathBuf, path: &str) -> io::Result<()> {
        let to = self.directory.join(path);
        blocking(move || std::fs::rename(temporary, to)).await
    }

    /// A file's content; nothing when there is no such file.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub async fn read(&self, path: &str) -> io::Result<Option<Bytes>> {
        let from = self.directory.join(path);
        blocking(move || match std::fs::read(&from) {
            Ok(content) => Ok(Some(Bytes::from(content))),
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                Ok(None)
            }
            Err(error) => Err(error),
        })
        .await
    }
}

/// A name that nobody else has, next to where a file will be.
fn beside(to: &Path) -> io::Result<PathBuf> {
    let directory = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    Ok(directory.join(format!(".{}", Uuid::new_v4().simple())))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A name that is only a name: letters, digits, `-`, `_` and dots that do not begin it.
pub fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 200 && !text.starts_with('.') && text.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a.png", "22222222-2222-2222-2222-222222222222.svg", "v3"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "a%2fb", "a b", "ä", "a\0", &"a".repeat(201)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
