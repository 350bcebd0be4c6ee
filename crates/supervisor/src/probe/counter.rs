//! Thresholds: how many answers in a row make an instance good or bad.

/// Counts answers in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    rise: u32,
    fall: u32,
    good: bool,
    streak: u32,
}

/// What an answer has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The instance has become good.
    Rose,
    /// The instance has become bad.
    Fell,
}

impl Counter {
    /// An instance that is not good yet. Thresholds below 1 count as 1.
    #[must_use]
    pub fn new(rise: u32, fall: u32) -> Self {
        Self { rise: rise.max(1), fall: fall.max(1), good: false, streak: 0 }
    }

    /// Is it good?
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.good
    }

    /// Records one answer.
    pub fn record(&mut self, ok: bool) -> Change {
        if ok == self.good {
            self.streak = 0;
            return Change::None;
        }
        self.streak += 1;
        let needed = if ok { self.rise } else { self.fall };
        if self.streak < needed {
            return Change::None;
        }
        self.streak = 0;
        self.good = ok;
        if ok { Change::Rose } else { Change::Fell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `+` and `-` are answers; `R` and `F` mark where it rose and fell.
    fn check(rise: u32, fall: u32, answers: &str, expect: &str) {
        let mut counter = Counter::new(rise, fall);
        let seen: String = answers
            .chars()
            .map(|answer| match counter.record(answer == '+') {
                Change::None => answer,
                Change::Rose => 'R',
                Change::Fell => 'F',
            })
            .collect();
        assert_eq!(seen, expect);
    }

    #[test]
    fn thresholds() {
        check(1, 1, "-+-+", "-RFR");
        check(2, 3, "++--+---", "+R--+--F");
        check(2, 3, "+-+-++", "+-+-+R");
        check(0, 0, "+-", "RF");
        check(3, 1, "++-+++", "++-++R");
    }

    proptest! {
        #[test]
        fn it_changes_only_after_a_full_row(rise in 1_u32..5, fall in 1_u32..5, answers in prop::collection::vec(any::<bool>(), 0..100)) {
            let mut counter = Counter::new(rise, fall);
            for (at, ok) in answers.iter().enumerate() {
                let row = answers[..=at].iter().rev().take_while(|each| *each == ok).count();
                match counter.record(*ok) {
                    Change::None => {}
                    Change::Rose => prop_assert!(*ok && row >= rise as usize),
                    Change::Fell => prop_assert!(!*ok && row >= fall as usize),
                }
            }
        }
    }
}
