//! The access log: one JSON line for each exchange, written beside the traffic and never in its way.
//!
//! # Design
//!
//! * **A worker formats, a thread writes.** [`AccessLog::record`] formats the line into a buffer that belongs to the
//!   calling thread's lane and returns. One thread swaps full buffers for empty ones and appends them to the file, a
//!   batch with one call. Nothing is allocated for a line, and buffers go round.
//! * **Nothing waits for the disk.** A lane takes [`Limits::pending`] bytes. When the disk is slower than that lasts,
//!   lines are dropped and counted, and the place in the file where they are missing says how many
//!   (`{"time":…,"why":"lines_dropped","dropped":42}`). The same happens to what could not be written at all.
//! * **An idle log costs nothing.** The thread sleeps until the first line of a batch wakes it; the batch ends after
//!   [`BATCH`] or 256 KiB, so a line is in the file about a tenth of a second after its exchange.
//! * **Order.** Lines of one thread are in the order of their ends. Between threads the order is that of batches; a
//!   reader that needs one sorts by `time`.
//! * **A busy log takes no memory from others.** The last 8 MiB stay in the page cache for whoever follows the file;
//!   what is older is given back as soon as it is on the disk. Pages that come back warm are also much cheaper to
//!   write to than ever new ones.
//! * **Rotation by size**: `access.log`, then `access.log.1` and so on, the oldest removed. No signal is needed to
//!   begin a new file: before each batch the thread looks whether `access.log` still is the file it writes to, and
//!   opens it again when somebody has moved or removed it. That also lets an edge and its successor append to one
//!   file while the first one drains: whoever rotates, the other one notices.
//! * **A line is whole or recognisable.** What a crash or a full disk cut off is ended with a line break before the
//!   next line is written.
//!
//! What is written is decided by [`Line`]: no query strings, no headers, no bodies, no names of users.

mod file;
mod json;
mod line;
mod stamp;
mod writer;

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

pub use line::{Line, Origin, RequestId};

use file::LogFile;
use stamp::Stamp;

/// The name of the file in its directory.
pub const FILE: &str = "access.log";

/// How long a batch may wait for company.
pub const BATCH: Duration = Duration::from_millis(100);

/// A lane with so many bytes ends the batch.
const ENOUGH: usize = 256 * 1024;

/// What an idle lane keeps of its buffer.
const KEPT: usize = 64 * 1024;

/// Threads that record at once without meeting each other; more of them share lanes.
const LANES: usize = 16;

/// How much the log may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file. Default 64 MiB.
    pub file: u64,
    /// Number of files, the current one among them; at least 1. Default 5.
    pub files: u32,
    /// Bytes that may wait in each lane while the disk is busy. Default 4 MiB: half a second of a worker at its limit.
    pub pending: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 64 << 20, files: 5, pending: 4 << 20 }
    }
}

/// Why there is no access log.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The directory cannot be made.
    #[error(
        "the directory of the access log, {path}, cannot be made; nothing is logged. Make it writable for the edge"
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened.
    #[error("the access log {path} cannot be opened; nothing is logged. Make it writable for the edge")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The thread cannot be started.
    #[error(
        "the thread that writes the access log cannot be started; nothing is logged. Allow the edge more threads"
    )]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// An open access log. Clones write to the same file; when the last one is dropped, what waits is still written.
#[derive(Clone)]
pub struct AccessLog {
    owner: Arc<Owner>,
}

/// What all clones share, and the thread does not: its end is the end of the log.
struct Owner {
    shared: Arc<Shared>,
}

