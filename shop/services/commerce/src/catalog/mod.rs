//! The catalogue.

pub mod categories;
pub mod products;
pub mod skus;
