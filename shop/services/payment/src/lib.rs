//! How the shop is paid: sessions with WeChat Pay and Alipay, their notifications, the ledger.
//!
//! A customer asks for a session ([`create`]), pays in the provider's window, and the provider reports ([`notify`]).
//! Everything is off until the feature flags are on ([`flags`]).
//!
//! * [`state`]: what may become of a payment, as a pure function. Money that has arrived stays arrived.
//! * [`payments`] and [`reports`]: the transactions. State, ledger and the word to commerce change together.
//! * [`recheck`]: providers are asked about payments that nobody has reported.
//! * [`sync`]: commerce hears of every change, in order, at least once, also after a crash.
//! * [`wechat`] and [`alipay`]: the providers. What is signed and encrypted is pure text ([`wechat::sign`],
//!   [`alipay::sign`]); the keys are in [`keys`].
//! * [`provider`]: the seam between them. Without keys there is nobody behind it (mock): sessions look real, nothing
//!   moves, and answers say `X-Payment-Mode: mock`.

pub mod alipay;
pub mod app;
pub mod caller;
pub mod create;
pub mod flags;
pub mod notify;
pub mod orders;
pub mod payments;
pub mod provider;
pub mod provider_settings;
pub mod recheck;
pub mod reports;
pub mod seed;
pub mod settings;
pub mod state;
pub mod sync;
pub mod variables;
pub mod wechat;

pub use provider_kit::{http, keys};

/// The schema, embedded so that the program that needs it can create it.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
