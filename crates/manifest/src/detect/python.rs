//! Python programs.

use super::{Detected, DetectedProject, ProjectKind, Repository, inside, label, last_part, toml_text};
use fairway_model::SystemName;
use std::collections::BTreeSet;

/// Files that usually start a program, the likeliest first.
const ENTRIES: [&str; 5] = ["main.py", "app.py", "server.py", "src/main.py", "__main__.py"];

pub(super) fn detect(repository: &Repository<'_>, detected: &mut Detected) {
    let directories: BTreeSet<&str> = ["pyproject.toml", "requirements.txt", "setup.py"]
        .iter()
        .flat_map(|file| repository.named(file))
        .map(|(directory, _)| directory)
        .collect();
    for directory in directories {
        let pyproject = repository.text(directory, "pyproject.toml").unwrap_or_default();
        let named =
            toml_text(pyproject, "project", "name").or_else(|| toml_text(pyproject, "tool.poetry", "name"));
        let name = named.or_else(|| last_part(directory)).and_then(label);
        if directory.is_empty()
            && let Some(name) = &name
        {
            detected.system = detected.system.take().or_else(|| SystemName::new(name.as_str()).ok());
        }
        let entry = ENTRIES.iter().find(|entry| repository.text(directory, entry).is_some());
        match (entry, name.or_else(|| label("app"))) {
            (Some(entry), Some(name)) => {
                let kind = ProjectKind::Python { entry: (*entry).to_owned() };
                detected.projects.push(DetectedProject::new(repository, name, directory, kind));
            }
            _ => {
                let reason = format!("the Python project has none of {}", ENTRIES.join(", "));
                detected.skipped.push((inside(directory, "pyproject.toml"), reason));
            }
        }
    }
}
