//! Orders: placed, paid, handed to a carrier, received.

pub mod change;
pub mod create;
pub mod fulfillment;
pub mod pricing;
pub mod read;
pub mod state;
