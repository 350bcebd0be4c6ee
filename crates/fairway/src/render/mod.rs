//! Words for a terminal. Nothing here decides anything.

pub(crate) mod columns;
pub(crate) mod error;
mod guard;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod release;
pub(crate) mod routes;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod top;

use owo_colors::{OwoColorize, Style};

/// Whether and how to colour.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
}

impl Paint {
    fn with(self, style: Style, text: impl std::fmt::Display) -> String {
        if self.colour { text.style(style).to_string() } else { text.to_string() }
    }

    pub(crate) fn bold(self, text: impl std::fmt::Display) -> String {
        self.with(Style::new().bold(), text)
    }

    pub(crate) fn dim(self, text: impl std::fmt::Display) -> String {
        self.with(Style::new().dimmed(), text)
    }

    pub(crate) fn good(self, text: impl std::fmt::Display) -> String {
        self.with(Style::new().green(), text)
    }

    pub(crate) fn bad(self, text: impl std::fmt::Display) -> String {
        self.with(Style::new().red().bold(), text)
    }

    pub(crate) fn warn(self, text: impl std::fmt::Display) -> String {
        self.with(Style::new().yellow(), text)
    }
}

/// `1 service`, `2 services`.
pub(crate) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
