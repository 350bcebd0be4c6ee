//! Which requests may be repeated: never one that may have been acted upon and must not be twice.

use crate::outcome::Outcome;

/// An exchange that failed, as far as it matters for a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it failed.
    pub outcome: Outcome,
    /// What the instance may have received.
    pub sent: Sent,
    /// Whether the connection had been used before: instances close idle ones, and the request may cross that.
    pub kept_alive: bool,
    /// Whether the method may be repeated by its definition (RFC 9110, 9.2.2): GET, HEAD, OPTIONS, TRACE, PUT, DELETE.
    pub idempotent: bool,
    /// Whether the body is still there to be sent again: it was empty, or kept.
    pub whole: bool,
}

/// What the instance may have received of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte: there was no connection, or it was found closed before.
    Nothing,
    /// Some or all of it.
    Something,
}

impl Attempt {
    /// Whether it may be repeated without anybody noticing.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        let Self { outcome, sent, kept_alive, idempotent, whole } = *self;
        match (outcome, sent) {
            (Outcome::Answered { .. }, _) => false,
            (Outcome::Refused, _) => true,
            (Outcome::Timeout | Outcome::Broken, Sent::Nothing) => true,
            // A late instance may be busy with it.
            (Outcome::Timeout, Sent::Something) => false,
            // On a fresh connection the request itself may be what breaks the instance.
            (Outcome::Broken, Sent::Something) => kept_alive && idempotent && whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_notices_is_repeated() {
        let check = |outcome, sent, [kept_alive, idempotent, whole]: [bool; 3], expect: bool| {
            let attempt = Attempt { outcome, sent, kept_alive, idempotent, whole };
            assert_eq!(attempt.is_repeatable(), expect, "{attempt:?}");
        };
        let flags = (0..8).map(|n| [n & 1 > 0, n & 2 > 0, n & 4 > 0]);
        for flags in flags {
            // F16: a refused dial is always repeated, and whatever had not begun.
            check(Outcome::Refused, Sent::Nothing, flags, true);
            check(Outcome::Timeout, Sent::Nothing, flags, true);
            check(Outcome::Broken, Sent::Nothing, flags, true);
            // F16: a stale connection, when the method may be repeated and all of the request is still there.
            check(Outcome::Broken, Sent::Something, flags, flags == [true, true, true]);
            check(Outcome::Timeout, Sent::Something, flags, false);
            check(Outcome::Answered { status: 503 }, Sent::Something, flags, false);
            check(Outcome::Answered { status: 200 }, Sent::Something, flags, false);
        }
    }
}
