//! A screen of its own on the terminal, which is as before when it is gone.

use std::io::{self, Write};

/// The other screen of the terminal, without a cursor. Dropping it brings back the usual one, also in a panic.
#[derive(Debug)]
pub(crate) struct Screen(());

impl Screen {
    pub(crate) fn open() -> io::Result<Self> {
        write("\u{1b}[?1049h\u{1b}[?25l")?;
        Ok(Self(()))
    }

    /// Draws lines over what is there, with one call, so that nothing flickers. Lines beyond the last row are left
    /// out; lines must not be wider than the terminal.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let height = usize::from(console::Term::stdout().size().0);
        write(&page(lines, height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone, and then there is nothing to bring back.
        let _ = write("\u{1b}[?25h\u{1b}[?1049l");
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// From the upper left corner: each line, then nothing up to the end of its row; then nothing below.
fn page(lines: &[String], height: usize) -> String {
    let mut page = "\u{1b}[H".to_owned();
    for (at, line) in lines.iter().take(height).enumerate() {
        if at > 0 {
            page.push_str("\r\n");
        }
        page.push_str(line);
        page.push_str("\u{1b}[K");
    }
    page + "\u{1b}[J"
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_page_never_scrolls() {
        let lines: Vec<String> = (0..5).map(|number| format!("line {number}")).collect();
        let page = super::page(&lines, 3);
        assert_eq!(page, "\u{1b}[Hline 0\u{1b}[K\r\nline 1\u{1b}[K\r\nline 2\u{1b}[K\u{1b}[J");
        assert_eq!(super::page(&[], 3), "\u{1b}[H\u{1b}[J");
    }
}
