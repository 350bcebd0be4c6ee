//! Go programs.

use super::{Detected, DetectedProject, ProjectKind, Repository, label, last_part};
use fairway_model::SystemName;

pub(super) fn detect(repository: &Repository<'_>, detected: &mut Detected) {
    for (directory, text) in repository.named("go.mod") {
        let module = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("module "))
            .map(str::trim)
            .unwrap_or_default();
        let name = label(module).or_else(|| label(last_part(directory)?));
        if directory.is_empty()
            && let Some(name) = &name
        {
            detected.system = detected.system.take().or_else(|| SystemName::new(name.as_str()).ok());
        }
        let mut found = false;
        let mut add = |package: &str, name: Option<String>| {
            let Some(name) = name else { return };
            found = true;
            let kind = ProjectKind::Go { package: package.to_owned(), binary: name.clone() };
            detected.projects.push(DetectedProject::new(repository, name, directory, kind));
        };
        if repository.text(directory, "main.go").is_some_and(is_main) {
            add(".", name);
        }
        for (path, text) in repository.below(directory) {
            let program = path.strip_prefix("cmd/").and_then(|path| path.strip_suffix("/main.go"));
            if let Some(program) = program.filter(|program| !program.contains('/') && is_main(text)) {
                add(&format!("./cmd/{program}"), label(program));
            }
        }
        if !found {
            let reason = format!("the Go module `{module}` has no `main.go` in its root or in `cmd/<name>`");
            detected.skipped.push((super::inside(directory, "go.mod"), reason));
        }
    }
}

/// An empty text is one that was too large to be given.
fn is_main(text: &str) -> bool {
    text.is_empty() || text.lines().any(|line| line.trim() == "package main")
}
