//! Products from a spreadsheet.

pub(super) mod images;
pub(super) mod import;
pub mod plan;
mod report;
