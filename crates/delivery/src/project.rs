//! A repository on disk: where its manifest is, and the texts that the manifest speaks of.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The name of the manifest.
pub const MANIFEST: &str = "fairway.yaml";

/// A directory with a `fairway.yaml`.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

/// A project that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no manifest here or above.
    #[error("there is no {MANIFEST} in {} or any directory above it", start.display())]
    NotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// The directory to look from cannot be entered.
    #[error("there is no project to look for: {}", path.display())]
    NoDirectory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The state directory cannot be made.
    #[error(
        "{} cannot be made: nothing was changed; Fairway keeps its state there, so make the project writable for this user",
        path.display()
    )]
    State {
        /// The state directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file that people write is not text.
    #[error("{} is not UTF-8 text: nothing was changed; save it as UTF-8", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Project {
    /// The nearest directory with a manifest, from `start` upwards.
    ///
    /// # Errors
    /// [`ProjectError::NotFound`] when there is none.
    pub fn find(start: &Path) -> Result<Self, ProjectError> {
        let absolute = fs::canonicalize(start)
            .map_err(|source| ProjectError::NoDirectory { path: start.to_owned(), source })?;
        absolute
            .ancestors()
            .find(|directory| directory.join(MANIFEST).is_file())
            .map(|root| Self { root: root.to_owned() })
            .ok_or(ProjectError::NotFound { start: absolute })
    }

    /// The directory with the manifest.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Fairway's own directory in the project: state, keys, packed artifacts. Never committed.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join(".fairway")
    }

    /// Makes the state directory, closed to others and ignored by git.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn prepare_state(&self) -> Result<PathBuf, ProjectError> {
        let state = self.state();
        let make = || -> io::Result<()> {
            fs::create_dir_all(&state)?;
            let ignore = state.join(".gitignore");
            if !ignore.exists() {
                fs::write(ignore, "*\n")?;
            }
            Ok(())
        };
        make().map_err(|source| ProjectError::State { path: state.clone(), source })?;
        Ok(state)
    }

    /// The text of one file, relative to the project.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, relative: &str) -> Result<String, ProjectError> {
        let path = self.root.join(relative);
        fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => ProjectError::NotText { path },
            _ => ProjectError::Read { path, source },
        })
    }

    /// Every text file below the given directories, by path relative to the project. Directories that do not exist
    /// are empty; whoever needs a file says so itself.
    ///
    /// # Errors
    /// When something that exists cannot be read.
    pub fn texts(
        &self,
        directories: &[&str],
        extensions: &[&str],
    ) -> Result<BTreeMap<String, String>, ProjectError> {
        let mut texts = BTreeMap::new();
        for directory in directories {
            let start = self.root.join(directory);
            if !start.exists() {
                continue;
            }
            for entry in walkdir::WalkDir::new(&start).follow_links(true) {
                let entry = entry.map_err(|error| ProjectError::Read {
                    path: error.path().unwrap_or(&start).to_owned(),
                    source: error.into_io_error().unwrap_or_else(|| io::Error::other("the directory loops")),
                })?;
                let path = entry.path();
                let wanted =
                    path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e));
                if entry.file_type().is_file() && wanted {
                    let relative =
                        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned();
                    texts.insert(relative.clone(), self.read(&relative)?);
                }
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_manifest_wins() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(directory.path().join(MANIFEST), "system: outer\n").unwrap();
        fs::write(directory.path().join("a").join(MANIFEST), "system: inner\n").unwrap();
        let project = Project::find(&inner).unwrap();
        assert_eq!(project.read(MANIFEST).unwrap(), "system: inner\n");
    }

    #[test]
    fn no_manifest_says_where_it_was_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let message = Project::find(directory.path()).unwrap_err().to_string();
        assert!(
            message.contains(MANIFEST) && message.contains(&*directory.path().to_string_lossy()),
            "{message}"
        );
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(MANIFEST), "").unwrap();
        fs::write(directory.path().join(".fairway"), "in the way").unwrap();
        let error = Project::find(directory.path()).unwrap().prepare_state().unwrap_err();
        assert!(matches!(&error, ProjectError::State { .. }), "{error}");
        assert!(error.to_string().contains(".fairway cannot be made: nothing was changed"), "{error}");
    }

    #[test]
    fn texts_are_named_relative_to_the_project() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("config/environments")).unwrap();
        fs::write(directory.path().join(MANIFEST), "").unwrap();
        fs::write(directory.path().join("config/environments/dev.yaml"), "x").unwrap();
        fs::write(directory.path().join("config/readme.md"), "x").unwrap();
        let texts =
            Project::find(directory.path()).unwrap().texts(&["config", "missing"], &["yaml"]).unwrap();
        assert_eq!(texts.into_keys().collect::<Vec<_>>(), ["config/environments/dev.yaml"]);
    }
}
