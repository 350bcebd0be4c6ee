//! A workbook with one sheet of texts.
//!
//! The smallest `.xlsx` there is: five files of which one has the cells as inline strings, written row by row, so
//! that it needs no more memory for a hundred thousand rows than for ten. A library that can do colours and charts
//! would be larger than this service.

use std::fmt::Write as _;
use std::io::{Cursor, Seek, Write};

use thiserror::Error;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Characters a cell may have, by the format.
const LONGEST: usize = 32_767;

/// The workbook could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// It could not be packed.
    #[error("the workbook could not be packed")]
    Zip(#[from] zip::result::ZipError),
    /// It could not be written.
    #[error("the workbook could not be written")]
    Io(#[from] std::io::Error),
}

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const ROOT: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
const SHEET: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#;

/// A workbook that is being written.
pub struct SheetWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
    line: String,
    rows: usize,
}

impl<W: Write + Seek> SheetWriter<W> {
    /// Begins a workbook with one sheet of that name.
    ///
    /// # Errors
    /// When `to` can't be written.
    pub fn new(to: W, sheet: &str) -> Result<Self, WriteError> {
        let mut zip = ZipWriter::new(to);
        let mut name = String::new();
        escape(&mut name, sheet);
        let workbook = format!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>"#
        );
        for (path, content) in [
            ("[Content_Types].xml", TYPES),
            ("_rels/.rels", ROOT),
            ("xl/workbook.xml", &workbook),
            ("xl/_rels/workbook.xml.rels", BOOK),
            ("xl/worksheets/sheet1.xml", SHEET),
        ] {
            zip.start_file(path, SimpleFileOptions::default().large_file(path.ends_with("sheet1.xml")))?;
            zip.write_all(content.as_bytes())?;
        }
        Ok(Self { zip, line: String::new(), rows: 0 })
    }

    /// Adds a row. Texts stay texts: a cell that begins with `=` is no formula.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) -> Result<(), WriteError> {
        self.rows += 1;
        self.line.clear();
        let _to_a_string = write!(self.line, r#"<row r="{}">"#, self.rows);
        for cell in cells {
            self.line.push_str(r#"<c t="inlineStr"><is><t xml:space="preserve">"#);
            escape(&mut self.line, cell.as_ref());
            self.line.push_str("</t></is></c>");
        }
        self.line.push_str("</row>");
        Ok(self.zip.write_all(self.line.as_bytes())?)
    }

    /// Ends the workbook and gives back what it was written to.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.zip.write_all(b"</sheetData></worksheet>")?;
        Ok(self.zip.finish()?)
    }
}

/// A whole workbook in memory: for small ones.
///
/// # Errors
/// When it can't be packed.
pub fn write<C: AsRef<str>>(
    sheet: &str,
    rows: impl IntoIterator<Item = impl IntoIterator<Item = C>>,
) -> Result<Vec<u8>, WriteError> {
    let mut writer = SheetWriter::new(Cursor::new(Vec::new()), sheet)?;
    for row in rows {
        writer.row(row)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Text for XML; characters that XML 1.0 has no way to write are left out.
fn escape(to: &mut String, text: &str) {
    for character in text.chars().take(LONGEST) {
        match character {
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '&' => to.push_str("&amp;"),
            '"' => to.push_str("&quot;"),
            '\r' => to.push_str("&#13;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheets::{Template, column, read};

    const TEMPLATE: Template =
        Template { name: "t", columns: &[column("A"), column("B")], required: &[0], one_of: &[] };

    #[test]
    fn what_is_written_can_be_read() {
        let rows = [["A", "B"], ["=1+1", "a<b> & \"c\"\u{1}"], ["钢管\n两行", "00123"]];
        let bytes = write("需求 <导出>", rows).unwrap();
        let rows = read(&bytes, &TEMPLATE).unwrap();
        let cells: Vec<_> = rows.iter().map(|row| [row.get(0), row.get(1)]).collect();
        assert_eq!(cells, [["=1+1", "a<b> & \"c\""], ["钢管\n两行", "00123"]]);
    }
}
