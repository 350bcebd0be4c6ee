//! A program that can be a service.

use super::Repository;
use serde::Serialize;

/// A program that can be a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectedProject {
    /// A name for the service.
    pub name: String,
    /// Where it lies; empty for the root.
    pub directory: String,
    /// How it is built and started.
    pub kind: ProjectKind,
    /// A directory of SQL migrations, relative to the root.
    pub migrations: Option<String>,
    /// The variable that its sources read for an address to listen on.
    pub listen: Option<String>,
    /// The variable that its sources read for a connection URL.
    pub database: Option<String>,
}

/// How a project is built and started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectKind {
    /// A Cargo package with a binary.
    Cargo {
        /// The package.
        package: String,
        /// Its binary.
        binary: String,
    },
    /// A Go program.
    Go {
        /// The package to build, relative to the directory: `.` or `./cmd/api`.
        package: String,
        /// The file that is built.
        binary: String,
    },
    /// A Node package with a script that starts it.
    Node {
        /// It has a script `build`.
        builds: bool,
    },
    /// A Python program.
    Python {
        /// The file that starts it, relative to the directory.
        entry: String,
    },
}

impl DetectedProject {
    pub(super) fn new(repository: &Repository<'_>, name: String, directory: &str, kind: ProjectKind) -> Self {
        Self {
            migrations: migrations(repository, directory),
            listen: variable(
                repository,
                directory,
                &["HTTP_ADDR", "LISTEN_ADDR", "BIND_ADDR", "LISTEN_ADDRESS", "ADDR"],
            ),
            database: variable(
                repository,
                directory,
                &["DATABASE_URL", "DB_DSN", "DB_URL", "POSTGRES_URL", "DSN"],
            ),
            name,
            directory: directory.to_owned(),
            kind,
        }
    }
}

fn migrations(repository: &Repository<'_>, directory: &str) -> Option<String> {
    let found = repository.below(directory).find_map(|(path, _)| {
        let (parent, _) = path.strip_suffix(".sql")?.rsplit_once('/')?;
        (parent == "migrations" || parent.ends_with("/migrations")).then_some(parent)
    })?;
    Some(super::inside(directory, found))
}

/// The first variable in the sources of a project whose name ends like one of these, the best ending first.
fn variable(repository: &Repository<'_>, directory: &str, endings: &[&str]) -> Option<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    endings.iter().find_map(|ending| {
        repository.below(directory).filter(|(path, _)| is_source(path)).find_map(|(_, text)| {
            let words = text.split(|c: char| !is_part(c));
            words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())).find_map(|word| {
                let before = word.strip_suffix(ending)?;
                (before.is_empty() || before.ends_with('_')).then(|| word.to_owned())
            })
        })
    })
}

fn is_source(path: &str) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default();
    ["rs", "go", "js", "mjs", "cjs", "ts", "py", "env", "example"].contains(&extension)
}
