//! Questions about prices and what is said about them.

pub mod messages;
pub mod price;
