//! Whether an instance takes requests, as one word that threads change with compare-and-swap.
//!
//! Everything that must fit together is in that word, so every change happens at once for all threads and a thread that
//! decided on an old word does not get its change through. What is proven about sequences of changes is thereby proven
//! about threads.

use crate::sync::{AtomicU64, Ordering};

/// After so many milliseconds a trial that has not been heard of is taken for lost, and the next request may try. Long
/// enough for slow answers; a hanging trial must not keep an instance out for ever.
pub const TRIAL_PATIENCE_MS: u64 = 60_000;

/// An ejection lasts at most 2^4 times as long as the first.
const MOST_DOUBLINGS: u8 = 4;

/// One doubling is forgiven for each of this many first ejection times that an instance behaved.
const FORGIVEN_AFTER: u64 = 10;

/// Bits of a word: phase, doublings, time.
const PHASE_BITS: u32 = 2;
const DOUBLINGS_BITS: u32 = 3;
const LATEST: u64 = u64::MAX >> (PHASE_BITS + DOUBLINGS_BITS);

/// The word, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) phase: Phase,
    /// How often the next ejection doubles.
    doublings: u8,
    /// When it came in, when its ejection ends, or when its trial began.
    pub(crate) at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes requests.
    In,
    /// Takes none.
    Ejected,
    /// Takes none but the one that is under way.
    Trial,
}

impl Word {
    fn pack(self) -> u64 {
        let phase = match self.phase {
            Phase::In => 0,
            Phase::Ejected => 1,
            Phase::Trial => 2,
        };
        phase | u64::from(self.doublings) << PHASE_BITS | self.at.min(LATEST) << (PHASE_BITS + DOUBLINGS_BITS)
    }

    fn unpack(word: u64) -> Self {
        let phase = match word & 0b11 {
            0 => Phase::In,
            1 => Phase::Ejected,
            _ => Phase::Trial,
        };
        let doublings = u8::try_from(word >> PHASE_BITS & 0b111).expect("three bits");
        Self { phase, doublings, at: word >> (PHASE_BITS + DOUBLINGS_BITS) }
    }

    /// Out from now on, and longer the next time.
    fn ejected(doublings: u8, now: u64, eject_ms: u64) -> Self {
        let for_ms = eject_ms.saturating_mul(1 << doublings);
        Self {
            phase: Phase::Ejected,
            doublings: (doublings + 1).min(MOST_DOUBLINGS),
            at: now.saturating_add(for_ms),
        }
    }

    /// What is left of the doublings after good behaviour since it came in.
    fn forgiven(self, now: u64, eject_ms: u64) -> u8 {
        let good = now.saturating_sub(self.at);
        let steps = good.checked_div(eject_ms.saturating_mul(FORGIVEN_AFTER)).unwrap_or(u64::MAX);
        self.doublings.saturating_sub(u8::try_from(steps).unwrap_or(u8::MAX))
    }

    /// Whether a request may try it now.
    pub(crate) fn is_ripe(self, now: u64) -> bool {
        match self.phase {
            Phase::In => false,
            Phase::Ejected => self.at <= now,
            Phase::Trial => self.at.saturating_add(TRIAL_PATIENCE_MS) <= now,
        }
    }
}

/// The word of one instance. It begins as 0: in, since the beginning.
#[derive(Debug, Default)]
pub(crate) struct Circuit(AtomicU64);

/// Which trial: the word that its beginning wrote; no two trials of an instance that are under way have the same. Or
/// which ejection, for a request that was sent in spite of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Ticket {
    /// Whether it is the one of a trial.
    fn is_trial(&self) -> bool {
        Word::unpack(self.0).phase == Phase::Trial
    }
}

impl Circuit {
    pub(crate) fn word(&self) -> Word {
        Word::unpack(self.load())
    }

    fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Replaces a word; false when another one is there.
    fn replace(&self, old: u64, new: u64) -> bool {
        self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn is_in(&self) -> bool {
        self.word().phase == Phase::In
    }

    /// Changes the word as often as it takes, unless `change` does not want to.
    fn change(&self, mut change: impl FnMut(Word) -> Option<Word>) -> Option<Word> {
        loop {
            let old = self.load();
            let new = change(Word::unpack(old))?;
            if self.replace(old, new.pack()) {
                return Some(new);
            }
        }
    }

    /// Takes it out, if it is in. Returns for how many milliseconds.
    pub(crate) fn eject(&self, now: u64, eject_ms: u64) -> Option<u64> {
        let word = self.change(|word| {
            (word.phase == Phase::In).then(|| Word::ejected(word.forgiven(now, eject_ms), now, eject_ms))
        })?;
        Some(word.at.saturating_sub(now))
    }

    /// Takes the trial, if it is due and nobody has it.
    pub(crate) fn claim(&self, now: u64) -> Option<Ticket> {
        // One look without a write in the usual case: others have it, or it is not due.
        let word =
            self.change(|word| word.is_ripe(now).then_some(Word { phase: Phase::Trial, at: now, ..word }))?;
        Some(Ticket(word.pack()))
    }

    /// A ticket for a request that is sent in spite of an ejection and changes nothing when it fails.
    pub(crate) fn watch(&self) -> Option<Ticket> {
        let word = self.load();
        (Word::unpack(word).phase == Phase::Ejected).then_some(Ticket(word))
    }

    /// The instance answered. False when the trial had been taken for lost, or the ejection is over.
    pub(crate) fn readmit(&self, ticket: Ticket, now: u64) -> bool {
        let Ticket(word) = ticket;
        let new = Word { phase: Phase::In, at: now, ..Word::unpack(word) };
        self.replace(word, new.pack())
    }

    /// The instance failed. Returns for how many milliseconds it is out again; nothing when this was no trial or had
    /// been taken for lost.
    pub(crate) fn eject_again(&self, ticket: Ticket, now: u64, eject_ms: u64) -> Option<u64> {
        if !ticket.is_trial() {
            return None;
        }
        let Ticket(word) = ticket;
        let new = Word::ejected(Word::unpack(word).doublings, now, eject_ms);
        self.replace(word, new.pack()).then(|| new.at.saturating_sub(now))
    }

    /// The trial ended without saying anything: the next request may take it.
    pub(crate) fn give_back(&self, ticket: Ticket) {
        // What was no trial puts back the word that is there.
        let Ticket(word) = ticket;
        self.replace(word, Word { phase: Phase::Ejected, ..Word::unpack(word) }.pack());
    }

    /// The ejection ends now instead of later.
    pub(crate) fn hasten(&self, now: u64) {
        self.change(|word| {
            (word.phase == Phase::Ejected && word.at > now).then_some(Word { at: now, ..word })
        });
    }

    /// In, as if nothing had been before. Trials that are under way count for nothing.
    pub(crate) fn reset(&self, now: u64) {
        self.change(|_| Some(Word { phase: Phase::In, doublings: 0, at: now }));
    }
}
