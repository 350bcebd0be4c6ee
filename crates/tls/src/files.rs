//! Certificates from files that somebody else keeps: read when they change.
//!
//! Their state is polled. Notifications would have to follow what tools do to such files (renames, symbolic links
//! of links as Kubernetes and certbot lay them, network file systems without events); asking every other second does,
//! for two `stat`s a certificate.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::pair::{Pair, PairError};

/// No certificate is larger; what is there instead is not read into memory.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// How files looked when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<FileStamp>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    identity: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// How they look now, following links.
    ///
    /// # Errors
    /// When one of them can't be looked at.
    pub fn of(files: &[&Path]) -> io::Result<Self> {
        let one = |path: &&Path| {
            std::fs::metadata(path).map(|m| FileStamp {
                identity: (m.dev(), m.ino()),
                size: m.size(),
                modified: (m.mtime(), m.mtime_nsec()),
                changed: (m.ctime(), m.ctime_nsec()),
            })
        };
        files.iter().map(one).collect::<io::Result<_>>().map(Self)
    }

    /// Whether a later write would certainly show. File systems keep times in steps; two writes within one look alike.
    pub fn settled(&self) -> bool {
        let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
        self.0.iter().all(|f| f.changed.0.saturating_add(2) < now)
    }
}

/// Why files give no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// A file could not be read.
    #[error("{} could not be read: {source}", path.display())]
    Read {
        path: PathBuf,
        /// Part of the text: these errors become lines of a status.
        source: io::Error,
    },
    /// Both were read and are no pair.
    #[error("{} (certificate) and {} (key): {}", chain.display(), key.display(), crate::problem::chain_of(source))]
    Pair { chain: PathBuf, key: PathBuf, source: PairError },
}

/// What looking at the files found.
#[derive(Debug)]
pub(crate) enum Look {
    /// They are as they were.
    Same,
    /// They hold this.
    Read(Pair, Option<Stamp>),
}

/// Looks at the files, and reads them unless they look as they did. A stamp of None reads in any case.
pub(crate) fn look(chain: &Path, key: &Path, seen: Option<&Stamp>) -> Result<Look, FilesError> {
    let now = Stamp::of(&[chain, key]);
    if let (Ok(now), Some(seen)) = (&now, seen)
        && now == seen
    {
        return Ok(Look::Same);
    }
    let read =
        |path: &Path| read_all(path).map_err(|source| FilesError::Read { path: path.to_owned(), source });
    let pair = Pair::from_pem(&read(chain)?, &read(key)?).map_err(|source| FilesError::Pair {
        chain: chain.to_owned(),
        key: key.to_owned(),
        source,
    })?;
    // The stamp was taken before the reading: what was written in between shows the next time.
    Ok(Look::Read(pair, now.ok().filter(Stamp::settled)))
}

pub(crate) fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut content)?;
    if read as u64 > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    Ok(content)
}
