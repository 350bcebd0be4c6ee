//! From a workbook to rows.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::panic::catch_unwind;

use calamine::{DataRef, DataType, ExcelDateTime, Reader, Xls, Xlsx};

use super::guard::{Kind, look};
use super::{MOST_ROWS, Row, SheetError, Template};

/// Columns that are looked at.
const MOST_COLUMNS: u32 = 256;
/// Characters of a cell that are kept.
const LONGEST: usize = 10_000;

/// Rows and columns of texts, from 0; only what is not blank.
type Grid = BTreeMap<u32, BTreeMap<u32, String>>;

/// The rows of the first sheet of an `.xlsx` or `.xls` file, without blank ones.
///
/// # Errors
/// When it is no workbook, has too much or nothing in it, or lacks columns.
pub fn read(bytes: &[u8], template: &Template) -> Result<Vec<Row>, SheetError> {
    let kind = look(bytes)?;
    // The library is careful, but the file is a stranger's.
    let grid = catch_unwind(|| match kind {
        Kind::Xlsx => read_xlsx(bytes),
        Kind::Xls => read_xls(bytes),
    });
    rows(grid.map_err(|_| SheetError::Unreadable)??, template)
}

fn read_xlsx(bytes: &[u8]) -> Result<Grid, SheetError> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| SheetError::Unreadable)?;
    let first = book.sheet_names().into_iter().next().ok_or(SheetError::Unreadable)?;
    let mut cells = book.worksheet_cells_reader(&first).map_err(|_| SheetError::Unreadable)?;
    let mut grid = Grid::new();
    while let Some(cell) = cells.next_cell().map_err(|_| SheetError::Unreadable)? {
        let (row, column) = cell.get_position();
        let text = match cell.get_value() {
            DataRef::DateTime(time) => date(time),
            value => text(value),
        };
        put(&mut grid, row, column, text)?;
    }
    Ok(grid)
}

fn read_xls(bytes: &[u8]) -> Result<Grid, SheetError> {
    let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(|_| SheetError::Unreadable)?;
    let sheet = book.worksheet_range_at(0).ok_or(SheetError::Unreadable)?;
    let sheet = sheet.map_err(|_| SheetError::Unreadable)?;
    let (first_row, first_column) = sheet.start().unwrap_or_default();
    let mut grid = Grid::new();
    for (row, column, value) in sheet.used_cells() {
        let text = match value {
            calamine::Data::DateTime(time) => date(time),
            value => text(value),
        };
        let place =
            |start: u32, offset: usize| u32::try_from(offset).unwrap_or(u32::MAX).saturating_add(start);
        put(&mut grid, place(first_row, row), place(first_column, column), text)?;
    }
    Ok(grid)
}

fn put(grid: &mut Grid, row: u32, column: u32, text: String) -> Result<(), SheetError> {
    let text: String = text.trim().chars().filter(|c| *c != '\0').take(LONGEST).collect();
    if text.is_empty() || column >= MOST_COLUMNS {
        return Ok(());
    }
    grid.entry(row).or_default().insert(column, text);
    // One row more than data: the header.
    if grid.len() > MOST_ROWS as usize + 1 { Err(SheetError::TooManyRows) } else { Ok(()) }
}

/// A cell as a program would show it: whole numbers without a fraction.
fn text(value: &impl DataType) -> String {
    if let Some(number) = value.get_float() {
        // Display of f64 is the shortest text that reads back: 3, 12.5, 0.1.
        return format!("{number}");
    }
    if let Some(yes) = value.get_bool() {
        return if yes { "TRUE" } else { "FALSE" }.to_owned();
    }
    value.as_string().unwrap_or_default()
}

