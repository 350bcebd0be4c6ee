//! Keeping a log within its limit.

use super::{
    LogPolicy,
    segments::{Locked, segment_path, segments},
};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
    time::Duration,
};

/// Rotates the log if it has grown beyond its limit; says whether it had.
///
/// # Errors
/// What the file system says. The log is complete then; a segment may hold a part of it twice.
pub fn rotate(policy: &LogPolicy) -> io::Result<bool> {
    match fs::metadata(&policy.path) {
        Ok(meta) if meta.len() > policy.max_bytes => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut options = File::options();
    options.write(true);
    let log = Locked::new(&policy.path, options, FlockOperation::LockExclusive)?;
    let (start, len) = (log.current().start, log.current().len);
    if len <= policy.max_bytes {
        return Ok(false);
    }
    // Only whole blocks can be cut off, and not the last one.
    let block = log.file.metadata()?.blksize().max(1);
    let whole = len.saturating_sub(1) / block * block;
    if whole > 0 {
        segment(policy, &log.file, start, whole)?;
        if fallocate(&log.file, FallocateFlags::COLLAPSE_RANGE, 0, whole).is_ok() {
            return prune(policy).map(|()| true);
        }
        // The segment was made for nothing; the one that follows replaces it.
        remove_segment(policy, start, whole)?;
    }
    let len = log.file.metadata()?.len();
    segment(policy, &log.file, start, len)?;
    log.file.set_len(0)?;
    prune(policy).map(|()| true)
}

/// How many of the first `len` bytes are kept in a segment.
fn kept(policy: &LogPolicy, len: u64) -> u64 {
    if policy.keep == 0 { 0 } else { len.min(policy.max_bytes) }
}

/// Copies the end of the first `len` bytes of `log` into a segment. With nothing to keep the segment is empty: it
/// says where the log goes on.
fn segment(policy: &LogPolicy, log: &File, start: u64, len: u64) -> io::Result<()> {
    let kept = kept(policy, len);
    let target = segment_path(&policy.path, start + len - kept);
    let mut unfinished = target.clone().into_os_string();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
    file.set_permissions(log.metadata()?.permissions())?;
    let mut buffer = vec![0; 64 << 10];
    let mut done = 0;
    while done < kept {
        let room = usize::try_from((kept - done).min(buffer.len() as u64)).unwrap_or(buffer.len());
        let read = log.read_at(&mut buffer[..room], len - kept + done)?;
        if read == 0 {
            break;
        }
        file.write_all_at(&buffer[..read], done)?;
        done += read as u64;
    }
    fs::rename(unfinished, target)
}

fn remove_segment(policy: &LogPolicy, start: u64, len: u64) -> io::Result<()> {
    fs::remove_file(segment_path(&policy.path, start + len - kept(policy, len)))
}

/// Removes the oldest segments beyond `keep`. One is always left, because it says where the log goes on.
fn prune(policy: &LogPolicy) -> io::Result<()> {
    let parts = segments(&policy.path)?;
    let excess = parts.len().saturating_sub(policy.keep.max(1) as usize);
    for part in &parts[..excess] {
        match fs::remove_file(&part.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Rotates a log as long as it lives. How often it looks depends on how fast the log grows: before the file could
/// have passed its limit by more than another half, and at least once a second.
#[derive(Debug)]
pub(crate) struct Rotation {
    task: tokio::task::JoinHandle<()>,
}

const SLOWEST: Duration = Duration::from_secs(1);
const FASTEST: Duration = Duration::from_millis(20);

impl Rotation {
    pub(crate) fn start(policy: LogPolicy) -> Self {
        Self { task: tokio::spawn(keep(policy)) }
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(policy: LogPolicy) {
    let mut size = 0;
    let mut pause = FASTEST;
    let mut complained = false;
    loop {
        let before = size;
        size = size_of(&policy);
        let grown = size.saturating_sub(before);
        if size > policy.max_bytes {
            let again = policy.clone();
            let done = tokio::task::spawn_blocking(move || rotate(&again)).await;
            match done.map_err(io::Error::other).and_then(|result| result) {
                Ok(_) => complained = false,
                Err(error) if !complained => {
                    tracing::warn!(log = %policy.path.display(), %error, "a log file could not be rotated; it keeps growing");
                    complained = true;
                }
                Err(_) => {}
            }
            size = size_of(&policy);
        }
        pause = next_pause(pause, grown, policy.max_bytes);
        tokio::time::sleep(pause).await;
    }
}

/// One `stat`: quicker than to ask another thread for it.
fn size_of(policy: &LogPolicy) -> u64 {
    fs::metadata(&policy.path).map_or(0, |meta| meta.len())
}

/// A log that grew by `grown` bytes in `pause` may grow by a quarter of its limit until the next look.
fn next_pause(pause: Duration, grown: u64, max_bytes: u64) -> Duration {
    let fitting = match grown {
        0 => pause * 2,
        grown => {
            let nanos = pause.as_nanos() * u128::from(max_bytes / 4 + 1) / u128::from(grown);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(pause * 2)
        }
    };
    fitting.clamp(FASTEST, SLOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_it_grows_the_sooner_it_looks() {
        for (pause, grown, expect) in [
            (20, 0, 40),
            (1_000, 0, 1_000),
            (1_000, 100, 1_000),
            (1_000, 1_000_000, 250),
            (1_000, 1_000_000_000, 20),
            (100, 1_000, 200),
        ] {
            let next = next_pause(Duration::from_millis(pause), grown, 1_000_000);
            assert_eq!(next.as_millis(), expect, "{pause} ms, {grown} bytes");
        }
    }
}
