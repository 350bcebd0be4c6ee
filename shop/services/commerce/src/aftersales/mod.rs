//! Help after a purchase: tickets and what is said about them.

pub mod messages;
pub mod tickets;
