//! What the shop sells: categories, products, SKUs and their price tiers.
//!
//! The catalogue is public to read and an administrator's to change. Whether a caller may change it is
//! identity's decision: [`authorize`] asks on each request, remembers a yes or no for a few seconds, and
//! refuses when identity can't be asked.
//!
//! The rest of the contract (cart, orders, after-sales and so on) answers 501 with the shop's envelope
//! until it is built.

pub mod app;
pub mod authorize;
pub mod catalog;
pub mod seed;
pub mod settings;

/// The schema, embedded so that the program that needs it can create it.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
