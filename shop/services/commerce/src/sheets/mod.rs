//! Spreadsheets: bytes in, rows of text out. Pure, but for the time it takes.
//!
//! Workbooks come from anybody with a cart, so they are looked through before they are opened ([`guard`]): a file
//! of some kilobytes can claim to be gigabytes. The first sheet counts; its first row names the columns, in any
//! order and any spelling of case, blanks and underlines.

mod guard;
mod read;
mod write;

use serde_json::{Value, json};
use shop_kit::ApiError;
use thiserror::Error;

pub use read::read;
pub use write::{SheetWriter, WriteError, write};

/// Rows of data a sheet may have.
pub const MOST_ROWS: u32 = 5000;

/// A column that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What it is called.
    pub name: &'static str,
    /// What else it may be called.
    pub also: &'static [&'static str],
}

/// A column with one name.
pub const fn column(name: &'static str) -> Column {
    Column { name, also: &[] }
}

/// What a sheet must look like.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// What it is called in answers, e.g. `cart_import`.
    pub name: &'static str,
    /// Its columns; a row is read by their position here.
    pub columns: &'static [Column],
    /// Positions of columns that must be there.
    pub required: &'static [usize],
    /// Positions of columns of which one must be there.
    pub one_of: &'static [usize],
}

/// One row of data: texts without surrounding blanks, in the order of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row of the worksheet, from 1; the first row of data is usually 2.
    pub number: i32,
    cells: Vec<String>,
}

impl Row {
    /// The cell of a column; empty when there is none.
    pub fn get(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// A sheet that can't be used; nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SheetError {
    /// Not a workbook, or a damaged one, or one that pretends to be what it is not.
    #[error("invalid excel file")]
    Unreadable,
    /// Only a header, or not even that.
    #[error("no data rows")]
    NoRows,
    /// More rows than [`MOST_ROWS`].
    #[error("too many data rows; at most {MOST_ROWS} are read")]
    TooManyRows,
    /// Columns are missing.
    #[error("missing required headers")]
    Headers {
        /// Names of columns that must be there.
        missing: Vec<&'static str>,
        /// Names of columns of which one must be there.
        groups: Vec<Vec<&'static str>>,
    },
}

impl SheetError {
    /// The answer to whoever sent the sheet.
    pub fn answer(&self, template: &Template) -> ApiError {
        let name = template.name;
        let reason = |reason: &str| json!({ "template": name, "reason": reason });
        let details: Value = match self {
            Self::Unreadable => reason("invalid_excel"),
            Self::NoRows => reason("no_data_rows"),
            Self::TooManyRows => reason("too_many_rows"),
            Self::Headers { missing, groups } => json!({
                "template": name,
                "missingHeaders": missing,
                "missingHeaderGroups": groups,
                "expectedHeaders": template.columns.iter().map(|c| c.name).collect::<Vec<_>>(),
            }),
        };
        ApiError::invalid(self.to_string()).with_details(details)
    }
}
