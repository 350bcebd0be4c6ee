//! A client's connection (or one stream of it) as others see it: whom it keeps busy, and how it is told to end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;

use crate::instance::Instance;

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// Nothing.
    Stay,
    /// End after the exchange that is under way, or the next one if there is none.
    Depart,
    /// End after the exchange that is under way.
    Finish,
    /// End now.
    Cut,
}

/// A client's connection, or one stream of it.
#[derive(Debug, Default)]
pub(crate) struct Visitor {
    signal: AtomicU8,
    waker: AtomicWaker,
    busy_with: Mutex<Option<Arc<Instance>>>,
}

impl Visitor {
    pub(crate) fn busy_with(&self, instance: Option<Arc<Instance>>) {
        *self.busy_with.lock().unwrap_or_else(PoisonError::into_inner) = instance;
    }

    /// Ends it if it is busy with this instance.
    pub(crate) fn cut_from(&self, instance: &Arc<Instance>) {
        let busy_with = self.busy_with.lock().unwrap_or_else(PoisonError::into_inner);
        if busy_with.as_ref().is_some_and(|it| Arc::ptr_eq(it, instance)) {
            self.tell(Signal::Cut);
        }
    }

    /// Tells it; the strongest word stands.
    pub(crate) fn tell(&self, signal: Signal) {
        self.signal.fetch_max(signal as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// What it was told; whoever asks is woken when that changes.
    pub(crate) fn heed(&self, cx: &Context<'_>) -> Signal {
        self.waker.register(cx.waker());
        self.told()
    }

    /// What it was told.
    pub(crate) fn told(&self) -> Signal {
        match self.signal.load(Ordering::Acquire) {
            0 => Signal::Stay,
            1 => Signal::Depart,
            2 => Signal::Finish,
            _ => Signal::Cut,
        }
    }
}

/// Everybody who is here.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    next: AtomicU64,
    present: Mutex<HashMap<u64, Arc<Visitor>>>,
}

impl Visitors {
    /// Somebody comes, and is listed for as long as the answer lives.
    pub(crate) fn welcome(self: &Arc<Self>) -> Presence {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let visitor = Arc::new(Visitor::default());
        self.lock().insert(number, Arc::clone(&visitor));
        Presence { visitors: Arc::clone(self), number, visitor }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Visitor>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Visitor>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a visitor in the list.
#[derive(Debug)]
pub(crate) struct Presence {
    visitors: Arc<Visitors>,
    number: u64,
    pub(crate) visitor: Arc<Visitor>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.visitors.lock().remove(&self.number);
    }
}
