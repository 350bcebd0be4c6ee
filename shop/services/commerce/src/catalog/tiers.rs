//! Prices that depend on the quantity. Pure.

use shop_wire::commerce::PriceTier;

/// Whether a tier can hold for any quantity.
pub fn is_possible(tier: &PriceTier) -> bool {
    tier.min_qty >= 1 && tier.unit_price_fen >= 0 && tier.max_qty.is_none_or(|max| max >= tier.min_qty)
}

fn holds_for(tier: &PriceTier, qty: i32) -> bool {
    tier.min_qty <= qty && tier.max_qty.is_none_or(|max| qty <= max)
}

/// The price of one unit when `qty` of them are bought: of the tiers that hold for the quantity the one that
/// begins last. Nothing when none holds: then there is no price. The order of the tiers does not matter.
pub fn unit_price(tiers: &[PriceTier], qty: i32) -> Option<i64> {
    let holding = tiers.iter().filter(|tier| holds_for(tier, qty));
    // `max_by_key` takes the last of equals, as a walk through tiers sorted by their beginning would.
    holding.max_by_key(|tier| tier.min_qty).map(|tier| tier.unit_price_fen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tier(min_qty: i32, max_qty: Option<i32>, unit_price_fen: i64) -> PriceTier {
        PriceTier { min_qty, max_qty, unit_price_fen }
    }

    #[test]
    fn prices() {
        let usual = [tier(1, Some(9), 1200), tier(10, Some(49), 1100), tier(50, None, 1000)];
        let gap = [tier(5, Some(9), 7), tier(20, Some(20), 6)];
        let overlap = [tier(1, None, 100), tier(10, Some(20), 90)];
        let check = |tiers: &[PriceTier], qty: i32, expect: Option<i64>| {
            assert_eq!(unit_price(tiers, qty), expect, "{qty} of {tiers:?}");
        };
        check(&usual, 1, Some(1200));
        check(&usual, 9, Some(1200));
        check(&usual, 10, Some(1100));
        check(&usual, 49, Some(1100));
        check(&usual, 50, Some(1000));
        check(&usual, i32::MAX, Some(1000));
        check(&gap, 4, None);
        check(&gap, 10, None);
        check(&gap, 20, Some(6));
        check(&gap, 21, None);
        check(&overlap, 15, Some(90));
        check(&overlap, 21, Some(100));
        check(&[], 1, None);
    }

    proptest! {
        #[test]
        fn the_order_of_the_tiers_does_not_matter(
            starts in proptest::collection::btree_set(1..200_i32, 0..8),
            qty in 1..250_i32,
        ) {
            let sorted: Vec<_> = starts.iter().map(|&s| tier(s, Some(s + 30), i64::from(s))).collect();
            let mut backwards = sorted.clone();
            backwards.reverse();
            prop_assert_eq!(unit_price(&sorted, qty), unit_price(&backwards, qty));
            // The price, when there is one, is that of a tier that holds and of no earlier one.
            let walked = sorted.iter().rev().find(|t| holds_for(t, qty)).map(|t| t.unit_price_fen);
            prop_assert_eq!(unit_price(&sorted, qty), walked);
        }
    }
}
