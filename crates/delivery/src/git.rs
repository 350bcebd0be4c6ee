//! What the repository says about itself.

use crate::process;
use std::path::Path;

/// The commit that a release was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The commit's id; `None` outside a git repository.
    pub(crate) commit: Option<String>,
    /// The working tree differed from the commit.
    pub(crate) dirty: bool,
}

/// Reads the commit and whether the working tree differs from it. Git missing is the same as no repository.
pub(crate) async fn source(directory: &Path) -> Source {
    let Some(commit) = process::query("git", &["rev-parse", "HEAD"], directory).await else {
        return Source::default();
    };
    let status =
        process::query("git", &["status", "--porcelain", "--untracked-files=no", "--", "."], directory).await;
    Source { commit: Some(commit), dirty: status.is_none_or(|text| !text.is_empty()) }
}

/// Who works here, as git knows them, else the user of the system.
pub(crate) async fn person(directory: &Path) -> String {
    if let Some(name) =
        process::query("git", &["config", "user.name"], directory).await.filter(|name| !name.is_empty())
    {
        return name;
    }
    std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
