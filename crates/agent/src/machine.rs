//! What the environments of a host share.

use crate::{
    AgentSettings, artifacts::Artifacts, databases::Databases, edge::Edge, home::Home, ports::Ports,
};
use tokio::sync::Notify;

/// What the environments of a host share.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) settings: AgentSettings,
    pub(crate) home: Home,
    pub(crate) artifacts: Artifacts,
    pub(crate) ports: Ports,
    pub(crate) edge: Edge,
    pub(crate) databases: Databases,
    /// Asks for a collection of artifacts.
    pub(crate) garbage: Notify,
}
