//! Weighted choice as a pure function.

/// Spreads numbers over weighted places.
///
/// Any `turn()` consecutive numbers reach each place exactly as often as its weight says (weights are divided by
/// their greatest common divisor first), and the places alternate instead of coming in runs. The caller brings the
/// number: a counter gives round-robin, a hash gives stickiness, a random number gives chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wheel {
    /// `ends[i]` is where the slice of place `i` ends.
    ends: Vec<u64>,
    turn: u64,
    stride: u64,
}

impl Wheel {
    /// A wheel for these weights. Places of weight 0 are never chosen.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<u64> = weights.into_iter().map(u64::from).collect();
        let divisor = weights.iter().copied().fold(0, gcd).max(1);
        let mut turn = 0;
        let ends = weights
            .iter()
            .map(|weight| {
                turn += weight / divisor;
                turn
            })
            .collect();
        Self { ends, turn, stride: stride(turn) }
    }

    /// How many numbers make one full turn; 0 when no place can be chosen.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// The place for this number; none when every weight is 0.
    pub fn pick(&self, number: u64) -> Option<usize> {
        if self.turn == 0 {
            return None;
        }
        // A stride that has no common divisor with the turn visits every point once per turn, far apart.
        let point = u128::from(number % self.turn) * u128::from(self.stride) % u128::from(self.turn);
        let point = u64::try_from(point).expect("a remainder of a u64 is a u64");
        Some(self.ends.partition_point(|end| *end <= point))
    }

    /// Whether this place is ever chosen.
    pub fn takes(&self, place: usize) -> bool {
        let before = place.checked_sub(1).map_or(0, |index| self.ends[index]);
        self.ends[place] > before
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The number nearest above `turn / φ` that has no common divisor with `turn`.
fn stride(turn: u64) -> u64 {
    if turn < 2 {
        return 1;
    }
    // 0x9E37… is 2^64 / φ, so this is turn / φ.
    let golden = (u128::from(turn) * 0x9E37_79B9_7F4A_7C15) >> 64;
    let golden = u64::try_from(golden).expect("less than turn").max(1);
    (golden..turn).find(|candidate| gcd(*candidate, turn) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(wheel: &Wheel, places: usize, from: u64) -> Vec<u64> {
        let mut counts = vec![0; places];
        for number in 0..wheel.turn() {
            if let Some(place) = wheel.pick(from.wrapping_add(number)) {
                counts[place] += 1;
            }
        }
        counts
    }

    #[test]
    fn equal_weights_take_turns() {
        let wheel = Wheel::new([100, 100]);
        let picks: Vec<_> = (0..6).map(|n| wheel.pick(n).unwrap()).collect();
        assert_eq!(picks, [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_canary_is_spread_out() {
        let wheel = Wheel::new([3, 1]);
        assert_eq!(counts(&wheel, 2, 0), [3, 1]);
        let wheel = Wheel::new([5, 5, 0, 10]);
        assert_eq!(counts(&wheel, 4, 0), [1, 1, 0, 2]);
        assert!(!wheel.takes(2) && wheel.takes(3) && wheel.takes(0));
    }

    #[test]
    fn nobody_to_choose() {
        assert_eq!(Wheel::new([]).pick(7), None);
        assert_eq!(Wheel::new([0, 0]).pick(7), None);
    }

    #[test]
    fn huge_weights_do_not_overflow() {
        let wheel = Wheel::new([u32::MAX, u32::MAX - 1, 1]);
        assert!(wheel.pick(u64::MAX).is_some());
    }

    proptest! {
        #[test]
        fn every_turn_is_exact(weights in prop::collection::vec(0u32..40, 1..6), from in 0u64..1_000_000) {
            let wheel = Wheel::new(weights.iter().copied());
            let divisor = weights.iter().map(|w| u64::from(*w)).fold(0, gcd).max(1);
            let expect: Vec<u64> = weights.iter().map(|w| u64::from(*w) / divisor).collect();
            // Whole turns, wherever they start.
            prop_assert_eq!(counts(&wheel, weights.len(), from), expect);
        }

        #[test]
        fn the_choice_is_always_a_place_with_weight(weights in prop::collection::vec(any::<u32>(), 0..6), n in any::<u64>()) {
            let wheel = Wheel::new(weights.iter().copied());
            match wheel.pick(n) {
                Some(place) => prop_assert!(weights[place] > 0 && wheel.takes(place)),
                None => prop_assert!(weights.iter().all(|w| *w == 0)),
            }
        }
    }
}
