//! What an order costs: checked against the catalogue, decided at once for all lines. Pure.

use std::collections::{BTreeSet, HashMap};

use shop_wire::commerce::{CreateOrderRequestItem as WantedLine, Sku};
use thiserror::Error;
use uuid::Uuid;

use crate::catalog::tiers::unit_price;

/// Lines an order may have.
pub const MOST_LINES: usize = 1000;

/// A line that can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The line of the cart it comes from, when the client knows.
    pub cart_item_id: Option<Uuid>,
    /// What.
    pub sku_id: Uuid,
    /// How many.
    pub qty: i32,
}

/// An order that can't be placed; the text is what the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unorderable {
    /// Nothing is ordered.
    #[error("items is required")]
    Empty,
    /// Too much is ordered.
    #[error("items supports at most 1000 items")]
    TooMany,
    /// None of something is ordered.
    #[error("qty must be >= 1")]
    Quantity,
    /// A line of the cart is ordered twice.
    #[error("duplicate cartItemId")]
    Duplicate,
    /// There is no such SKU.
    #[error("invalid skuId")]
    Sku,
    /// The SKU is not sold now.
    #[error("sku is inactive")]
    Inactive,
    /// The SKU has no price for that quantity.
    #[error("price tier not found")]
    Price,
}

/// Looks at the lines alone, without the catalogue.
///
/// # Errors
/// When they can't be ordered whatever the catalogue says.
pub fn check(wanted: &[WantedLine]) -> Result<Vec<Line>, Unorderable> {
    if wanted.is_empty() {
        return Err(Unorderable::Empty);
    }
    if wanted.len() > MOST_LINES {
        return Err(Unorderable::TooMany);
    }
    if wanted.iter().any(|line| line.qty.unwrap_or_default() < 1) {
        return Err(Unorderable::Quantity);
    }
    let mut seen = BTreeSet::new();
    if !wanted.iter().filter_map(|line| line.cart_item_id).all(|id| seen.insert(id)) {
        return Err(Unorderable::Duplicate);
    }
    wanted
        .iter()
        .map(|line| {
            let sku_id = line.sku_id.ok_or(Unorderable::Sku)?;
            let qty = i32::try_from(line.qty.unwrap_or_default()).unwrap_or(i32::MAX);
            Ok(Line { cart_item_id: line.cart_item_id, sku_id, qty })
        })
        .collect()
}

/// The price of one unit for each line. Lines of one SKU count together: ten in two lines of five cost what ten cost.
///
/// # Errors
/// When a SKU is unknown, not sold now, or has no price for that many.
pub fn price(lines: &[Line], skus: &HashMap<Uuid, Sku>) -> Result<Vec<i64>, Unorderable> {
    let mut totals: HashMap<Uuid, i64> = HashMap::new();
    for line in lines {
        *totals.entry(line.sku_id).or_default() += i64::from(line.qty);
    }
    lines
        .iter()
        .map(|line| {
            let sku = skus.get(&line.sku_id).ok_or(Unorderable::Sku)?;
            if !sku.is_active {
                return Err(Unorderable::Inactive);
            }
            let total = totals.get(&line.sku_id).copied().unwrap_or_default();
            let total = i32::try_from(total).unwrap_or(i32::MAX);
            unit_price(&sku.price_tiers, total).ok_or(Unorderable::Price)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(cart: Option<u128>, sku: Option<u128>, qty: i64) -> WantedLine {
        WantedLine {
            cart_item_id: cart.map(Uuid::from_u128),
            sku_id: sku.map(Uuid::from_u128),
            qty: Some(qty),
        }
    }

    #[test]
    fn lines_alone() {
        let text = |lines: &[WantedLine]| check(lines).map(|l| l.len()).map_err(|e| e.to_string());
        let refuse = |lines: &[WantedLine], expect: &str| assert_eq!(text(lines), Err(expect.into()));
        refuse(&[], "items is required");
        refuse(&[wanted(None, Some(1), 0)], "qty must be >= 1");
        refuse(&[wanted(Some(9), Some(1), 1), wanted(Some(9), Some(2), 1)], "duplicate cartItemId");
        refuse(&[wanted(None, None, 1)], "invalid skuId");
        refuse(&vec![wanted(None, Some(1), 1); 1001], "items supports at most 1000 items");
        assert_eq!(text(&[wanted(None, Some(1), 1), wanted(None, Some(1), 1)]), Ok(2));
        assert_eq!(check(&[wanted(None, Some(1), i64::MAX)]).unwrap()[0].qty, i32::MAX);
    }
}
