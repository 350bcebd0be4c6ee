//! The catalogue.

pub mod categories;
pub mod display;
pub mod products;
pub mod skus;
pub mod tiers;
