//! Making a group of version 2, where controllers are handed down from parent to child.

use super::{OURS, make};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// The leaf that the supervisor moves itself to, where version 2 forbids a group to have both processes and children.
const LEAF: &str = "fairway-supervisor";

/// Where our groups stand in version 2: beside the supervisor once it has moved itself to a leaf.
pub(super) fn base(own: &Path) -> &Path {
    match own.parent() {
        Some(parent) if own.ends_with(LEAF) => parent,
        _ => own,
    }
}

/// A group of version 2 and the controllers that it does not have, each with the reason.
pub(super) type MadeV2<'a> = (PathBuf, BTreeMap<&'a str, String>);

/// Makes the group below the supervisor's own one; where that cannot have all controllers, below the root.
pub(super) fn make_v2<'a>(
    own: &Path,
    root: &Path,
    name: &str,
    controllers: &BTreeSet<&'a str>,
) -> Result<MadeV2<'a>, String> {
    let first = make_v2_below(base(own), name, controllers);
    if base(own) == root || matches!(&first, Ok((_, missing)) if missing.is_empty()) {
        return first;
    }
    match (first, make_v2_below(root, name, controllers)) {
        (Ok((unused, missing)), Ok(second)) if second.1.len() < missing.len() => {
            let _ = fs::remove_dir(unused);
            Ok(second)
        }
        (Ok(first), Ok((unused, _))) => {
            let _ = fs::remove_dir(unused);
            Ok(first)
        }
        (first, second) => first.or(second),
    }
}

fn make_v2_below<'a>(
    parent: &Path,
    name: &str,
    controllers: &BTreeSet<&'a str>,
) -> Result<MadeV2<'a>, String> {
    let ours = parent.join(OURS);
    fs::create_dir_all(&ours).map_err(|error| format!("{}: {error}", ours.display()))?;
    let mut missing = BTreeMap::new();
    for controller in controllers {
        if let Err(why) = enable(parent, controller).and_then(|()| enable(&ours, controller)) {
            missing.insert(*controller, why);
        }
    }
    Ok((make(&ours, name)?, missing))
}

/// Hands `controller` on to the children of `dir`.
fn enable(dir: &Path, controller: &str) -> Result<(), String> {
    let file = dir.join("cgroup.subtree_control");
    let listed = |text: &str| text.split_ascii_whitespace().any(|each| each == controller);
    if fs::read_to_string(&file).is_ok_and(|text| listed(&text)) {
        return Ok(());
    }
    let available = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    if !listed(&available) {
        return Err(format!("{} has no {controller} controller", dir.display()));
    }
    let write = || fs::write(&file, format!("+{controller}"));
    let said = |error: io::Error| format!("{}: {error}", file.display());
    match write() {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            // The group has processes of its own. When that is only the supervisor, it can step aside.
            let own = std::process::id().to_string();
            let alone = fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|text| text.trim() == own);
            if !alone {
                return Err(format!(
                    "{}: other processes share the supervisor's control group",
                    dir.display()
                ));
            }
            let leaf = dir.join(LEAF);
            fs::create_dir_all(&leaf)
                .and_then(|()| fs::write(leaf.join("cgroup.procs"), own))
                .map_err(said)?;
            write().map_err(said)
        }
        other => other.map_err(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_in_its_leaf_makes_groups_beside_it() {
        assert_eq!(base(Path::new("/s/f.service/fairway-supervisor")), Path::new("/s/f.service"));
        assert_eq!(base(Path::new("/s/f.service")), Path::new("/s/f.service"));
    }
}
