//! Cargo packages with a binary.

use super::{Detected, DetectedProject, ProjectKind, Repository, label, toml_text};
use fairway_model::SystemName;

pub(super) fn detect(repository: &Repository<'_>, detected: &mut Detected) {
    for (directory, text) in repository.named("Cargo.toml") {
        let Some(package) = toml_text(text, "package", "name") else { continue };
        let binary = match toml_text(text, "bin", "name") {
            Some(binary) => binary,
            None if repository.text(directory, "src/main.rs").is_some() => package,
            None => {
                let reason = format!("the Cargo package `{package}` has no binary");
                detected.skipped.push((super::inside(directory, "Cargo.toml"), reason));
                continue;
            }
        };
        let Some(name) = label(package) else { continue };
        if directory.is_empty() {
            detected.system = detected.system.take().or_else(|| SystemName::new(name.as_str()).ok());
        }
        let kind = ProjectKind::Cargo { package: package.to_owned(), binary: binary.to_owned() };
        detected.projects.push(DetectedProject::new(repository, name, directory, kind));
    }
}
