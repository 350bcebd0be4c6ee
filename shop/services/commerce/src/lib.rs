//! What is sold and ordered: catalogue, wishlist, cart, orders, shipments, product requests, after-sales, inquiries.
//!
//! A module for each noun. Inside, decisions are apart from SQL: [`catalog::tiers`] finds prices,
//! [`orders::state`] says what may happen to an order, [`cart::matching`] and [`jobs::products::plan`] read meaning
//! into rows of spreadsheets that [`sheets`] has read. They know no database and no HTTP.
//!
//! Whether a caller may do something is identity's decision: [`authorize`] asks, remembers the answer for a few
//! seconds, and refuses when identity can't be asked. What takes long is a row in `import_jobs` and done by
//! [`jobs::Worker`], which any instance may run.

pub mod aftersales;
pub mod app;
pub mod authorize;
pub mod cart;
pub mod catalog;
pub mod conversation;
pub mod inquiries;
pub mod jobs;
pub mod media;
pub mod orders;
pub mod requests;
pub mod routes;
pub mod seed;
pub mod settings;
pub mod sheets;
pub mod shipments;
pub mod text;
pub mod upload;
pub mod variables;

/// The schema, embedded so that the program that needs it can create it.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
