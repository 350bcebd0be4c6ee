//! The file, with its rotation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use super::Limits;

/// So many bytes at a time are handed to the disk and, later, forgotten.
const STRIDE: u64 = 1 << 20;

/// So many bytes, the last ones, stay in memory for whoever follows the file.
const RECENT: u64 = 8 << 20;

/// The current file and what is known about it.
pub(super) struct LogFile {
    path: PathBuf,
    limits: Limits,
    open: Option<Open>,
}

struct Open {
    file: File,
    size: u64,
    /// Device and inode: whether the path still leads here.
    identity: (u64, u64),
    /// Whether the last line has no end.
    torn: bool,
    /// So many of its bytes were handed to the disk.
    handed: u64,
}

/// A batch that is not in the file as a whole.
pub(super) struct Failed {
    /// So many of its bytes are.
    pub(super) written: usize,
    pub(super) source: io::Error,
}

impl LogFile {
    pub(super) fn open(path: PathBuf, limits: Limits) -> io::Result<Self> {
        let mut this = Self { path, limits, open: None };
        this.reopen()?;
        // What is left of a time with more files.
        let mut number = limits.files.max(1);
        while fs::remove_file(this.numbered(number)).is_ok() {
            number += 1;
        }
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines, in as many files as they need.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        let outcome = self.append_counting(lines, &mut written);
        outcome.map_err(|source| Failed { written, source })
    }

    fn append_counting(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        self.follow_path()?;
        while *written < lines.len() {
            let rest = &lines[*written..];
            let open = self.open.as_mut().ok_or(ErrorKind::NotFound)?;
            let room = usize::try_from(self.limits.file.saturating_sub(open.size)).unwrap_or(usize::MAX);
            let fitting = if rest.len() <= room { rest.len() } else { last_end(&rest[..room]) };
            let piece = match (fitting, open.size) {
                // A line that is longer than a file has one of its own.
                (0, 0) => {
                    &rest[..rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1)]
                }
                (0, _) => {
                    self.rotate()?;
                    continue;
                }
                (fitting, _) => &rest[..fitting],
            };
            open.write(piece, written)?;
            open.settle();
        }
        Ok(())
    }

    /// Opens the file again when the path does not lead to it any more; takes its size from the system, since another
    /// process may have appended.
    fn follow_path(&mut self) -> io::Result<()> {
        match (fs::metadata(&self.path), &mut self.open) {
            (Ok(there), Some(open)) if open.identity == (there.dev(), there.ino()) => {
                open.size = there.len();
                Ok(())
            }
            _ => self.reopen(),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.open = None;
        // Clients' addresses are in it: for this user and, so that a collector may read, for the group.
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(&self.path)?;
        let about = file.metadata()?;
        let mut last = [b'\n'];
        if about.is_file() && about.len() > 0 {
            file.read_exact_at(&mut last, about.len() - 1)?;
        }
        let identity = (about.dev(), about.ino());
        let size = about.len();
        self.open = Some(Open { file, size, identity, torn: last != [b'\n'], handed: size });
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let oldest = self.limits.files.max(1) - 1;
        if oldest == 0 {
            fs::remove_file(&self.path)?;
        } else {
            for number in (1..oldest).rev() {
                match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(&self.path, self.numbered(1))?;
        }
        self.reopen()
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Open {
    /// Writes and counts, also when only a part could be written.
    fn write(&mut self, piece: &[u8], written: &mut usize) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.size += 1;
            self.torn = false;
        }
        let mut rest = piece;
        while !rest.is_empty() {
            let count = match self.file.write(rest) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other,
            }?;
            self.size += count as u64;
            *written += count;
            self.torn = rest[count - 1] != b'\n';
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Has the disk take what is new, and gives back the memory of what it took long ago: the next lines find it warm,
    /// and a busy log does not push the files of others out. Twice the same advice (posix_fadvise(2)): what is not on
    /// the disk yet is sent there, and what is there is forgotten.
    fn settle(&mut self) {
        while let Some((new, old)) = due(&mut self.handed, self.size) {
            for from in [Some(new), old].into_iter().flatten() {
                // Pipes have no memory to give back.
                let _ = fadvise(&self.file, from, NonZeroU64::new(STRIDE), Advice::DontNeed);
            }
        }
    }
}

/// Where the next stride begins that goes to the disk, and the one that is forgotten, of a file that has this size.
fn due(handed: &mut u64, size: u64) -> Option<(u64, Option<u64>)> {
    let new = *handed;
    (size.saturating_sub(new) >= STRIDE).then(|| {
        *handed += STRIDE;
        (new, new.checked_sub(RECENT))
    })
}

/// Where the last whole line ends; 0 when there is none.
fn last_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_stay_in_memory_and_the_rest_goes() {
        const MIB: u64 = 1 << 20;
        let mut handed = 0;
        assert_eq!(due(&mut handed, MIB - 1), None);
        let strides: Vec<_> = std::iter::from_fn(|| due(&mut handed, 10 * MIB + 1)).collect();
        let (new, old): (Vec<_>, Vec<_>) = strides.into_iter().unzip();
        assert_eq!(new, (0..10).map(|at| at * MIB).collect::<Vec<_>>());
        assert_eq!(old.into_iter().flatten().collect::<Vec<_>>(), [0, MIB]);
        assert_eq!(due(&mut handed, 0), None, "somebody has emptied it");
    }
}
