//! Where the text of a contract comes from, and how one file names another.

use std::collections::BTreeMap;

/// Hands out the text of files by path. The crate itself never touches a disk.
///
/// Paths are the entry path as the caller wrote it, and for a `$ref` the path of the file that holds
/// it with the reference's relative path applied: `contracts/identity.yaml` referring to
/// `./common.yaml` asks for `contracts/common.yaml`.
pub trait Sources {
    /// The whole text of `path`.
    ///
    /// # Errors
    /// [`Unreadable`] says whether there is no such file, or why it could not be read.
    fn read(&self, path: &str) -> Result<String, Unreadable>;
}

/// Why a file could not be handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is no such file.
    #[error("no such file")]
    NotFound,
    /// There is one, and reading it failed for this reason.
    #[error("{0}")]
    Failed(String),
}

impl Sources for BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        self.get(path).cloned().ok_or(Unreadable::NotFound)
    }
}

/// Makes [`Sources`] of a function from path to text.
#[derive(Debug, Clone, Copy)]
pub struct FromFn<F>(pub F);

impl<F> Sources for FromFn<F>
where
    F: Fn(&str) -> Result<String, Unreadable>,
{
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        (self.0)(path)
    }
}

/// Removes `.` and resolves `..`; `None` when `..` would climb above where the path began.
pub(crate) fn normalise(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    Some(format!("{root}{}", parts.join("/")))
}

/// The path of `reference`, which is written inside `file`; `None` when it leads further up than `file` itself.
pub(crate) fn beside(file: &str, reference: &str) -> Option<String> {
    if reference.starts_with('/') {
        return normalise(reference);
    }
    // `../../contracts/a.yaml`, as somebody writes it who stands further down: what leads up stays in front.
    let (mut below, mut up) = (file, 0);
    loop {
        if let Some(rest) = below.strip_prefix("../") {
            (below, up) = (rest, up + 1);
        } else if let Some(rest) = below.strip_prefix("./") {
            below = rest;
        } else {
            break;
        }
    }
    let path = match below.rsplit_once('/') {
        Some((folder, _)) => normalise(&format!("{folder}/{reference}")),
        None => normalise(reference),
    };
    Some(format!("{}{}", "../".repeat(up), path?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_relative_to_the_file_that_holds_them() {
        let check = |file: &str, reference: &str, expect: Option<&str>| {
            assert_eq!(beside(file, reference).as_deref(), expect, "{reference} in {file}");
        };
        check("a.yaml", "b.yaml", Some("b.yaml"));
        check("a.yaml", "./b.yaml", Some("b.yaml"));
        check("x/a.yaml", "b.yaml", Some("x/b.yaml"));
        check("x/a.yaml", "../b.yaml", Some("b.yaml"));
        check("x/y/a.yaml", "../z/./b.yaml", Some("x/z/b.yaml"));
        check("/r/x/a.yaml", "../b.yaml", Some("/r/b.yaml"));
        check("/r/a.yaml", "/other/b.yaml", Some("/other/b.yaml"));
        check("./x/a.yaml", "b.yaml", Some("x/b.yaml"));
        check("../x/a.yaml", "b.yaml", Some("../x/b.yaml"));
        check("../x/a.yaml", "../b.yaml", Some("../b.yaml"));
        check("../../a.yaml", "c/b.yaml", Some("../../c/b.yaml"));
        check(".././x/a.yaml", "b.yaml", Some("../x/b.yaml"));
        check("../a.yaml", "../b.yaml", None);
        check("a.yaml", "../b.yaml", None);
        check("x/a.yaml", "../../b.yaml", None);
    }
}
