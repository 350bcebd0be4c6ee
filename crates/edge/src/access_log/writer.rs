//! The thread that writes.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Instant, SystemTime};

use super::file::LogFile;
use super::line::dropped;
use super::stamp::Stamp;
use super::{BATCH, KEPT, Shared, Waiting};

/// Writes batches until the log is closed and empty.
pub(super) fn run(shared: &Shared, file: LogFile) {
    shared.thread.get_or_init(thread::current);
    let mut writer =
        Writer { shared, file, spare: Vec::new(), stamp: Stamp::default(), missing: 0, failing: false };
    // Whether the last batch was full before its time: buffers keep their size then.
    let mut busy = false;
    loop {
        // Both are taken before the lanes are: a flush and the end cover what was recorded before them.
        shared.urgent.store(false, Ordering::SeqCst);
        let closing = shared.closing.load(Ordering::SeqCst);
        let asked = shared.rounds().asked;
        writer.round();
        let mut rounds = shared.rounds();
        if rounds.done < asked {
            rounds.done = asked;
            shared.round_over.notify_all();
        }
        drop(rounds);
        if closing {
            return;
        }
        if !busy {
            writer.spare.shrink_to(KEPT);
            for lane in &shared.lanes {
                lane.lock().buffer.shrink_to(KEPT);
            }
        }
        sleep(shared);
        busy = batch(shared);
    }
}

/// Until there is something to do.
fn sleep(shared: &Shared) {
    // First the word that it sleeps, then the look: whoever records or urges after the look finds the word.
    shared.asleep.store(true, Ordering::SeqCst);
    if shared.urgent.load(Ordering::SeqCst) || shared.lanes.iter().any(|lane| !lane.lock().is_empty()) {
        shared.asleep.store(false, Ordering::SeqCst);
        return;
    }
    while shared.asleep.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// Until there is enough to do, or the first line has waited long enough; whether there was enough.
fn batch(shared: &Shared) -> bool {
    let until = Instant::now() + BATCH;
    while !shared.urgent.load(Ordering::SeqCst) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
    }
    true
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.dropped == 0
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    file: LogFile,
    /// Swapped for the buffers of lanes.
    spare: Vec<u8>,
    stamp: Stamp,
    /// Lines that were lost and that the file does not speak of yet.
    missing: u64,
    /// Whether the last attempt failed: said once and not with every batch.
    failing: bool,
}

impl Writer<'_> {
    /// Writes what waits.
    fn round(&mut self) {
        for lane in &self.shared.lanes {
            let mut waiting = lane.lock();
            if waiting.is_empty() {
                continue;
            }
            std::mem::swap(&mut waiting.buffer, &mut self.spare);
            let lines = std::mem::take(&mut waiting.lines);
            let lost = std::mem::take(&mut waiting.dropped);
            drop(waiting);
            self.confess();
            let batch = std::mem::take(&mut self.spare);
            let left = self.append(&batch);
            self.spare = batch;
            self.spare.clear();
            self.shared.written.fetch_add(lines - left, Ordering::Relaxed);
            self.shared.dropped.fetch_add(left, Ordering::Relaxed);
            self.missing += left + lost;
        }
        self.confess();
    }

    /// Says in the file how many lines are missing there.
    fn confess(&mut self) {
        if self.missing == 0 {
            return;
        }
        let mut line = Vec::new();
        dropped(SystemTime::now(), self.missing, &mut self.stamp, &mut line);
        if self.append(&line) == 0 {
            self.missing = 0;
        }
    }

    /// How many lines of the batch are not in the file.
    fn append(&mut self, batch: &[u8]) -> u64 {
        match self.file.append(batch) {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(path = %self.file.path().display(), "the access log is written again");
                }
                0
            }
            Err(failed) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let (path, error) = (self.file.path().display(), &failed.source);
                    tracing::error!(%path, %error, "the access log cannot be written; lines are lost until it can, traffic is served");
                }
                let lost = batch[failed.written..].iter().filter(|byte| **byte == b'\n').count();
                u64::try_from(lost).unwrap_or(u64::MAX)
            }
        }
    }
}
