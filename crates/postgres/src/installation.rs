//! PostgreSQL's programs on this machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The directory with `postgres` and `initdb`.
    pub bin: PathBuf,
    /// Major version.
    pub major: u32,
    /// The whole version as the program says it: `15.18`.
    pub version: String,
}

/// Why no programs can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; nothing was changed. Install it (Debian, Ubuntu: `apt-get install {}`; Fedora: `dnf install postgresql-server`; Alpine: `apk add {}`) or name an existing server by its URL", what(*wanted, found), debian(*wanted), alpine(*wanted))]
pub struct LocateError {
    /// The major version that was asked for.
    pub wanted: Option<u32>,
    /// What there is instead.
    pub found: Vec<Installation>,
}

fn what(wanted: Option<u32>, found: &[Installation]) -> String {
    let version = wanted.map(|major| format!(" {major}")).unwrap_or_default();
    if found.is_empty() {
        return format!(
            "PostgreSQL{version} is not installed: no `postgres` and `initdb` in PATH or /usr/lib/postgresql/*/bin"
        );
    }
    let list: Vec<String> =
        found.iter().map(|each| format!("{} in {}", each.version, each.bin.display())).collect();
    format!("PostgreSQL{version} is not installed; there is {}", list.join(", "))
}

fn debian(wanted: Option<u32>) -> String {
    wanted.map_or_else(|| "postgresql".into(), |major| format!("postgresql-{major}"))
}

fn alpine(wanted: Option<u32>) -> String {
    wanted.map_or_else(|| "postgresql".into(), |major| format!("postgresql{major}"))
}

/// Finds the programs of the `wanted` major version, or the newest ones: in `PATH` (given as `path`), then where
/// distributions put them.
///
/// # Errors
/// [`LocateError`] with what to install.
pub fn locate(path: Option<&str>, wanted: Option<u32>) -> Result<Installation, LocateError> {
    let mut dirs: Vec<PathBuf> =
        path.unwrap_or_default().split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect();
    for parent in ["/usr/lib/postgresql", "/usr/libexec/postgresql", "/opt/postgresql"] {
        dirs.extend(
            fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")),
        );
    }
    for entry in fs::read_dir("/usr").into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("pgsql-")) {
            dirs.push(entry.path().join("bin"));
        }
    }
    dirs.push("/usr/local/pgsql/bin".into());
    choose(dirs.iter().filter_map(|dir| inspect(dir)), wanted)
}

fn choose(
    found: impl Iterator<Item = Installation>,
    wanted: Option<u32>,
) -> Result<Installation, LocateError> {
    // By place, because PATH often holds links to a place that is searched anyway.
    let found: BTreeMap<PathBuf, Installation> = found.map(|each| (each.bin.clone(), each)).collect();
    let fits = |each: &&Installation| wanted.is_none_or(|major| each.major == major);
    let best = found.values().filter(fits).max_by_key(|each| (each.major, minor(&each.version))).cloned();
    best.ok_or_else(|| LocateError { wanted, found: found.into_values().collect() })
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

fn inspect(dir: &Path) -> Option<Installation> {
    let program = fs::canonicalize(dir.join("postgres")).ok()?;
    let bin = program.parent()?.to_owned();
    if !bin.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&program).arg("--version").output().ok()?;
    let (major, version) = parse_version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Installation { bin, major, version })
}

/// Major and whole version from `postgres (PostgreSQL) 15.18 (Debian …)`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(version: &str) -> Installation {
        let (major, version) = parse_version(&format!("postgres (PostgreSQL) {version}\n")).unwrap();
        Installation { bin: format!("/pg/{version}/bin").into(), major, version }
    }

    #[test]
    fn versions() {
        assert_eq!(
            parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0)\n"),
            Some((15, "15.18".into()))
        );
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some((18, "18beta1".into())));
        assert_eq!(parse_version("EnterpriseDB 9"), None);
    }

    #[test]
    fn the_wanted_or_the_newest() {
        let all = || ["14.9", "16.2", "15.18", "16.10"].map(installation).into_iter();
        assert_eq!(choose(all(), None).unwrap().version, "16.10");
        assert_eq!(choose(all(), Some(15)).unwrap().version, "15.18");
        let error = choose(all(), Some(17)).unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 17 is not installed; there is 14.9 in /pg/14.9/bin"), "{error}");
        assert!(error.contains("apt-get install postgresql-17"), "{error}");
        let error = choose(std::iter::empty(), None).unwrap_err().to_string();
        assert!(error.starts_with("PostgreSQL is not installed: no `postgres`"), "{error}");
    }
}
