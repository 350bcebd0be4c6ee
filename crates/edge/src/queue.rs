//! Requests that wait at the edge: bounded, first come first served as far as the runtime can, and gone when their
//! clients are.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A place to wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicU32,
    moved: Notify,
}

/// One that waits. Dropping it, as happens when its client goes away, frees the place.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Queue);

impl Queue {
    /// Takes a place, if fewer than `most` are taken.
    pub(crate) fn join(&self, most: u32) -> Option<Waiting<'_>> {
        let waiting = Waiting(self);
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        // Beyond the limit the place is given back as `waiting` is dropped.
        (before < most).then_some(waiting)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Wakes one, if somebody waits: there is room.
    pub(crate) fn move_one(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.moved.notify_one();
        }
    }

    /// Wakes everybody: things are different now.
    pub(crate) fn move_all(&self) {
        self.moved.notify_waiters();
    }
}

impl Waiting<'_> {
    /// Something that completes when it is worth looking again. Make it before looking, so that nothing is missed.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.0.moved.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until moved, at most so long; whether it was moved.
pub(crate) async fn wait(moved: Notified<'_>, most: Duration) -> bool {
    tokio::time::timeout(most, moved).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let queue = Queue::default();
        let one = queue.join(1);
        assert!(one.is_some() && queue.join(1).is_none());
        assert_eq!(queue.len(), 1);
        drop(one);
        assert!(queue.join(1).is_some());
        assert_eq!(queue.len(), 0);
    }
}
