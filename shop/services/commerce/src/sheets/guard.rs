//! What a workbook claims to be, looked at before a library believes it.
//!
//! An `.xlsx` is a zip: everything in it is unpacked once, counting, because the sizes written in a zip are only
//! claims, and so is the number of strings. An `.xls` is a chain of records: places of cells are two numbers of 16
//! bits, and a reader makes a table that reaches from the first to the last of them.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use super::{MOST_ROWS, SheetError};

/// Bytes that a workbook may have when it is unpacked.
const LARGEST: u64 = 96 << 20;
/// Parts that it may have.
const MOST_PARTS: usize = 1000;
/// Different strings that it may have.
const MOST_STRINGS: u64 = 1_000_000;
/// Columns of an `.xls` file by its format, and cells of all sheets that are worth a table.
const XLS_COLUMNS: u32 = 256;
const XLS_CELLS: u64 = 4_000_000;

/// What kind of workbook it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A zip of XML files.
    Xlsx,
    /// A compound file with a stream of records.
    Xls,
}

/// Tells the kind by its first bytes and refuses what would take too much to open.
pub(super) fn look(bytes: &[u8]) -> Result<Kind, SheetError> {
    if bytes.starts_with(b"PK\x03\x04") {
        unpack(bytes)?;
        Ok(Kind::Xlsx)
    } else if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
        follow(bytes)?;
        Ok(Kind::Xls)
    } else {
        Err(SheetError::Unreadable)
    }
}

fn unpack(bytes: &[u8]) -> Result<(), SheetError> {
    let unreadable = |_: zip::result::ZipError| SheetError::Unreadable;
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    if zip.len() > MOST_PARTS {
        return Err(SheetError::Unreadable);
    }
    let mut left = LARGEST;
    for index in 0..zip.len() {
        let part = zip.by_index(index).map_err(unreadable)?;
        let name = part.name().map_err(unreadable)?;
        let strings = name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let mut part = part.take(left + 1);
        let read = if strings {
            let mut content = Vec::new();
            let read = part.read_to_end(&mut content).map_err(|_| SheetError::Unreadable)?;
            check_strings(&content)?;
            read as u64
        } else {
            std::io::copy(&mut part, &mut std::io::sink()).map_err(|_| SheetError::Unreadable)?
        };
        left = left.checked_sub(read).ok_or(SheetError::Unreadable)?;
    }
    Ok(())
}

/// A reader reserves room for as many strings as the file says it has.
fn check_strings(xml: &[u8]) -> Result<(), SheetError> {
    // Every program writes UTF-8; in another encoding the number could not be found here.
    let start = String::from_utf8_lossy(&xml[..xml.len().min(200)]).to_ascii_lowercase();
    if xml.contains(&0) || (start.contains("encoding=") && !start.contains("utf-8")) {
        return Err(SheetError::Unreadable);
    }
    const NAME: &[u8] = b"uniqueCount";
    for place in memchr::memmem::find_iter(xml, NAME) {
        let after = &xml[place + NAME.len()..];
        let digits = after.iter().skip_while(|b| matches!(b, b'=' | b'"' | b'\'') || b.is_ascii_whitespace());
        let number = digits.take_while(|b| b.is_ascii_digit());
        let number = number.fold(0_u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
        if number > MOST_STRINGS {
            return Err(SheetError::Unreadable);
        }
    }
    Ok(())
}

fn follow(bytes: &[u8]) -> Result<(), SheetError> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|_| SheetError::Unreadable)?;
    let mut seen = false;
    for name in ["/Workbook", "/Book"] {
        if !file.is_stream(name) {
            continue;
        }
        let mut records = Vec::new();
        let stream = file.open_stream(name).map_err(|_| SheetError::Unreadable)?;
        stream.take(LARGEST).read_to_end(&mut records).map_err(|_| SheetError::Unreadable)?;
        check_records(&records)?;
        seen = true;
    }
    if seen { Ok(()) } else { Err(SheetError::Unreadable) }
}

