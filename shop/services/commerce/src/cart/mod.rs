//! What a user keeps: a cart and its spreadsheet import, a wishlist, addresses.

pub mod addresses;
pub mod imports;
pub mod items;
pub mod matching;
pub mod wishlist;
