//! The control socket: where it is, and who may use it.

use crate::{AgentError, disk, disk::Survives, home::Home};
use fairway_protocol::agent::{API_VERSION, AgentAddress, LONGEST_SOCKET_PATH};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};
use tokio::net::UnixListener;

/// Makes the socket, for the owner only, and writes down where it is.
pub(crate) fn bind(home: &Home, version: &str) -> Result<UnixListener, AgentError> {
    let path = place(home)?;
    let refused = |source| AgentError::Socket { path: path.clone(), source };
    // The lock on the home directory says that whoever made an old one is gone.
    disk::remove(&path).map_err(refused)?;
    let listener = UnixListener::bind(&path).map_err(refused)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(refused)?;
    let address = AgentAddress {
        api: API_VERSION,
        version: version.to_owned(),
        pid: std::process::id(),
        socket: path.display().to_string(),
    };
    disk::write_json(&home.root().join("agent.json"), &address, Survives::Process).map_err(refused)?;
    Ok(listener)
}

/// Removes it.
pub(crate) fn remove(home: &Home) {
    if let Ok(path) = place(home) {
        let _ = disk::remove(&path);
    }
    let _ = disk::remove(&home.root().join("agent.json"));
}

/// In the home directory, unless the path would be too long for a socket; then in a directory of this user alone.
fn place(home: &Home) -> Result<PathBuf, AgentError> {
    let path = home.root().join("agent.sock");
    if path.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return Ok(path);
    }
    let user = nix::unistd::Uid::effective();
    let directory = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if runtime.len() < LONGEST_SOCKET_PATH / 2 => PathBuf::from(runtime).join("fairway"),
        _ => PathBuf::from(format!("/tmp/fairway-{user}")),
    };
    let refused = |source| AgentError::Socket { path: directory.clone(), source };
    disk::directory(&directory).map_err(refused)?;
    let found = fs::symlink_metadata(&directory).map_err(refused)?;
    if !found.is_dir() || found.uid() != user.as_raw() || found.mode() & 0o077 != 0 {
        let error = std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            "the directory is not this user's alone; remove it or set XDG_RUNTIME_DIR",
        );
        return Err(refused(error));
    }
    Ok(directory.join(format!("{}.sock", home.tag())))
}