/// Every cell must lie in a small table, and every sheet begin where a sheet begins.
fn check_records(bytes: &[u8]) -> Result<(), SheetError> {
    const BEGIN: u16 = 0x0809;
    const SHEET: u16 = 0x0085;
    const DIMENSIONS: u16 = 0x0200;
    const CELLS: [u16; 9] = [0x0006, 0x00BD, 0x00D6, 0x00FD, 0x0203, 0x0204, 0x0205, 0x027E, 0x0207];
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));

    let (mut begins, mut sheets) = (BTreeSet::new(), BTreeSet::new());
    let (mut rows, mut columns, mut cells) = (0_u32, 0_u32, 0_u64);
    let mut at = 0;
    while let (Some(kind), Some(length)) = (u16_at(at), u16_at(at + 2)) {
        let data = at + 4;
        match kind {
            BEGIN => {
                begins.insert(at);
                cells += u64::from(rows) * u64::from(columns);
                (rows, columns) = (0, 0);
            }
            SHEET => {
                sheets.insert(u32_at(data).ok_or(SheetError::Unreadable)? as usize);
            }
            DIMENSIONS => {
                let (Some(last_row), Some(last_column)) = (u32_at(data + 4), u16_at(data + 10)) else {
                    return Err(SheetError::Unreadable);
                };
                rows = rows.max(last_row);
                columns = columns.max(last_column.into());
            }
            _ if CELLS.contains(&kind) => {
                let (Some(row), Some(column)) = (u16_at(data), u16_at(data + 2)) else {
                    return Err(SheetError::Unreadable);
                };
                rows = rows.max(u32::from(row) + 1);
                columns = columns.max(u32::from(column) + 1);
            }
            _ => {}
        }
        if columns > XLS_COLUMNS {
            return Err(SheetError::Unreadable);
        }
        if rows > 65_536 {
            return Err(SheetError::Unreadable);
        }
        at = data + usize::from(length);
    }
    cells += u64::from(rows) * u64::from(columns);
    if cells > XLS_CELLS {
        return Err(if rows > MOST_ROWS { SheetError::TooManyRows } else { SheetError::Unreadable });
    }
    if sheets.is_subset(&begins) { Ok(()) } else { Err(SheetError::Unreadable) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_bomb_is_not_opened() {
        let bomb = zip_of("xl/worksheets/sheet1.xml", &vec![b' '; LARGEST as usize + 1]);
        assert!(bomb.len() < 1 << 20, "{} bytes claim to be 96 MB", bomb.len());
        assert_eq!(look(&bomb), Err(SheetError::Unreadable));
        assert_eq!(look(&zip_of("a", b"small")), Ok(Kind::Xlsx));
    }

    #[test]
    fn a_false_number_of_strings_is_not_believed() {
        let check = |xml: &[u8], expect: Result<Kind, SheetError>| {
            assert_eq!(
                look(&zip_of("xl/sharedStrings.xml", xml)),
                expect,
                "{}",
                String::from_utf8_lossy(xml)
            );
        };
        check(br#"<sst count="3" uniqueCount="3">"#, Ok(Kind::Xlsx));
        check(br#"<sst uniqueCount="99999999999999">"#, Err(SheetError::Unreadable));
        check(b"<sst uniqueCount = '1000001'>", Err(SheetError::Unreadable));
        check(b"<\0s\0s\0t\0", Err(SheetError::Unreadable));
        check(br#"<?xml version="1.0" encoding="UTF-16"?><sst>"#, Err(SheetError::Unreadable));
    }

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat()
    }

    fn cell(row: u16, column: u16) -> Vec<u8> {
        record(0x0203, &[&row.to_le_bytes()[..], &column.to_le_bytes(), &[0; 10]].concat())
    }

    #[test]
    fn cells_far_away_are_no_table() {
        let check = |records: Vec<Vec<u8>>, expect: Result<(), SheetError>| {
            assert_eq!(check_records(&records.concat()), expect, "{records:?}");
        };
        let begin = || record(0x0809, &[0; 8]);
        check(vec![begin(), cell(0, 0), cell(4999, 20)], Ok(()));
        check(vec![begin(), cell(0, 256)], Err(SheetError::Unreadable));
        check(vec![begin(), cell(0, 0), cell(65_535, 255)], Err(SheetError::TooManyRows));
        // Many sheets, each with a modest table.
        let sheet = || [begin(), cell(4000, 250)].concat();
        check(vec![sheet(), sheet(), sheet(), sheet()], Err(SheetError::Unreadable));
        let wide = record(0x0200, &[[0xFF; 8].as_slice(), &[0, 0, 255, 0, 0, 0]].concat());
        check(vec![begin(), wide], Err(SheetError::Unreadable));
        // A sheet that begins inside of another record would hide its cells from this look.
        check(vec![begin(), record(0x0085, &[7, 0, 0, 0, 0, 0, 0, 0])], Err(SheetError::Unreadable));
        check(vec![begin(), record(0x0085, &[0, 0, 0, 0, 0, 0, 0, 0])], Ok(()));
    }
}
