//! A program that can be a service.

use super::{Repository, contract::STATE_PATHS};
use serde::Serialize;
use std::collections::BTreeSet;

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
    /// Variables that its sources read for the URL of something else, in alphabetical order.
    pub upstreams: BTreeSet<String>,
    /// Paths in its sources that tell about the state of a service: `/health`, `/ready` and the like.
    pub state_paths: Vec<String>,
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
        let sources: Vec<&str> =
            repository.below(directory).filter(|(path, _)| is_source(path)).map(|(_, text)| text).collect();
        let database = variable(&sources, &["DATABASE_URL", "DB_DSN", "DB_URL", "POSTGRES_URL", "DSN"]);
        let upstreams = variables(&sources)
            .filter(|word| word.ends_with("_URL") && database.as_deref() != Some(word))
            .map(str::to_owned);
        Self {
            migrations: migrations(repository, directory),
            listen: variable(&sources, &["HTTP_ADDR", "LISTEN_ADDR", "BIND_ADDR", "LISTEN_ADDRESS", "ADDR"]),
            upstreams: upstreams.collect(),
            state_paths: STATE_PATHS
                .into_iter()
                .filter(|path| sources.iter().any(|text| is_quoted(text, path)))
                .map(str::to_owned)
                .collect(),
            database,
            name,
            directory: directory.to_owned(),
            kind,
        }
    }
}

fn is_quoted(text: &str, path: &str) -> bool {
    ['"', '\'', '`'].iter().any(|quote| text.contains(&format!("{quote}{path}{quote}")))
}

fn migrations(repository: &Repository<'_>, directory: &str) -> Option<String> {
    let found = repository.below(directory).find_map(|(path, _)| {
        let (parent, _) = path.strip_suffix(".sql")?.rsplit_once('/')?;
        (parent == "migrations" || parent.ends_with("/migrations")).then_some(parent)
    })?;
    Some(super::inside(directory, found))
}

/// The first variable whose name ends like one of these, the best ending first.
fn variable(sources: &[&str], endings: &[&str]) -> Option<String> {
    endings.iter().find_map(|ending| {
        let mut words = variables(sources);
        let fits = |word: &&str| {
            word.strip_suffix(ending).is_some_and(|before| before.is_empty() || before.ends_with('_'))
        };
        words.find(fits).map(str::to_owned)
    })
}

/// Words in capitals, which is how variables are written everywhere.
fn variables<'t>(sources: &'t [&str]) -> impl Iterator<Item = &'t str> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = sources.iter().flat_map(move |text| text.split(move |c: char| !is_part(c)));
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// A source of the program itself; tests name the variables of others.
fn is_source(path: &str) -> bool {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.split('.').next().unwrap_or(name);
    let test = directories.split('/').any(|part| ["tests", "test", "__tests__", "testdata"].contains(&part))
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || name.contains(".test.")
        || name.contains(".spec.");
    let extension = path.rsplit('.').next().unwrap_or_default();
    !test && ["rs", "go", "js", "mjs", "cjs", "ts", "py", "env", "example"].contains(&extension)
}
