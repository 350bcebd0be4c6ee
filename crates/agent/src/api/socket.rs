//! The control socket: where it is, and who may use it.

use crate::{AgentError, disk, disk::Survives, home::Home};
use fairway_protocol::agent::{API_VERSION, AgentAddress};
use std::{fs, os::unix::fs::PermissionsExt as _};
use tokio::net::UnixListener;

/// Makes the socket, for the owner only, and writes down where it is.
pub(crate) fn bind(home: &Home, version: &str) -> Result<UnixListener, AgentError> {
    let path = home.agent_socket();
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
    let _ = disk::remove(&home.agent_socket());
    let _ = disk::remove(&home.root().join("agent.json"));
}
