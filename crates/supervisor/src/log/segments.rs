//! The parts of a log: segments, oldest first, and the file that is written now.

use rustix::fs::FlockOperation;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// One part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Position of its first byte in the whole log.
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Part {
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// The log with a lock on it: as long as this lives, nothing is rotated.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) file: File,
    /// The current file is the last one.
    pub(super) parts: Vec<Part>,
}

impl Locked {
    /// Waits for the lock and looks at what is there.
    pub(super) fn new(
        path: &Path,
        mut options: fs::OpenOptions,
        operation: FlockOperation,
    ) -> io::Result<Self> {
        let file = options.read(true).open(path)?;
        rustix::fs::flock(&file, operation)?;
        let mut parts = segments(path)?;
        let start = parts.last().map_or(0, Part::end);
        parts.push(Part { path: path.to_owned(), start, len: file.metadata()?.len() });
        Ok(Self { file, parts })
    }

    /// For reading, beside other readers.
    pub(super) fn shared(path: &Path) -> io::Result<Self> {
        Self::new(path, File::options(), FlockOperation::LockShared)
    }

    pub(super) fn current(&self) -> &Part {
        self.parts.last().expect("the current file is always there")
    }
}

/// The rotated segments of the log, oldest first.
pub(super) fn segments(path: &Path) -> io::Result<Vec<Part>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let prefix = format!("{name}.");
    let mut parts = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let start = entry.file_name().to_str().and_then(|name| name.strip_prefix(&prefix)).and_then(position);
        if let Some(start) = start {
            // It may have been removed meanwhile by somebody who clears the directory.
            if let Ok(meta) = entry.metadata() {
                parts.push(Part { path: entry.path(), start, len: meta.len() });
            }
        }
    }
    parts.sort_by_key(|part| part.start);
    Ok(parts)
}

/// The name of the segment that starts at this position.
pub(super) fn segment_path(path: &Path, start: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{start:0DIGITS$}"));
    name.into()
}

const DIGITS: usize = 15;

fn position(suffix: &str) -> Option<u64> {
    (suffix.len() >= DIGITS && suffix.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| suffix.parse().ok())?
}
