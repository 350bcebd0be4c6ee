//! Files with a sentence for each way in which they fail.

use crate::ClusterError;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

pub(crate) const NOTHING: &str = "nothing was changed";
pub(crate) const NO_CLUSTER: &str = "no cluster was created";
pub(crate) const NOT_STARTED: &str = "the server was not started and its data was not touched";

/// Makes a [`ClusterError::File`] of an error.
pub(crate) fn failed(
    what: &'static str,
    path: &Path,
    unchanged: &'static str,
) -> impl FnOnce(io::Error) -> ClusterError {
    let path: PathBuf = path.to_owned();
    move |source| ClusterError::File { what, path, unchanged, source }
}

/// The path with something added to its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes a directory and what is missing above it. What is above is open to everybody's passing through.
pub(crate) fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Replaces a file in one step; a reader sees the old text or the new one.
pub(crate) fn replace(
    path: &Path,
    text: &str,
    finish: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let unfinished = beside(path, ".new");
    fs::write(&unfinished, text)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))?;
    finish(&unfinished)?;
    fs::File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, path)
}
