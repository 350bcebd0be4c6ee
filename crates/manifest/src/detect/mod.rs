//! What a repository already holds, so that `fairway init` can write a manifest that fits: contracts, projects and
//! Dockerfiles, recognised by their files.

mod cargo;
mod contract;
mod go;
mod node;
mod project;
mod python;

pub use contract::DetectedContract;
pub use project::{DetectedProject, ProjectKind};

use fairway_model::SystemName;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Detected {
    /// The name of the system, when a file in the root names the repository; callers fall back to its directory.
    pub system: Option<SystemName>,
    /// The directory that holds the contracts.
    pub contracts_directory: Option<String>,
    /// OpenAPI files with paths, by file.
    pub contracts: Vec<DetectedContract>,
    /// Programs that can be services, by directory and name.
    pub projects: Vec<DetectedProject>,
    /// Projects that are not services, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Dockerfiles, which need a container runtime.
    pub dockerfiles: Vec<String>,
}

/// Looks through a repository. `files` maps paths relative to its root, with `/` between the parts, to texts; files
/// that are large or not text may have an empty one.
#[must_use]
pub fn detect(files: &BTreeMap<String, String>) -> Detected {
    let repository = Repository::new(files);
    let mut detected = Detected::default();
    contract::detect(&repository, &mut detected);
    cargo::detect(&repository, &mut detected);
    go::detect(&repository, &mut detected);
    node::detect(&repository, &mut detected);
    python::detect(&repository, &mut detected);
    detected.dockerfiles =
        repository.files().filter(|(path, _)| is_dockerfile(path)).map(|(path, _)| path.to_owned()).collect();
    detected.projects.sort_by(|a, b| (&a.directory, &a.name).cmp(&(&b.directory, &b.name)));
    unique_names(&mut detected.projects);
    detected
}

fn is_dockerfile(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Dockerfile" || name.starts_with("Dockerfile.") || name.ends_with(".Dockerfile")
}

/// Two projects of one name are told apart by a number.
fn unique_names(projects: &mut [DetectedProject]) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for project in projects {
        let count = taken.entry(project.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            project.name = format!("{}-{count}", project.name);
        }
    }
}

/// The files that people wrote.
struct Repository<'f> {
    files: BTreeMap<&'f str, &'f str>,
}

/// Directories whose content is made or borrowed.
const FOREIGN: [&str; 12] = [
    "node_modules",
    "target",
    "vendor",
    "dist",
    "build",
    ".git",
    ".venv",
    "venv",
    "__pycache__",
    ".next",
    "coverage",
    ".fairway",
];

impl<'f> Repository<'f> {
    fn new(files: &'f BTreeMap<String, String>) -> Self {
        let foreign = |part: &str| FOREIGN.contains(&part) || part == "..";
        let own = |path: &str| !path.split('/').rev().skip(1).any(foreign);
        let files = files
            .iter()
            .filter(|(path, _)| own(path))
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        Self { files }
    }

    fn files(&self) -> impl Iterator<Item = (&'f str, &'f str)> {
        self.files.iter().map(|(path, text)| (*path, *text))
    }

    /// The directory and text of every file with this name.
    fn named(&self, name: &str) -> impl Iterator<Item = (&'f str, &'f str)> {
        self.files().filter_map(move |(path, text)| match path.rsplit_once('/') {
            Some((directory, file)) => (file == name).then_some((directory, text)),
            None => (path == name).then_some(("", text)),
        })
    }

    fn text(&self, directory: &str, file: &str) -> Option<&'f str> {
        self.files.get(inside(directory, file).as_str()).copied()
    }

    /// The paths and texts of the files in a directory and below it, the path relative to it.
    fn below(&self, directory: &str) -> impl Iterator<Item = (&'f str, &'f str)> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        self.files().filter_map(move |(path, text)| Some((path.strip_prefix(prefix.as_str())?, text)))
    }
}

/// A path inside a directory; the root is the empty directory.
fn inside(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

/// The last part of a directory.
fn last_part(directory: &str) -> Option<&str> {
    directory.rsplit('/').next().filter(|part| !part.is_empty())
}

/// A text as a name of a service or system: lower case, with hyphens for everything else.
fn label(text: &str) -> Option<String> {
    // Scopes (`@shop/web`) and module paths (`example.com/shop/web`) end with the name.
    let text = text.rsplit('/').next().unwrap_or(text);
    let mut label = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => label.push(c),
            _ if label.is_empty() || label.ends_with('-') => {}
            _ => label.push('-'),
        }
    }
    label.truncate(63);
    let label = label.trim_matches('-');
    // Keys with this beginning are ignored in a manifest.
    let label = label.strip_prefix("x-").unwrap_or(label);
    (!label.is_empty()).then(|| label.to_owned())
}

/// The value of `key = "value"` in one table of a TOML file. It reads what package files hold and nothing more.
fn toml_text<'t>(text: &'t str, table: &str, key: &str) -> Option<&'t str> {
    let mut here = "";
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            here = header.trim_start_matches('[').split(']').next().unwrap_or_default().trim();
        } else if here == table
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            let value = value.trim();
            let quote = value.chars().next().filter(|c| *c == '"' || *c == '\'')?;
            return value[1..].split(quote).next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for (text, expect) in [
            ("Gateway_BFF", Some("gateway-bff")),
            ("@shop/admin-web", Some("admin-web")),
            ("example.com/x/api", Some("api")),
            ("__", None),
            ("x-ray", Some("ray")),
        ] {
            assert_eq!(label(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn toml_tables() {
        let text = "[package]\nname = \"a\" # why\nversion.workspace = true\n[[bin]]\nname = 'b'\n";
        assert_eq!(toml_text(text, "package", "name"), Some("a"));
        assert_eq!(toml_text(text, "bin", "name"), Some("b"));
        assert_eq!(toml_text(text, "lib", "name"), None);
    }
}
