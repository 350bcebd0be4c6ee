//! The lines of a log as they are written.

use super::{
    segments::Locked,
    tail::{LINE_AT_MOST, line},
};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// How often it looks while lines come, and while none come. Looking is one `stat`.
const LIVELY: Duration = Duration::from_millis(50);
const QUIET: Duration = Duration::from_millis(400);
/// How much is read at a time.
const READ: u64 = 256 << 10;

/// Follows the log at `path` from its present end. The log need not exist yet.
#[must_use]
pub fn follow(path: &Path) -> Follow {
    Follow::at(path, Locked::shared(path).map_or(0, |log| log.current().end()), &[])
}

/// A reader that follows a log across rotation and truncation, without losing or repeating a line. Lines that were
/// rotated away entirely while nobody asked are left out.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    /// Position in the whole log, of what is read next.
    position: u64,
    /// What the file looked like when it was read to its end.
    seen: Option<Look>,
    pause: Duration,
    /// The beginning of a line whose end has not been written yet.
    partial: Vec<u8>,
    ready: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

impl Follow {
    /// A reader that goes on at this position, with the beginning of a line already read.
    pub(super) fn at(path: &Path, position: u64, unfinished: &[u8]) -> Self {
        let mut follow = Self {
            path: path.to_owned(),
            position,
            seen: None,
            pause: LIVELY,
            partial: Vec::new(),
            ready: VecDeque::new(),
        };
        follow.keep(unfinished);
        follow
    }

    /// The next line. Waits until there is one; dropping the future loses nothing.
    ///
    /// # Errors
    /// What the file system says, apart from a log that does not exist yet.
    pub async fn next(&mut self) -> io::Result<String> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                self.pause = LIVELY;
                return Ok(line);
            }
            if self.changed()? && self.read()? {
                continue;
            }
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(QUIET);
        }
    }

    fn changed(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(meta) => Ok(self.seen != Some(look(&meta))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there, up to a limit; says whether there was anything.
    fn read(&mut self) -> io::Result<bool> {
        let log = match Locked::shared(&self.path) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let meta = log.file.metadata()?;
        let (start, end) = (log.current().start, log.current().start + meta.len());
        if self.position > end {
            // Somebody has emptied the file by hand; what is in it now is new.
            self.position = start;
            self.partial.clear();
        }
        let mut budget = READ;
        for (index, part) in log.parts.iter().enumerate() {
            let last = index + 1 == log.parts.len();
            let part_end = if last { end } else { part.end() };
            if part_end <= self.position {
                continue;
            }
            if part.start > self.position {
                self.position = part.start;
                self.partial.clear();
            }
            let size = (part_end - self.position).min(budget);
            if size == 0 {
                break;
            }
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            let offset = self.position - part.start;
            if last {
                log.file.read_exact_at(&mut bytes, offset)?;
            } else {
                File::open(&part.path)?.read_exact_at(&mut bytes, offset)?;
            }
            self.position += size;
            budget -= size;
            self.split(&bytes);
        }
        self.seen = (self.position == end).then(|| look(&meta));
        Ok(budget < READ)
    }

    fn split(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            if self.partial.is_empty() {
                self.ready.push_back(line(head));
            } else {
                self.keep(head);
                let whole = std::mem::take(&mut self.partial);
                self.ready.push_back(line(&whole));
            }
        }
        self.keep(rest);
    }

    /// Adds to the unfinished line. Of an endless one only the beginning is kept, and one byte that says so.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (LINE_AT_MOST + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn look(meta: &fs::Metadata) -> Look {
    Look { inode: meta.ino(), len: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) }
}
