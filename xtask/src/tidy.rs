//! The architecture's invariants as a program: what `ARCHITECTURE.md` says, checked.

use crate::layers::{FORBIDDEN, IMPURE_CRATES, IMPURE_PATHS, is_pure, place};
use std::fmt;

/// The longest source file that is tolerated; past that it usually holds two things.
const MAX_LINES: usize = 800;

/// One crate of the workspace, as far as the rules care.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Normal (not development) dependencies.
    pub(crate) dependencies: Vec<String>,
    /// (path relative to the repository, text) of each source file.
    pub(crate) sources: Vec<(String, String)>,
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: String,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Checks all packages against all rules.
pub(crate) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let mut report =
            |place: &str, message: String| problems.push(Problem { place: place.to_owned(), message });
        arrows(package, packages, &mut report);
        purity(package, &mut report);
        words(package, &mut report);
        sources(package, &mut report);
    }
    problems
}

fn arrows(package: &Package, all: &[Package], report: &mut dyn FnMut(&str, String)) {
    let ours = |name: &str| name == "fairway" || name.starts_with("fairway-");
    let Some(from) = place(&package.name) else {
        if ours(&package.name) {
            report(
                &package.name,
                "stands on no floor; add it to xtask/src/layers.rs and ARCHITECTURE.md".to_owned(),
            );
        }
        return;
    };
    for dependency in package.dependencies.iter().filter(|d| all.iter().any(|p| p.name == **d)) {
        match place(dependency) {
            Some(to) if to > from => {
                report(
                    &package.name,
                    format!("depends on {dependency}, which stands above it: arrows only point down"),
                );
            }
            Some(_) => {}
            None if ours(dependency) => {
                report(&package.name, format!("depends on {dependency}, which stands on no floor"))
            }
            None => {
                report(&package.name, format!("depends on {dependency}, which is not part of the platform"))
            }
        }
        for (who, whom, why) in FORBIDDEN {
            if package.name == *who && dependency == whom {
                report(&package.name, format!("must not know {whom}: {why}"));
            }
        }
    }
}

fn purity(package: &Package, report: &mut dyn FnMut(&str, String)) {
    if !is_pure(&package.name) {
        return;
    }
    for dependency in &package.dependencies {
        if IMPURE_CRATES.contains(&dependency.as_str()) {
            report(&package.name, format!("is pure and depends on {dependency}: effects belong to the rim"));
        }
    }
    for (path, text) in &package.sources {
        if !path.contains("/src/") {
            continue;
        }
        for (number, line) in production_lines(text) {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = IMPURE_PATHS.iter().find(|word| code.contains(**word)) {
                report(
                    &format!("{path}:{number}"),
                    format!("names `{word}` in a pure crate: take it as an argument"),
                );
            }
        }
    }
}

/// The lines of a file before its test module, numbered from one.
fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
}

fn words(package: &Package, report: &mut dyn FnMut(&str, String)) {
    // The shop is a user's system; how it describes its crates is its own affair.
    if place(&package.name).is_none() {
        return;
    }
    let sentence = package.description.trim();
    if !sentence.ends_with('.') || sentence.len() < 20 {
        report(&package.name, "needs a one-sentence description in Cargo.toml".to_owned());
    }
    let entry = package
        .sources
        .iter()
        .find(|(path, _)| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs"));
    if let Some((path, text)) = entry
        && text.lines().next() != Some(&format!("//! {sentence}"))
    {
        report(path, format!("must open with the crate's sentence: `//! {sentence}`"));
    }
}

fn sources(package: &Package, report: &mut dyn FnMut(&str, String)) {
    for (path, text) in &package.sources {
        let lines = text.lines().count();
        // How long a generated file is follows from what it is generated from.
        let generated = text.lines().take(5).any(|line| line.contains("by `cargo xtask generate`"));
        if lines > MAX_LINES && !generated {
            report(path, format!("has {lines} lines; past {MAX_LINES} a file holds two things"));
        }
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[ignore") {
                report(&format!("{path}:{}", index + 1), "an ignored test proves nothing".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str], source: &str) -> Package {
        let description = "A sentence that says what it is.".to_owned();
        Package {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(|d| (*d).to_owned()).collect(),
            sources: vec![(format!("crates/{name}/src/lib.rs"), format!("//! {description}\n{source}"))],
            description,
        }
    }

    fn found(packages: &[Package]) -> String {
        check(packages).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_tidy_house_is_quiet() {
        let house =
            [package("fairway-model", &["serde"], ""), package("fairway-plan", &["fairway-model"], "")];
        assert_eq!(found(&house), "");
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let house = [package("fairway-model", &["fairway-plan"], ""), package("fairway-plan", &[], "")];
        assert!(found(&house).contains("depends on fairway-plan, which stands above it"));
    }

    #[test]
    fn a_forbidden_arrow_is_found_with_its_reason() {
        let house = [package("fairway-plan", &[], ""), package("fairway-agent", &["fairway-plan"], "")];
        assert!(found(&house).contains("does not make them"));
    }

    #[test]
    fn effects_in_a_pure_room_are_found() {
        let house = [package("fairway-plan", &["tokio"], "fn f() { std::fs::read(\"x\"); }\n")];
        let found = found(&house);
        assert!(found.contains("depends on tokio") && found.contains("lib.rs:2: names `std::fs`"), "{found}");
    }

    #[test]
    fn tests_of_a_pure_room_may_touch_files() {
        let house = [package("fairway-plan", &[], "#[cfg(test)]\nmod tests { use std::fs; }\n")];
        assert_eq!(found(&house), "");
    }

    #[test]
    fn a_crate_without_its_sentence_is_found() {
        let mut silent = package("fairway-plan", &[], "");
        silent.sources[0].1 = "//! Something else.\n".to_owned();
        assert!(found(&[silent]).contains("must open with the crate's sentence"));
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_generated() {
        let long = "fn f() {}\n".repeat(MAX_LINES + 1);
        assert!(found(&[package("fairway-plan", &[], &long)]).contains("a file holds two things"));
        let generated = format!("//!\n//! Generated from `a` by `cargo xtask generate`.\n{long}");
        assert_eq!(found(&[package("fairway-plan", &[], &generated)]), "");
    }

    #[test]
    fn an_unknown_room_is_found() {
        assert!(found(&[package("fairway-attic", &[], "")]).contains("stands on no floor"));
    }
}
