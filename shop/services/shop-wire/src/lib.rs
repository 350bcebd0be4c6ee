//! The shop's contracts as Rust types, and typed clients between its services.
//!
//! The modules named like a contract, and the clients, are generated from `shop/contracts/openapi` by
//! `cargo xtask generate`; CI compares them with the contracts. The rules:
//!
//! **Answers are strict.** What a type has is what goes over the wire.
//!
//! | in the contract | in the type | on the wire |
//! |---|---|---|
//! | required | `T` | always there |
//! | required and nullable | `Option<T>` | always there, `null` when unset |
//! | neither | `Option<T>`, or a list or map | left out when unset or empty |
//! | nullable and not required | | refused by the generator: say which of the two is meant |
//!
//! **Requests are lenient.** Every field is an `Option` and unknown fields are ignored, because the handler knows
//! which sentence belongs to what is missing ("name is required"), and a generic parser does not. Enums are read as
//! text for the same reason. A value of the wrong type, or a UUID that is none, makes the whole body unreadable
//! ("invalid request body"); a property marked `x-unchecked` is read as text and left to the handler. Where a PATCH
//! can set a field to null, the field is a [`Change`]: absent keeps, null clears. A schema that is both answered and
//! read has two types; the one that is read ends in `Input`.
//!
//! **Lists** have one type: `{items}` is [`Items`](shop_kit::wire::Items), and with `page`, `pageSize` and `total` it is
//! [`Page`](shop_kit::wire::Page).
//!
//! **Rows.** With the feature `sqlx` an answer is read from a row that has a column for each field, called as in Rust; a
//! word from a text, an object, a map and a list of objects from JSON. What the columns of the tables are called is
//! the statement's to say.
//!
//! Amounts of money are `i64` in fen, times are [`time::OffsetDateTime`] in RFC 3339, ids are [`uuid::Uuid`].
//!
//! **Clients** exist for operations that say who calls them (`x-called-by`), one for each boundary that answers.
#![expect(missing_docs, reason = "what a field means is the contract's to say; not every field needs it")]

#[macro_use]
mod words;

pub mod call;
mod change;
pub mod client;

pub mod admin;
pub mod ai;
pub mod commerce;
pub mod common;
pub mod gateway;
pub mod identity;
pub mod internal;
pub mod payment;

pub use change::Change;
pub use words::UnknownWord;
