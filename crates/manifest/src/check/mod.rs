//! What is wrong with the system as a whole. Every check looks at everything and stops at nothing, so that people
//! see all of it at once.

mod environments;
mod layers;
mod needs;
mod promises;
mod routes;
mod services;

use crate::{Parsed, Problem, Report, Sources};

/// Checks a system: its services, their contracts and how they hang together, its environments, and the files of its
/// configuration layers.
#[must_use]
pub fn check(parsed: &Parsed, sources: &Sources) -> Report {
    let mut check = Check { parsed, sources, problems: Vec::new() };
    services::check(&mut check);
    needs::check(&mut check);
    routes::check(&mut check);
    promises::check(&mut check);
    environments::check(&mut check);
    layers::check(&mut check);
    Report::new(check.problems)
}

/// What the checks share.
struct Check<'a> {
    parsed: &'a Parsed,
    sources: &'a Sources,
    problems: Vec<Problem>,
}

impl Check<'_> {
    /// An error about the value at a path of the manifest.
    fn error(&mut self, path: &[&str], rule: &str, message: String, help: Option<String>) {
        let span = self.parsed.places.value(path);
        self.problems.push(Problem::error(&self.parsed.file, span, rule, message).maybe_help(help));
    }

    /// An error about the key at a path of the manifest.
    fn error_at_key(&mut self, path: &[&str], rule: &str, message: String, help: Option<String>) {
        let span = self.parsed.places.key(path);
        self.problems.push(Problem::error(&self.parsed.file, span, rule, message).maybe_help(help));
    }

    /// A warning about the key at a path of the manifest.
    fn warn_at_key(&mut self, path: &[&str], rule: &str, message: String, help: Option<String>) {
        let span = self.parsed.places.key(path);
        self.problems.push(Problem::warning(&self.parsed.file, span, rule, message).maybe_help(help));
    }

    /// `line 12`, for a second place in a message.
    fn line(&self, path: &[&str]) -> String {
        format!("line {}", self.parsed.places.key(path).line)
    }
}
