//! The operating system's user that the server runs as.

use crate::ClusterError;
use fairway_supervisor::User;
use nix::unistd::{Uid, User as Account};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runner {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Does somebody have to become this user first?
    pub(crate) other: bool,
}

impl Runner {
    /// The present user; when that is root, whom PostgreSQL refuses, `postgres` or `nobody`.
    pub(crate) fn choose() -> Result<Self, ClusterError> {
        let own = Uid::effective();
        if !own.is_root() {
            let name = account_name(own).unwrap_or_else(|| own.to_string());
            return Ok(Self {
                name,
                uid: own.as_raw(),
                gid: nix::unistd::Gid::effective().as_raw(),
                other: false,
            });
        }
        let account = ["postgres", "nobody"].iter().find_map(|name| Account::from_name(name).ok().flatten());
        let account = account.ok_or(ClusterError::NoUser)?;
        Ok(Self { name: account.name, uid: account.uid.as_raw(), gid: account.gid.as_raw(), other: true })
    }

    /// What the supervisor has to change to.
    pub(crate) fn user(&self) -> Option<User> {
        self.other.then_some(User { uid: self.uid, gid: self.gid })
    }

    /// Checks that this user can enter every directory above `path`.
    pub(crate) fn check_reach(&self, path: &Path) -> Result<(), ClusterError> {
        if !self.other {
            return Ok(());
        }
        match closed_directory(path, self.uid, self.gid) {
            Some(closed) => Err(ClusterError::Closed { user: self.name.clone(), closed }),
            None => Ok(()),
        }
    }

    /// Gives a file or directory to this user.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        if self.other { std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }
}

/// The name of the present user, under which the kernel presents it at the socket.
pub(crate) fn own_name() -> Option<String> {
    account_name(Uid::effective())
}

fn account_name(uid: Uid) -> Option<String> {
    Account::from_uid(uid).ok().flatten().map(|account| account.name)
}

/// The topmost directory above `path` that this user may not enter. Directories that do not exist yet are made later,
/// open.
fn closed_directory(path: &Path, uid: u32, gid: u32) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above
        .into_iter()
        .find(|dir| fs::metadata(dir).is_ok_and(|meta| !may_enter(&meta, uid, gid)))
        .map(Path::to_owned)
}

fn may_enter(meta: &fs::Metadata, uid: u32, gid: u32) -> bool {
    let bit = if meta.uid() == uid {
        0o100
    } else if meta.gid() == gid {
        0o010
    } else {
        0o001
    };
    meta.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_closed_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let data = inner.join("not-there-yet/data");
        set(dir.path(), 0o755);
        set(&inner, 0o755);
        assert_eq!(closed_directory(&data, 12_345, 12_345), None);
        set(&inner, 0o750);
        assert_eq!(closed_directory(&data, 12_345, 12_345), Some(inner.clone()));
        set(dir.path(), 0o700);
        assert_eq!(closed_directory(&data, 12_345, 12_345), Some(dir.path().to_owned()));
        let owner = fs::metadata(dir.path()).unwrap().uid();
        assert_eq!(closed_directory(&data, owner, 12_345), None);
    }
}