/// A date as `YYYY-MM-DD`, with a time as RFC 3339.
fn date(value: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) {
        date
    } else {
        format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Only letters and digits, in lower case: `SKU ID`, `sku_id` and `SkuId` are one name.
fn plain(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn rows(mut grid: Grid, template: &Template) -> Result<Vec<Row>, SheetError> {
    let header = match grid.first_key_value() {
        None => return Err(SheetError::NoRows),
        // The header is the first row of the sheet; without one nothing can be found.
        Some((0, _)) => grid.remove(&0).unwrap_or_default(),
        Some(_) => BTreeMap::new(),
    };
    let mut places: Vec<Option<u32>> = vec![None; template.columns.len()];
    for (place, name) in header {
        let name = plain(&name);
        let known = template.columns.iter().position(|column| {
            plain(column.name) == name || column.also.iter().any(|also| plain(also) == name)
        });
        if let Some(known) = known {
            places[known] = Some(place);
        }
    }
    let absent = |column: &&usize| places[**column].is_none();
    let name = |column: &usize| template.columns[*column].name;
    let missing: Vec<_> = template.required.iter().filter(absent).map(name).collect();
    let groups = if !template.one_of.is_empty() && template.one_of.iter().all(|c| places[*c].is_none()) {
        vec![template.one_of.iter().map(name).collect()]
    } else {
        Vec::new()
    };
    if !missing.is_empty() || !groups.is_empty() {
        return Err(SheetError::Headers { missing, groups });
    }
    let rows: Vec<Row> = grid
        .into_iter()
        .filter_map(|(number, mut texts)| {
            let cells: Vec<String> = places
                .iter()
                .map(|place| place.and_then(|place| texts.remove(&place)).unwrap_or_default())
                .collect();
            let number = i32::try_from(number).ok()?.checked_add(1)?;
            cells.iter().any(|cell| !cell.is_empty()).then_some(Row { number, cells })
        })
        .collect();
    if rows.is_empty() { Err(SheetError::NoRows) } else { Ok(rows) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sheets::{column, write};

    const TEMPLATE: Template = Template {
        name: "t",
        columns: &[column("SKU ID"), column("Name"), column("Qty")],
        required: &[2],
        one_of: &[0, 1],
    };

    fn sheet(rows: &[&[&str]]) -> Vec<u8> {
        write("Sheet", rows.iter().map(|row| row.iter())).unwrap()
    }

    fn check(rows: &[&[&str]], expect: Result<&[(i32, [&str; 3])], SheetError>) {
        let got = read(&sheet(rows), &TEMPLATE);
        let got = got
            .as_ref()
            .map(|rows| rows.iter().map(|r| (r.number, [r.get(0), r.get(1), r.get(2)])).collect::<Vec<_>>());
        assert_eq!(got, expect.as_ref().map(|rows| rows.to_vec()), "{rows:?}");
    }

    #[test]
    fn columns_are_found_by_name() {
        check(&[&["qty", " NAME ", "sku_id"], &["3", "Pipe", "x"]], Ok(&[(2, ["x", "Pipe", "3"])]));
        check(&[&["Qty", "Name"], &["", ""], &["1", " a "]], Ok(&[(3, ["", "a", "1"])]));
        check(&[&["Name", "Name", "Qty"], &["first", "last", "1"]], Ok(&[(2, ["", "last", "1"])]));
        check(
            &[&["Qty", "Name", "Other"], &["", "", "only in a column nobody asked for"]],
            Err(SheetError::NoRows),
        );
    }

    #[test]
    fn what_can_not_be_read() {
        check(&[], Err(SheetError::NoRows));
        check(&[&["Qty", "Name"]], Err(SheetError::NoRows));
        let headers = |missing: &[&'static str], groups: &[Vec<&'static str>]| SheetError::Headers {
            missing: missing.to_vec(),
            groups: groups.to_vec(),
        };
        check(&[&["Name"], &["a"]], Err(headers(&["Qty"], &[])));
        check(&[&["Qty"], &["1"]], Err(headers(&[], &[vec!["SKU ID", "Name"]])));
        check(&[&["a"], &["1"]], Err(headers(&["Qty"], &[vec!["SKU ID", "Name"]])));
        let many: Vec<&[&str]> = std::iter::once(["Qty", "Name"].as_slice())
            .chain(std::iter::repeat_n(["1", "a"].as_slice(), MOST_ROWS as usize + 1))
            .collect();
        check(&many, Err(SheetError::TooManyRows));
        assert_eq!(read(b"", &TEMPLATE), Err(SheetError::Unreadable));
        assert_eq!(read(b"Qty,Name\n1,a\n", &TEMPLATE), Err(SheetError::Unreadable));
    }

    /// The file was written by another program (BIFF8): texts, a whole number, a fraction, a date.
    #[test]
    fn the_old_format() {
        let rows = read(include_bytes!("../../tests/files/cart.xls"), &TEMPLATE).unwrap();
        let rows: Vec<_> = rows.iter().map(|r| (r.number, [r.get(0), r.get(1), r.get(2)])).collect();
        assert_eq!(
            rows,
            [
                (2, ["", "Q235 焊接钢管", "3"]),
                (3, ["MET-PIPE-001", "", "2.5"]),
                (5, ["", "N95 防护口罩", "2026-03-01"]),
            ]
        );
    }

    proptest! {
        #[test]
        fn broken_files_are_refused_and_nothing_else_happens(
            place in 0..20_000_usize, byte in any::<u8>(), cut in 0..20_000_usize,
        ) {
            for whole in [sheet(&[&["Qty", "Name"], &["1", "a"]]), include_bytes!("../../tests/files/cart.xls").to_vec()] {
                let mut broken = whole.clone();
                let length = broken.len();
                broken[place % length] ^= byte;
                let _either = read(&broken, &TEMPLATE);
                let _either = read(&whole[..cut % length], &TEMPLATE);
            }
        }
    }
}
