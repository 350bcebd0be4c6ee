//! The last lines of a log.

use super::{Follow, segments::Locked};
use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

/// How much is read at a time, from the end.
const BLOCK: u64 = 16 << 10;
/// How much is read at most, whatever the lines look like.
const READ_AT_MOST: u64 = 8 << 20;
/// A longer line is shown by its beginning.
pub(super) const LINE_AT_MOST: usize = 8 << 10;

/// The last `lines` lines of the log at `path`, oldest first, across rotated segments. A last line without its end
/// counts. Reads from the end, 8 MiB at most; a line is cut after 8 KiB; bytes that are not UTF-8 become `�`.
///
/// # Errors
/// What the file system says. A log that does not exist has no lines and is no error.
pub fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    match Locked::shared(path) {
        Ok(log) => Ok(split(&end_of(&log, lines)?, lines)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The last `lines` complete lines, as [`tail`] gives them, and a reader that goes on exactly behind them: nothing is
/// lost or repeated between the two.
///
/// # Errors
/// As [`tail`].
pub fn tail_and_follow(path: &Path, lines: usize) -> io::Result<(Vec<String>, Follow)> {
    let log = match Locked::shared(path) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Vec::new(), Follow::at(path, 0, &[])));
        }
        Err(error) => return Err(error),
    };
    let end = end_of(&log, lines)?;
    let complete = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (complete, unfinished) = end.split_at(complete);
    Ok((split(complete, lines), Follow::at(path, log.current().end(), unfinished)))
}

/// The end of the log, with at least that many lines if there are so many.
fn end_of(log: &Locked, lines: usize) -> io::Result<Vec<u8>> {
    // Blocks in the order in which they are read: the last of the log first.
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut read = 0;
    let mut ends = 0;
    let mut below = u64::MAX;
    'parts: for (index, part) in log.parts.iter().enumerate().rev() {
        // A crash between copying and cutting leaves the same bytes in two places.
        let end = part.end().min(below);
        below = part.start.min(below);
        let opened;
        let file = if index + 1 == log.parts.len() {
            &log.file
        } else {
            opened = File::open(&part.path)?;
            &opened
        };
        let mut left = end.saturating_sub(part.start);
        while left > 0 {
            let size = left.min(BLOCK).min(READ_AT_MOST - read);
            if size == 0 {
                break 'parts;
            }
            left -= size;
            let mut block = vec![0; usize::try_from(size).unwrap_or(0)];
            file.read_exact_at(&mut block, left)?;
            read += size;
            ends += block.iter().filter(|byte| **byte == b'\n').count();
            blocks.push(block);
            // One more end than lines: the one before the first line, or the one at the very end.
            if ends > lines {
                break 'parts;
            }
        }
    }
    Ok(blocks.into_iter().rev().flatten().collect())
}

fn split(whole: &[u8], lines: usize) -> Vec<String> {
    if whole.is_empty() {
        return Vec::new();
    }
    let text = whole.strip_suffix(b"\n").unwrap_or(whole);
    let mut found: Vec<String> = text.rsplit(|byte| *byte == b'\n').take(lines).map(line).collect();
    found.reverse();
    found
}

/// A line for people: without a carriage return, and not endless.
pub(super) fn line(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() <= LINE_AT_MOST {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text = String::from_utf8_lossy(&bytes[..LINE_AT_MOST]).into_owned();
    text.push_str(&format!("… ({} bytes more)", bytes.len() - LINE_AT_MOST));
    text
}
