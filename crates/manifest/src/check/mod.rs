//! What is wrong with the system as a whole. Every check looks at everything and stops at nothing, so that people
//! see all of it at once.

mod certificates;
mod edge;
mod environments;
mod layers;
mod needs;
mod promises;
mod routes;
mod services;

use crate::{Environment, Parsed, Problem, Report, Service, Sources};
use fairway_model::ServiceName;
use std::collections::BTreeMap;

/// Checks a system: its services, their contracts and how they hang together, its environments, and the files of its
/// configuration layers.
#[must_use]
pub fn check(parsed: &Parsed, sources: &Sources) -> Report {
    check_for(parsed, sources, None)
}

/// The same, for somebody who is about to release to one environment: what is merely worth a warning in another one
/// does not concern them.
pub(crate) fn check_for(parsed: &Parsed, sources: &Sources, only: Option<&str>) -> Report {
    let mut check = Check::new(parsed, sources, only);
    services::check(&mut check);
    needs::check(&mut check);
    routes::check(&mut check);
    promises::check(&mut check);
    environments::check(&mut check);
    edge::check(&mut check);
    certificates::check(&mut check);
    layers::check(&mut check);
    Report::new(check.problems)
}

/// The errors that can be told from a manifest of which parts could not be read: what is there and contradicts
/// itself, and never what is missing, because that may be one of the parts.
pub(crate) fn of_the_text_alone(parsed: &Parsed) -> Vec<Problem> {
    let sources = Sources::new();
    let mut check = Check::new(parsed, &sources, None);
    needs::check(&mut check);
    routes::check(&mut check);
    environments::check(&mut check);
    check.problems.retain(Problem::is_error);
    check.problems
}

/// What the checks share.
struct Check<'a> {
    parsed: &'a Parsed,
    sources: &'a Sources,
    /// The environment whose warnings are wanted; all when there is none.
    only: Option<&'a str>,
    /// For each service that is needed, one that needs it.
    needed_by: BTreeMap<&'a ServiceName, &'a ServiceName>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn new(parsed: &'a Parsed, sources: &'a Sources, only: Option<&'a str>) -> Self {
        let services = &parsed.manifest.services;
        let needs = services
            .iter()
            .flat_map(|(name, service)| service.needs.keys().map(move |needed| (needed, name)));
        Self { parsed, sources, only, needed_by: needs.collect(), problems: Vec::new() }
    }

    /// The services in the order in which they are written, so that the second of two is the one to blame.
    fn services(&self) -> Vec<(&'a ServiceName, &'a Service)> {
        let mut services: Vec<_> = self.parsed.manifest.services.iter().collect();
        services.sort_by_cached_key(|(name, _)| self.parsed.places.key(&["services", name.as_str()]));
        services
    }

    /// The environments in the order in which they are written.
    fn environments(&self) -> Vec<(&'a str, &'a Environment)> {
        let environments = &self.parsed.manifest.environments;
        let mut environments: Vec<_> =
            environments.iter().map(|(name, spec)| (name.as_str(), spec)).collect();
        environments.sort_by_cached_key(|(name, _)| self.parsed.places.key(&["environments", name]));
        environments
    }

    /// Warnings about this environment are wanted.
    fn concerns(&self, environment: &str) -> bool {
        self.only.is_none_or(|only| only == environment)
    }

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
