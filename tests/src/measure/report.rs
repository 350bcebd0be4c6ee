//! Numbers as Markdown, and their place in `docs/benchmarks.md`.

use anyhow::Context;
use std::{fs, path::Path};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests per second.
    PerSecond,
    /// Microseconds.
    Micros,
    /// Given in KiB, shown in MB.
    Megabytes,
    /// KiB, shown as KB.
    Kilobytes,
}

impl Unit {
    /// A number with its unit, for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", thousands(value)),
            Self::Micros if value >= 1000.0 => format!("{:.2} ms", value / 1000.0),
            Self::Micros => format!("{value:.1} µs"),
            Self::Megabytes => format!("{:.1} MB", value / 1024.0),
            Self::Kilobytes => format!("{value:.1} KB"),
        }
    }
}

/// What is known of one proxy in one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A number from each round.
    Rounds(Vec<f64>),
    /// It does not do such a thing.
    None,
    /// A program is missing.
    Needs(&'static str),
}

/// One row of a table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was asked.
    pub label: String,
    /// What its numbers count.
    pub unit: Unit,
    /// In the order of the columns; the first is what the others are compared with.
    pub cells: Vec<Cell>,
}

impl Line {
    fn show(&self) -> String {
        let shown = self.cells.iter().enumerate().map(|(index, cell)| self.cell(index, cell));
        format!("| {} | {} |", self.label, shown.collect::<Vec<_>>().join(" | "))
    }

    fn cell(&self, index: usize, cell: &Cell) -> String {
        let values = match cell {
            Cell::None => return "-".to_owned(),
            Cell::Needs(what) => return format!("needs {what}"),
            Cell::Rounds(values) => values,
        };
        match self.cells.first() {
            // Round by round, since proxies that were measured one after the other met the same machine.
            Some(Cell::Rounds(base)) if index > 0 && base.len() == values.len() => {
                format!("{:.2}", median(values.iter().zip(base).map(|(value, base)| value / base).collect()))
            }
            _ => self.unit.show(median(values.clone())),
        }
    }
}

/// A table with these columns; nothing without rows.
pub fn table(title: &str, columns: &[String], lines: &[Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let rule = vec!["---"; columns.len() + 1].join("|");
    let rows: Vec<String> = lines.iter().map(Line::show).collect();
    format!("| {title} | {} |\n|{rule}|\n{}\n", columns.join(" | "), rows.join("\n"))
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// A whole number in groups of three digits.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Puts a text between the markers of this name in a document, or, where there are none, with markers at its end.
pub fn write(document: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let found = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let changed = replace(&found, name, text);
    fs::write(document, changed).with_context(|| format!("{} was not changed", document.display()))
}

fn replace(found: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- bench {name} -->"), format!("<!-- end of bench {name} -->"));
    let text = text.trim();
    if let Some((before, rest)) = found.split_once(&begin)
        && let Some((_, after)) = rest.split_once(&end)
    {
        return format!("{before}{begin}\n\n{text}\n\n{end}{after}");
    }
    format!("{}\n\n{begin}\n\n{text}\n\n{end}\n", found.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_shown_relative_to_the_first() {
        let line = Line {
            label: "small".to_owned(),
            unit: Unit::PerSecond,
            cells: vec![
                Cell::Rounds(vec![10_000.0, 20_000.0, 12_000.0]),
                Cell::Rounds(vec![9_000.0, 10_000.0, 24_000.0]),
                Cell::None,
                Cell::Needs("caddy"),
            ],
        };
        let columns = ["nginx", "a", "b", "c"].map(str::to_owned);
        assert_eq!(
            table("requests", &columns, &[line]),
            "| requests | nginx | a | b | c |\n|---|---|---|---|---|\n| small | 12,000/s | 0.90 | - | needs caddy |\n"
        );
        assert_eq!(table("requests", &columns, &[]), "");
    }

    #[test]
    fn without_a_first_numbers_stand_for_themselves() {
        let cells = vec![Cell::Needs("nginx"), Cell::Rounds(vec![1.0, 2.0])];
        let line = Line { label: "p99".to_owned(), unit: Unit::Micros, cells };
        assert_eq!(line.show(), "| p99 | needs nginx | 1.5 µs |");
    }

    #[test]
    fn numbers_are_grouped() {
        for (value, shown) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(thousands(value), shown);
        }
        assert_eq!(Unit::Micros.show(1234.0), "1.23 ms");
        assert_eq!(Unit::Megabytes.show(15_360.0), "15.0 MB");
    }

    #[test]
    fn a_text_replaces_the_one_between_its_markers() {
        let once = replace("# Title\n", "edge", "first\n");
        assert_eq!(once, "# Title\n\n<!-- bench edge -->\n\nfirst\n\n<!-- end of bench edge -->\n");
        let more = format!("{once}\n## After\n");
        let twice = replace(&more, "edge", "second");
        assert_eq!(twice, more.replace("first", "second"));
    }
}