impl AccessLog {
    /// Opens `access.log` in a directory, which is made if need be, and starts the thread that writes.
    ///
    /// # Errors
    /// [`AccessLogError`] when the file cannot be written to. Later failures cost lines and are said in the edge's own
    /// log; they never come back to whoever records.
    pub fn open(directory: &Path, limits: Limits) -> Result<Self, AccessLogError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| AccessLogError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join(FILE);
        let file =
            LogFile::open(path.clone(), limits).map_err(|source| AccessLogError::File { path, source })?;
        let shared = Arc::new(Shared::new(limits.pending));
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::run(&shared, file)
            })
            .map_err(|source| AccessLogError::Thread { source })?;
        Ok(Self { owner: Arc::new(Owner { shared }) })
    }

    /// Writes a line, or drops and counts it when the disk has fallen too far behind. Never waits for the disk.
    pub fn record(&self, line: &Line<'_>) {
        let shared = &self.owner.shared;
        let mut lane = shared.lanes[slot()].lock();
        let before = lane.buffer.len();
        if before >= shared.pending {
            lane.dropped += 1;
            drop(lane);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Waiting { buffer, stamp, lines, .. } = &mut *lane;
        line.write(stamp, buffer);
        *lines += 1;
        let after = buffer.len();
        drop(lane);
        if before < ENOUGH && after >= ENOUGH {
            shared.urge();
        } else if before == 0 {
            shared.wake();
        }
    }

    /// Whether an exchange has a line when one of `one_in` has: every `one_in`-th by its `number`, and each that is
    /// [exceptional](Line::is_exceptional).
    #[must_use]
    pub fn wants(line: &Line<'_>, one_in: u32, number: u64) -> bool {
        one_in <= 1 || number.is_multiple_of(one_in.into()) || line.is_exceptional()
    }

    /// Waits until what was recorded before is in the file; false when that took longer than `within`. Blocks the
    /// thread: for the end of the process.
    pub fn flush(&self, within: Duration) -> bool {
        let shared = &self.owner.shared;
        let deadline = Instant::now() + within;
        let mut rounds = shared.rounds();
        rounds.asked += 1;
        let mine = rounds.asked;
        shared.urge();
        while rounds.done < mine {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            rounds = shared.round_over.wait_timeout(rounds, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// How many lines are in the file, and how many were dropped, since the log was opened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let shared = &self.owner.shared;
        Counts {
            written: shared.written.load(Ordering::Relaxed),
            dropped: shared.dropped.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.urge();
    }
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the file.
    pub written: u64,
    /// Lost: the disk was too slow, or could not be written to.
    pub dropped: u64,
}

/// What recorders and the thread share.
struct Shared {
    lanes: [Lane; LANES],
    pending: usize,
    thread: OnceLock<Thread>,
    /// The thread has nothing to do, and whoever brings something wakes it.
    asleep: AtomicBool,
    /// The batch is to end now.
    urgent: AtomicBool,
    closing: AtomicBool,
    written: AtomicU64,
    dropped: AtomicU64,
    rounds: Mutex<Rounds>,
    round_over: Condvar,
}

/// Which flush has been asked for, and which has been done.
#[derive(Default)]
struct Rounds {
    asked: u64,
    done: u64,
}

/// Its own piece of the cache: workers do not slow each other down by writing next to each other.
#[derive(Default)]
#[repr(align(128))]
struct Lane(Mutex<Waiting>);

/// Lines that wait.
#[derive(Default)]
struct Waiting {
    buffer: Vec<u8>,
    stamp: Stamp,
    lines: u64,
    dropped: u64,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(pending: usize) -> Self {
        Self {
            lanes: Default::default(),
            pending,
            thread: OnceLock::new(),
            asleep: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rounds: Mutex::default(),
            round_over: Condvar::new(),
        }
    }

    /// There is something to do.
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.unpark();
        }
    }

    /// There is enough to do.
    fn urge(&self) {
        // In this order: a thread that goes to sleep meanwhile either sees the urgency or loses the word that it sleeps.
        if !self.urgent.swap(true, Ordering::SeqCst) {
            self.asleep.store(false, Ordering::SeqCst);
            self.unpark();
        }
    }

    fn unpark(&self) {
        // Without a handle it has not begun yet, and begins by looking.
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane of the calling thread: one after the other, so that the workers of an edge have one each.
fn slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        mine.get()
    })
}

#[cfg(test)]
mod tests;
