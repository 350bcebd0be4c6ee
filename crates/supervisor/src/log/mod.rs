//! Log files that a process writes by itself and somebody else keeps small.
//!
//! A process holds its log file open and appends to it; nothing stands in between. So the file cannot be renamed
//! away from it, and it has to be shortened in place: the older part is copied to a file of its own, a **segment**,
//! and then cut off at the front. Where the file system can cut at the front (`FALLOC_FL_COLLAPSE_RANGE`: ext4, XFS)
//! no line is lost. Elsewhere the file is emptied after the copy, and what the process writes between the two calls,
//! a few microseconds, is lost; that is the price for a process that needs no pipe and survives its supervisor.
//!
//! A segment is named after the position of its first byte in everything the process has ever written:
//! `web.log.000000001048576`. So the position of every byte is known without a further file, and a reader that has
//! been away knows exactly where to go on. Rotation holds an exclusive lock on the log file, readers a shared one.

mod follow;
mod rotate;
mod segments;
mod tail;

pub use follow::{Follow, follow};
pub(crate) use rotate::Rotation;
pub use rotate::rotate;
pub use tail::{tail, tail_and_follow};

use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::PathBuf,
};

/// Where output goes and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// The file. Its directory is made if it is missing.
    pub path: PathBuf,
    /// Bytes after which the file is rotated.
    pub max_bytes: u64,
    /// How many rotated segments are kept, each of at most `max_bytes`; with 0 older output is dropped.
    pub keep: u32,
}

impl LogPolicy {
    /// Five files of 10 MiB at most.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 10 << 20, keep: 4 }
    }
}

/// Opens the file for a process to append to.
pub(crate) fn open(policy: &LogPolicy) -> io::Result<File> {
    if let Some(parent) = policy.path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().append(true).create(true).open(&policy.path)
}
