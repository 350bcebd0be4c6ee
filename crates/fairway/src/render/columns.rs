//! Columns that fit a terminal: what matters least goes first, and only then anything is cut.

use console::{measure_text_width, truncate_str};

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    head: &'static str,
    right: bool,
    /// How soon it goes when there is no room: the highest first, 0 never.
    dispensable: u8,
}

impl Column {
    /// Words.
    pub(crate) const fn words(head: &'static str) -> Self {
        Self { head, right: false, dispensable: 0 }
    }

    /// Numbers: they stand below each other's last digits.
    pub(crate) const fn numbers(head: &'static str) -> Self {
        Self { head, right: true, dispensable: 0 }
    }

    /// The same, and it goes when there is no room.
    pub(crate) const fn goes(self, dispensable: u8) -> Self {
        Self { dispensable, ..self }
    }
}

/// Lines of aligned columns with two spaces between them, none wider than `width`.
pub(crate) fn columns(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| measure_text_width(cell));
        cells.chain([columns[at].head.chars().count()]).max().unwrap_or(0)
    };
    let mut shown: Vec<(usize, usize)> = (0..columns.len()).map(|at| (at, widest(at))).collect();
    if let Some(width) = width {
        let total = |shown: &[(usize, usize)]| shown.iter().map(|(_, wide)| wide + 2).sum::<usize>();
        while total(&shown) > width + 2 {
            let dispensable = |(_, (at, _)): &(usize, &(usize, usize))| columns[*at].dispensable;
            match shown.iter().enumerate().max_by_key(dispensable) {
                Some((place, (at, _))) if columns[*at].dispensable > 0 => shown.remove(place),
                _ => break,
            };
        }
    }
    let line = |row: &[&str]| {
        let cells = shown.iter().map(|(at, wide)| {
            let text = row.get(*at).copied().unwrap_or_default();
            let blank = " ".repeat(wide.saturating_sub(measure_text_width(text)));
            if columns[*at].right { blank + text } else { text.to_owned() + &blank }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        width.map_or_else(|| line.to_owned(), |width| truncate_str(line, width, "…").into_owned())
    };
    let head: Vec<&str> = columns.iter().map(|column| column.head).collect();
    let mut lines = vec![line(&head)];
    lines.extend(rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>())));
    lines
}

/// How wide a terminal standard output is; none when it is no terminal, and lines are as long as they are.
pub(crate) fn width() -> Option<usize> {
    let out = console::Term::stdout();
    out.is_term().then(|| usize::from(out.size().1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_least_goes_first() {
        let head = [
            Column::words("SERVICE"),
            Column::numbers("REQ/S").goes(1),
            Column::words("ADDRESS").goes(2),
            Column::words("STATE"),
        ];
        let rows = [["web", "12.5", "127.0.0.1:1", "ready"].map(str::to_owned).to_vec()];
        let check = |width: Option<usize>, expect: [&str; 2]| {
            let lines = columns(&head, &rows, width);
            assert_eq!(lines, expect, "{width:?}");
            assert!(lines.iter().all(|line| width.is_none_or(|width| measure_text_width(line) <= width)));
        };
        let full = ["SERVICE  REQ/S  ADDRESS      STATE", "web       12.5  127.0.0.1:1  ready"];
        check(None, full);
        check(Some(34), full);
        check(Some(33), ["SERVICE  REQ/S  STATE", "web       12.5  ready"]);
        check(Some(20), ["SERVICE  STATE", "web      ready"]);
        check(Some(10), ["SERVICE  …", "web      …"]);
    }

    #[test]
    fn colours_have_no_width() {
        let rows = [vec!["\u{1b}[32mok\u{1b}[0m".to_owned(), "1".to_owned()]];
        let lines = columns(&[Column::words("A"), Column::numbers("B")], &rows, None);
        assert_eq!(lines, ["A   B", "\u{1b}[32mok\u{1b}[0m  1"]);
    }
}
