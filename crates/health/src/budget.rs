//! How many requests may be repeated.
//!
//! A service that is slow or half dead must not get more requests because of that. Repetitions are a part of all
//! requests of the last ten seconds, and the rest fail at once.

use crate::sync::{AtomicU64, Ordering};

/// Seconds that are looked at, one slot each.
const SLOTS: u64 = 10;

/// So many repetitions are always allowed.
const ALWAYS: u64 = 10;

/// Bits of a slot: repetitions, requests, and above them which second it is of (every tenth has the same slot).
const RETRY_BITS: u32 = 16;
const REQUEST_BITS: u32 = 24;
const MOST_RETRIES: u64 = (1 << RETRY_BITS) - 1;
const MOST_REQUESTS: u64 = (1 << REQUEST_BITS) - 1;
const TURN_MASK: u64 = u64::MAX >> (RETRY_BITS + REQUEST_BITS);
const ONE_REQUEST: u64 = 1 << RETRY_BITS;

/// The repetitions of one service over the last ten seconds. Shared by all threads, without locks.
#[derive(Debug, Default)]
pub struct Budget {
    slots: [AtomicU64; SLOTS as usize],
}

/// A slot, unpacked.
#[derive(Clone, Copy)]
struct Slot {
    turn: u64,
    requests: u64,
    retries: u64,
}

impl Slot {
    fn unpack(word: u64) -> Self {
        Self {
            turn: word >> (RETRY_BITS + REQUEST_BITS),
            requests: word >> RETRY_BITS & MOST_REQUESTS,
            retries: word & MOST_RETRIES,
        }
    }

    fn pack(self) -> u64 {
        self.turn << (RETRY_BITS + REQUEST_BITS) | self.requests << RETRY_BITS | self.retries
    }

    /// Which time round a second is in.
    fn turn(second: u64) -> u64 {
        (second / SLOTS) & TURN_MASK
    }

    /// This slot for a second: empty when it is still of an earlier one.
    fn of(word: u64, second: u64) -> Self {
        let slot = Self::unpack(word);
        let turn = Self::turn(second);
        if slot.turn == turn { slot } else { Self { turn, requests: 0, retries: 0 } }
    }
}

impl Budget {
    /// A budget for a service without requests so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a request, once, however often it is repeated.
    pub fn request(&self, now: u64) {
        let second = now / 1_000;
        let slot = self.slot(second);
        let word = slot.load(Ordering::Relaxed);
        let current = Slot::unpack(word);
        if current.turn == Slot::turn(second) {
            if current.requests < MOST_REQUESTS / 2 {
                // Far enough from the end for all threads that are here at once. When the slot's next second begins
                // in between, the request counts there.
                slot.fetch_add(ONE_REQUEST, Ordering::Relaxed);
            }
            return;
        }
        let begin = |word| {
            let mut slot = Slot::of(word, second);
            slot.requests = (slot.requests + 1).min(MOST_REQUESTS / 2);
            Some(slot.pack())
        };
        slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin).expect("there is always a next word");
    }

    /// Takes one repetition from the budget of so many percent of the requests, or says that there is none left. With
    /// 0 percent there is never one; otherwise ten in ten seconds are always allowed.
    ///
    /// Dialling again for a request that nobody has accepted yet is no repetition.
    #[must_use]
    pub fn retry(&self, percent: u8, now: u64) -> bool {
        if percent == 0 {
            return false;
        }
        let second = now / 1_000;
        let slot = self.slot(second);
        loop {
            // Read before the sums: a repetition that another thread takes meanwhile makes the replacement fail.
            let word = slot.load(Ordering::Acquire);
            let (requests, retries) = self.sums(second);
            let mut current = Slot::of(word, second);
            if retries >= (requests * u64::from(percent) / 100).max(ALWAYS) || current.retries == MOST_RETRIES
            {
                return false;
            }
            current.retries += 1;
            let new = current.pack();
            if slot.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }

    /// Requests and repetitions of the last ten seconds.
    #[must_use]
    pub fn spent(&self, now: u64) -> (u64, u64) {
        self.sums(now / 1_000)
    }

    fn sums(&self, second: u64) -> (u64, u64) {
        let first = second.saturating_sub(SLOTS - 1);
        (first..=second).fold((0, 0), |(requests, retries), second| {
            let slot = Slot::of(self.slot(second).load(Ordering::Relaxed), second);
            (requests + slot.requests, retries + slot.retries)
        })
    }

    fn slot(&self, second: u64) -> &AtomicU64 {
        let index = usize::try_from(second % SLOTS).expect("one digit");
        &self.slots[index]
    }
}
